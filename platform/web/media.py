"""Media: sending pictures, films and exports so that a browser shows or saves, never runs them."""

from __future__ import annotations

from typing import Final

from flask import Response, request, send_file

from primafacie.platform.errors import NotFoundError
from primafacie.platform.requests import SealedFile

SANDBOX: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
#: First bytes -> media type. What matches none is sent as a file to save.
_KINDS: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"), (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"), (4, b"ftyp", "video/mp4"), (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"%PDF-", "application/pdf"),
)  # fmt: skip
#: Stills by what they are asked for as.
PICTURES: Final = {"png": "image/png", "jpg": "image/jpeg"}
_SHOWN: Final = ("image/png", "image/jpeg", "image/webp", "video/mp4", "video/webm")


def kind_of(data: bytes) -> str:
    """The media type the first bytes speak of; `application/octet-stream` when none."""
    for offset, magic, name in _KINDS:
        if data[offset : offset + len(magic)] == magic:
            return name
    return "application/octet-stream"


def picture(data: bytes) -> Response:
    """A PNG, JPEG or WebP to be shown in a page. Raises NotFoundError for anything else."""
    kind = kind_of(data)
    if not kind.startswith("image/"):
        raise NotFoundError("There is no picture here.")
    return _sealed(Response(data, content_type=kind), "inline", "picture")


def stored(data: bytes, name: str) -> Response:
    """A stored file: pictures and films are shown, everything else is saved."""
    kind = kind_of(data)
    how = "inline" if kind in _SHOWN else "attachment"
    return _sealed(Response(data, content_type=kind), how, name)


def download(data: bytes, name: str, kind: str) -> Response:
    """A file to be saved under `name`."""
    return _sealed(Response(data, content_type=kind), "attachment", name)


def film(found: SealedFile, *, save: bool) -> Response:
    """A released video out of the handle that was compared; players may ask for parts of it."""
    response = send_file(found.file, mimetype="video/mp4", as_attachment=save,
                         download_name=found.name, conditional=False, etag=found.sha256,
                         max_age=0)  # fmt: skip
    response.content_length = found.size
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=found.size)
    except BaseException:  # no such part
        found.file.close()
        raise
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _sealed(response: Response, how: str, name: str) -> Response:
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:100] or "file"
    response.headers["Content-Disposition"] = f'{how}; filename="{safe}"'
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["Cache-Control"] = "private, no-store"
    return response
