"""Thumbnail: a small picture of a released video, for the page of the person it shows.

Made by the worker from a file it has just sealed itself, never from a stranger's bytes.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

SIDE: Final = 160
_AT: Final = 10  # the tenth frame: by then the mouth has usually moved


def thumbnail(film: Path) -> bytes:
    """A JPEG of at most 160 pixels a side; b"" where no frame can be had."""
    import av
    from av.error import FFmpegError

    picture = None
    try:
        with av.open(str(film)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                picture = frame
                if number >= _AT:
                    break
    except (FFmpegError, OSError, IndexError):
        return b""
    if picture is None:
        return b""
    image = picture.to_image()
    image.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=70)
    return stream.getvalue()
