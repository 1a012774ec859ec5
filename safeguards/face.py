"""FaceTemplate and Likeness: what the face gate knows about a face. Their repr shows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.safeguards.errors import FaceError

#: Euclidean distance of dlib descriptors below which a probe matches a mean of >= 5 frames.
#: On 57 identities: false matches 0, false non-matches 0.4 %. dlib's customary 0.6 lets 6 % of
#: same-scene look-alikes pass.
MATCH: Final = 0.50
#: The best identity must beat the next by this much, or the answer is "nobody" (morphs, kin).
MARGIN: Final = 0.05
#: A probe this near to somebody on the never-me list is refused.
DENY: Final = 0.60
#: What an operator may call the match distance of their own weights: unit vectors of unrelated
#: faces lie about 1.41 apart, so that beyond 1.0 "the same person" would say little.
OPERATING: Final = (0.2, 1.0)
STALE: Final = (
    "the face template of this consent was made by another model than the one in use; it is being "
    "made anew from the registered photos, or cannot be: ask the steward"
)
UNCOMPARED: Final = (
    "the never-me list holds a face that another model described, so that nobody can be compared "
    "with it; the operator must name that model as a former one, or go back to it"
)
_FEW: Final = 64  # nearest rows whose distance is taken exactly


@dataclass(frozen=True, slots=True)
class FaceWeights:
    """Weights of facenet-pytorch's InceptionResnetV1 that an operator brought, and the distance
    between unit vectors at which they measured the false match rate they stand for.

    The figures of the rules (MATCH, MARGIN, DENY) are dlib's. Every vector of this model is
    multiplied by `scale`, so that the operator's distance becomes MATCH, MARGIN a tenth of it and
    DENY 1.2 times it. No rule changes; but how many strangers lie within MATCH is then what the
    operator measured, not what dlib's figures say.
    """

    path: Path
    sha256: str
    match_distance: float

    def __post_init__(self) -> None:
        """Raises FaceError for a digest that is none, or a distance outside OPERATING."""
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise FaceError("a sha256 has 64 hexadecimal digits")
        if not OPERATING[0] <= self.match_distance <= OPERATING[1]:  # NaN is refused too
            raise FaceError(f"a match distance lies between {OPERATING[0]} and {OPERATING[1]}")

    @property
    def scale(self) -> float:
        """What a unit vector is multiplied by."""
        return MATCH / self.match_distance

    @property
    def model(self) -> str:
        """Name, digest and distance: whoever changes one has another model."""
        return f"inception-resnet-v1@{self.sha256}/{self.match_distance!r}"


@dataclass(frozen=True, slots=True)
class FaceTemplate:
    """The mean descriptor of several enrolment pictures, and the model that made it."""

    model: str  # name@sha256 of the weights; templates never match across models
    frames: int
    vector: NDArray[np.float32] = field(repr=False)  # (D,)
    #: The same pictures as former models describe them, to be held against what they left behind.
    former: tuple[FaceTemplate, ...] = field(repr=False, default=())

    def distance(self, probe: NDArray[np.float32], model: str) -> float:
        """Euclidean distance to a probe by the same model. Raises FaceError for another model."""
        if model != self.model:
            raise FaceError("a face template made by another model cannot be compared")
        return float(np.linalg.norm(self.vector - probe))

    def near(self, listed: FaceTemplate) -> float:
        """Distance to an entry of the never-me list, by whichever model described both. Raises
        FaceError where none did."""
        by = {one.model: one.vector for one in (*self.former, self)}
        if listed.model not in by:
            raise FaceError(UNCOMPARED)
        return listed.distance(by[listed.model], listed.model)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What the face gate saw in one photo. A bad photo is a value too, for a policy to refuse.

    faces_a, faces_b: faces counted by two independent detectors. problems: sentences about
    quality that a person can act on. distance: to the named consent's template (2.0 = none).
    best: is the named subject the nearest of all enrolled. margin: how much nearer than the next.
    other_distance: to the nearest other subject (2.0 = none). deny_distance: to the nearest
    never-me template (2.0 = none). generator_mark: the image generator whose mark it carries.
    aspect: the photo's longer side over its shorter one. own_mark: the asset number (14 hex digits)
    of our own mark in it, "present" for one that cannot be read, "" for none.
    """

    faces_a: int
    faces_b: int
    problems: tuple[str, ...]
    distance: float = 2.0
    best: bool = False
    margin: float = 0.0
    other_distance: float = 2.0
    deny_distance: float = 2.0
    model: str = ""
    generator_mark: str = ""
    aspect: float = 1.0
    own_mark: str = ""


@dataclass(frozen=True, slots=True)
class Nearest:
    """How far a probe is from the named subject and from the nearest other one (2.0 = none)."""

    own: float
    other: float

    @property
    def best(self) -> bool:
        """The named subject has a template and nobody is nearer."""
        return self.own < 2.0 and self.own < self.other

    @property
    def margin(self) -> float:
        """By how much the named subject is nearer; 0 when it is not."""
        return max(0.0, self.other - self.own)


@dataclass(frozen=True, slots=True)
class Gallery:
    """Everybody enrolled by one model, as a matrix. Built once and asked many times."""

    model: str
    rows: Mapping[str, tuple[int, ...]]  # subject id -> rows
    matrix: NDArray[np.float32] = field(repr=False)  # (N, D)
    squares: NDArray[np.float32] = field(repr=False)  # (N,)

    @classmethod
    def of(cls, model: str, templates: Sequence[tuple[str, FaceTemplate]]) -> Gallery:
        """The gallery of those among (subject id, template) that `model` made: templates of another
        model cannot be compared."""
        known = [(owner, t.vector) for owner, t in templates if t.model == model]
        rows: dict[str, tuple[int, ...]] = {}
        for number, (owner, _) in enumerate(known):
            rows[owner] = (*rows.get(owner, ()), number)
        vectors = [vector for _, vector in known]
        matrix = np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)
        squares = np.einsum("ij,ij->i", matrix, matrix)
        return cls(model, rows, matrix, np.asarray(squares, np.float32))

    def nearest(
        self, probe: NDArray[np.float32], subject_id: str, same: frozenset[str] = frozenset()
    ) -> Nearest:
        """How far the named subject and the nearest other one are. same: subjects that a reviewer
        found to be the named person; they do not count as others, nor as the subject."""
        own = list(self.rows.get(subject_id, ()))
        alike = [row for owner in same for row in self.rows.get(owner, ())]
        if not len(self.matrix):
            return Nearest(2.0, 2.0)
        rough = self.squares - 2 * (self.matrix @ probe)  # squared distance but for a constant
        rough[[*own, *alike]] = np.inf
        few = min(_FEW, len(rough)) - 1
        others = [i for i in np.argpartition(rough, few)[: few + 1] if np.isfinite(rough[i])]
        return Nearest(self._least(probe, own), self._least(probe, others))

    def _least(self, probe: NDArray[np.float32], rows: Sequence[Any]) -> float:
        """The exact distance of the nearest of these rows: the product above is rounded."""
        if not rows:
            return 2.0
        distances = np.linalg.norm(self.matrix[np.asarray(rows)] - probe, axis=1)
        return float(min(2.0, distances.min()))
