"""EngineInfo: what an engine is, which learned numbers it uses, and under what licences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of learned numbers an engine uses: what it is, its sha256, and its licence."""

    name: str
    sha256: str
    licence: str


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """An engine's visiting card; it goes into the log and into every report.

    deterministic: the same input gives the same bytes. exact: a renderer gives the photo back when
    nothing moves.
    """

    name: str
    version: str
    licence: str
    weights: tuple[Weights, ...] = ()
    max_side: int = 1080
    deterministic: bool = True
    exact: bool = True
