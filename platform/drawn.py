"""Drawn pictures: a machine's proof that nobody alive is in them. They are drawn again from what
the evidence says, and must come out byte for byte."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from primafacie.audit.digest import sha256_hex
from primafacie.platform.sitter import GENERATOR, VERSION, Sitter, draw

MOST: Final = 20  # pictures one piece of evidence may name
MOST_PIXELS: Final = 16_000_000  # of them together: whoever wrote it lets a worker draw them


@dataclass(frozen=True, slots=True)
class Exposure:
    """One picture of a sitter: pixels per side, and how far the head is turned, in degrees."""

    size: int
    yaw: float = 0.0
    pitch: float = 0.0

    def png(self, seed: int) -> bytes:
        """Drawn, as PNG bytes. Raises ValueError outside of `draw`'s ranges."""
        return png(draw(seed, self.size, yaw=self.yaw, pitch=self.pitch))


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture as PNG bytes; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def evidence(sitter: Sitter, exposures: Sequence[Exposure]) -> bytes:
    """What to attach to a consent whose pictures are these, as JSON."""
    shots = [{"size": e.size, "yaw": e.yaw, "pitch": e.pitch} for e in exposures]
    said = {"generator": GENERATOR, "version": VERSION, "name": sitter.name,
            "seed": sitter.seed, "pictures": shots}  # fmt: skip
    return json.dumps(said, sort_keys=True).encode()


def redrawn(said: bytes, photos: Collection[str]) -> bool:
    """Is every one of these photos, by its sha256, a picture that this program draws from what is
    said? Never raises: evidence of another kind, however made, proves nothing."""
    try:
        given: dict[str, Any] = json.loads(said)
        if (given["generator"], given["version"]) != (GENERATOR, VERSION):
            return False
        seed, shots = int(given["seed"]), given["pictures"]
        if not photos or not 0 < len(shots) <= MOST:
            return False
        shown = [Exposure(int(s["size"]), float(s["yaw"]), float(s["pitch"])) for s in shots]
        if sum(one.size**2 for one in shown) > MOST_PIXELS:
            return False
        return set(photos) <= {sha256_hex(one.png(seed)) for one in shown}
    except Exception:  # whatever it is: what cannot be drawn again is not proven
        return False
