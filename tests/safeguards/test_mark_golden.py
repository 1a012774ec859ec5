"""Files marked by released versions read for ever."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from primafacie.safeguards.provenance.watermark import (
    SCHEMES,
    MarkKeys,
    read_picture,
    read_sound,
)

HERE = Path(__file__).parent / "golden"
FILES: list[dict[str, Any]] = tomllib.loads((HERE / "golden.toml").read_text("utf-8"))["file"]
MASTER = b"the master secret of golden files"


def test_every_scheme_ever_released_has_a_golden_file() -> None:
    assert {file["scheme"] for file in FILES} == {scheme.alg for scheme in SCHEMES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file["name"])
def test_a_golden_file_is_the_one_that_was_released_and_still_reads(file: dict[str, Any]) -> None:
    data = (HERE / file["name"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == file["sha256"]
    keys = [MarkKeys.derive(MASTER, epoch) for epoch in (file["epoch"] + 1, file["epoch"])]
    if file["name"].endswith(".jpg"):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        reading = read_picture([picture[:, :, ::-1]], keys)
        assert (reading.asset_number, reading.epoch) == (file["number"], file["epoch"])
    else:
        sound = read_sound(*_heard(HERE / file["name"]), keys)
        assert (sound.sound_number, sound.epoch) == (file["number"], file["epoch"])
        reading = sound  # type: ignore[assignment]
    assert reading.scheme == file["scheme"]


def _heard(path: Path) -> tuple[np.ndarray, int]:
    with av.open(str(path)) as container:
        fit = av.AudioResampler("flt", "mono", 48_000)
        parts = [
            part.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for part in fit.resample(frame)
        ]
    return np.concatenate(parts), 48_000
