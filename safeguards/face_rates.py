"""Distances: how often a face matcher errs, and how sure that is from so many pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.safeguards.errors import FaceError

TARGET: Final = 1e-4  # the false match rate that NIST SP 800-63A asks for
_Z: Final = 1.959964  # two-sided 95 %
_THRESHOLDS: Final = np.round(np.arange(0.20, 0.81, 0.01), 2)


@dataclass(frozen=True, slots=True)
class Rate:
    """errors among trials, with Wilson's 95 % interval (Wilson 1927).

    Pairs that share a picture are not independent, so the interval is rather too narrow.
    """

    errors: int
    trials: int

    @property
    def value(self) -> float:
        return self.errors / self.trials if self.trials else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        if not self.trials:
            return 0.0, 1.0
        p, n, z = self.value, self.trials, _Z
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Faces:
    """Descriptors of one person's pictures, (N, D), and the stratum the person belongs to."""

    person: str
    stratum: str
    vectors: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Distances:
    """Distances of genuine and of impostor pairs."""

    genuine: NDArray[np.float64] = field(repr=False)
    impostor: NDArray[np.float64] = field(repr=False)

    def false_matches(self, threshold: float) -> Rate:
        """Impostor pairs at or below the threshold."""
        return Rate(int((self.impostor <= threshold).sum()), len(self.impostor))

    def false_non_matches(self, threshold: float) -> Rate:
        """Genuine pairs above the threshold."""
        return Rate(int((self.genuine > threshold).sum()), len(self.genuine))

    def operating_point(self, target: float = TARGET) -> tuple[float | None, float | None]:
        """(largest threshold whose measured false match rate is within the target, largest whose
        interval is): the second needs some 38,000 impostor pairs before it exists at 1e-4."""
        measured = [t for t in _THRESHOLDS if self.false_matches(t).value <= target]
        certain = [t for t in _THRESHOLDS if self.false_matches(t).interval[1] <= target]
        return _last(measured), _last(certain)


def _last(found: Sequence[float]) -> float | None:
    return float(found[-1]) if found else None


def pairs(people: Iterable[Faces], against: int = 1) -> Distances:
    """Distances between single pictures; with `against` > 1 between one picture and the mean of so
    many others of the same person, as the gate compares. Raises FaceError without two people."""
    known = sorted(people, key=lambda faces: faces.person)
    if len({faces.person for faces in known}) < 2:
        raise FaceError("at least two people are needed to measure anything")
    genuine: list[float] = []
    impostor: list[float] = []
    if against == 1:
        for faces in known:
            genuine += [_far(a, b) for a, b in combinations(faces.vectors, 2)]
        for one, other in combinations(known, 2):
            impostor += [_far(a, b) for a in one.vectors for b in other.vectors]
        return Distances(np.asarray(genuine), np.asarray(impostor))
    for faces in (f for f in known if len(f.vectors) > against):
        for number, probe in enumerate(faces.vectors):
            rest = np.delete(faces.vectors, number, axis=0)[:against]
            genuine.append(_far(probe, rest.mean(0)))
    for faces in (f for f in known if len(f.vectors) >= against):
        mean = faces.vectors[:against].mean(0)
        impostor += [_far(v, mean) for other in known if other is not faces
                     for v in other.vectors]  # fmt: skip
    return Distances(np.asarray(genuine), np.asarray(impostor))


def strata(people: Sequence[Faces]) -> Mapping[str, tuple[Faces, ...]]:
    """People by stratum; impostor pairs within one stratum are the hard ones."""
    names = sorted({faces.stratum for faces in people})
    return {name: tuple(f for f in people if f.stratum == name) for name in names}


def _far(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(a - b))
