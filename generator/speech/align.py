"""Which phone when: from the network's opinion alone, or along a known text.

Both are Viterbi searches over 10 ms frames. Along a text, every word's phones must appear in
order, each at least 20 ms, with silence allowed between words; that the text fits the sound at
all is told by the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.speech.net import Net
from primafacie.generator.speech.phones import BILABIAL, CLASSES, SIL, Spelled

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: The 15 visemes in which trust is measured: classes that look alike count as one.
VISEMES: Final[tuple[tuple[str, ...], ...]] = (
    ("sil",), ("pb", "m"), ("fv",), ("th",), ("td",), ("kg", "hh"), ("sh",), ("sz",), ("n", "l"),
    ("r", "er"), ("aa", "ah"), ("ae", "eh"), ("ih", "iy", "y"), ("ao",), ("uw", "uh", "w", "uy"),
)  # fmt: skip
VISEME: Final = np.array(
    [next(i for i, group in enumerate(VISEMES) if name in group) for name in CLASSES]
)

#: How much of the class prior is taken out of the posterior, with and without a text.
_PRIOR_ALIGNED: Final = 0.4
_PRIOR_FREE: Final = 0.2
#: Without a text p, b and m are believed a little sooner: a closure missed is seen at once, and
#: the synthetic voices of the training close their lips more audibly than people do.
_BILABIAL_BONUS: Final = 0.25
#: But live, over its whole length, one must be so likely, or it is taken for the likeliest other.
_BILABIAL_LEAST: Final = 0.35
_LANGUAGE_WEIGHT: Final = 0.8
_CHANGE_PENALTY: Final = -1.0
_SHORTEST_FREE: Final = 3
#: log-probability taken from every phone where nobody was heard to speak.
_UNHEARD: Final = 2.0
#: A frame louder than this (dB below the loud frames) and by so much louder than the pauses is less
#: likely silence than the network thinks: by so much log-probability a dB, and at most so much.
#: Synthetic voices stop, people fade.
_AUDIBLE: Final = -50.0
_OVER_NOISE: Final = 10.0
_PER_DB: Final = 0.3
_MOST_AUDIBLE: Final = 8.0
#: At most this many states are searched in each frame of a long text.
_BAND: Final = 2400


class Span(NamedTuple):
    """A phone class sounds in frames start (included) to end (excluded).

    word: which word of the text, -1 without one. stressed: carries the word's main stress.
    """

    phone: int
    start: int
    end: int
    word: int = -1
    stressed: bool = False


class Alignment(NamedTuple):
    """Spans in order, silences left out, and the mean log P(viseme) over the spoken frames.

    On clear speech with its right text the confidence lies above -1.4, with a wrong one below.
    """

    spans: tuple[Span, ...]
    confidence: float


class _Chain(NamedTuple):
    """The states of a text. skip[s]: s may also follow s - 2, over an optional silence."""

    phone: NDArray[np.int64]
    loop: Mask
    skip: Mask
    word: NDArray[np.int64]
    part: NDArray[np.int64]
    stressed: Mask


def _chain(words: Sequence[Spelled]) -> _Chain:
    """Two states a phone, the second one repeating, so that a phone lasts 20 ms at least."""
    rows = [(SIL, True, False, -1, -1, False)]
    part = 0
    for number, word in enumerate(words):
        first = True
        for sound in word.sounds:
            for phone, _ in sound.parts:
                rows.append((phone, False, first, number, part, sound.stressed))
                rows.append((phone, True, False, number, part, sound.stressed))
                first, part = False, part + 1
        rows.append((SIL, True, False, -1, -1, False))
    columns = list(zip(*rows, strict=True))
    return _Chain(
        np.array(columns[0]), np.array(columns[1]), np.array(columns[2]), np.array(columns[3]),
        np.array(columns[4]), np.array(columns[5]),
    )  # fmt: skip


def audible(log_post: Floats, loudness: Floats, quiet: float) -> Floats:
    """log_post (T, 26) with silence made less likely where there is sound (mel.loudness, (T,));
    quiet: the loudness of pauses."""
    out = log_post.copy()
    least = max(_AUDIBLE, quiet + _OVER_NOISE)
    out[:, SIL] -= np.clip((loudness - least) * _PER_DB, 0, _MOST_AUDIBLE)
    total = np.log(np.exp(out).sum(axis=1, keepdims=True))
    return np.asarray(out - total, np.float32)


def align(log_post: Floats, speech: Mask, words: Sequence[Spelled], net: Net) -> Alignment | None:
    """The best way of laying `words` over log_post (T, 26); None when they cannot fit in.

    speech: (T,), where somebody speaks.
    """
    if not words or not len(log_post):
        return None
    chain = _chain(words)
    states, frames = len(chain.phone), len(log_post)
    score = log_post - np.float32(_PRIOR_ALIGNED) * net.prior
    score = score - (~speech)[:, None] * np.where(np.arange(len(CLASSES)) == SIL, 0, _UNHEARD)
    width = min(states, _BAND)
    heard = np.cumsum(speech) / max(1, int(speech.sum()))
    centre = np.clip((heard * states).astype(int) - width // 2, 0, states - width)
    back, last = _search(score, chain, centre, width)
    path = _trace(back, centre, last, frames)
    if path is None:
        return None
    return Alignment(_spans(path, chain), _confidence(log_post, path, chain))


def _search(
    score: Floats, chain: _Chain, centre: NDArray[np.int64], width: int
) -> tuple[NDArray[np.uint8], Floats]:
    """Back pointers (T, width): 0 stays, 1 comes from one state before, 2 from two before."""
    states, dead = len(chain.phone), np.float32(-1e30)
    now = np.full(states + 2, dead, np.float32)  # two dead states in front of the first
    now[2] = 0
    stay = np.where(chain.loop, np.float32(0), dead)
    jump = np.where(chain.skip, np.float32(0), dead)
    back = np.zeros((len(score), width), np.uint8)
    for t, row in enumerate(score):
        low = int(centre[t])
        here = slice(low, low + width)
        choices = np.stack(
            (now[2 + low : 2 + low + width] + stay[here], now[1 + low : 1 + low + width],
             now[low : low + width] + jump[here])
        )  # fmt: skip
        if t == 0:  # begin in the silence before, or with the first word
            choices[:] = dead
            choices[0, :2] = 0
        best = choices.argmax(axis=0)
        back[t] = best
        value = np.take_along_axis(choices, best[None], 0)[0] + row[chain.phone[here]]
        now[:] = dead
        now[2 + low : 2 + low + width] = value
    return back, now[2:]


def _trace(
    back: NDArray[np.uint8], centre: NDArray[np.int64], last: Floats, frames: int
) -> NDArray[np.int64] | None:
    state = len(last) - 1 if last[-1] >= last[-2] else len(last) - 2
    if last[state] < -1e29:
        return None
    path = np.empty(frames, np.int64)
    for t in range(frames - 1, -1, -1):
        path[t] = state
        state -= int(back[t, state - centre[t]])
    return path


def _spans(path: NDArray[np.int64], chain: _Chain) -> tuple[Span, ...]:
    part = chain.part[path]
    edges = np.flatnonzero(np.diff(part)) + 1
    starts, ends = np.r_[0, edges], np.r_[edges, len(part)]
    return tuple(
        Span(int(chain.phone[path[a]]), int(a), int(b), int(chain.word[path[a]]),
             bool(chain.stressed[path[a]]))
        for a, b in zip(starts, ends, strict=True)
        if part[a] >= 0
    )  # fmt: skip


def _confidence(log_post: Floats, path: NDArray[np.int64], chain: _Chain) -> float:
    phones = chain.phone[path]
    spoken = phones != SIL
    if not spoken.any():
        return -np.inf
    alike = VISEME[None, :] == VISEME[phones[spoken]][:, None]
    chance = np.where(alike, np.exp(log_post[spoken]), 0).sum(axis=1)
    return float(np.log(chance + 1e-6).mean())


def free(log_post: Floats, speech: Mask, net: Net) -> tuple[Span, ...]:
    """The most likely phones without a text, each at least 30 ms; silence where nobody speaks."""
    if not speech.any():
        return ()
    search = FreeSearch(net)
    search.hear(log_post, speech)
    return search.spans()


def believed(spans: Sequence[Span], log_post: Floats, first: int = 0) -> tuple[Span, ...]:
    """The spans without closures for which too little speaks, for live hearing, which has not heard
    what follows; log_post: opinions from frame `first` on, (T, 26). What lies before them is left
    as it is. Of whole clips it takes more right closures than wrong ones (MODEL_CARD.md)."""
    out = []
    for span in spans:
        opinion = log_post[max(span.start - first, 0) : max(span.end - first, 0)]
        if span.phone in BILABIAL and len(opinion):
            shut = list(BILABIAL)
            if np.exp(opinion[:, shut]).sum(axis=1).mean() < _BILABIAL_LEAST:
                others = opinion.mean(axis=0)
                others[shut] = -np.inf
                span = span._replace(phone=int(others.argmax()))
        if span.phone != SIL:
            out.append(span)
    return tuple(out)


class FreeSearch:
    """The search for phones without a text, carried on as the sound arrives.

    Viterbi over (class, frames so far up to the shortest). What was heard for good enters by
    `hear`; `spans` may look at frames beyond it whose opinion can still change. Keeps the last
    `memory` frames, all of them when None.
    """

    def __init__(self, net: Net, memory: int | None = None) -> None:
        self._prior = np.float32(_PRIOR_FREE) * net.prior
        self._bonus = np.float32(_BILABIAL_BONUS) * np.isin(np.arange(len(CLASSES)), list(BILABIAL))
        self._change = _LANGUAGE_WEIGHT * net.bigram + np.float32(_CHANGE_PENALTY)
        np.fill_diagonal(self._change, -1e30)
        self._memory = memory
        self._now: Floats | None = None
        self._came: list[NDArray[np.int64]] = []
        self._stayed: list[Mask] = []
        self._heard = 0

    @property
    def heard(self) -> int:
        """Frames heard for good."""
        return self._heard

    def hear(self, log_post: Floats, speech: Mask) -> None:
        """The next frames, for good: (T, 26) and (T,)."""
        self._now, came, stayed = self._run(self._now, log_post, speech)
        self._came += came
        self._stayed += stayed
        self._heard += len(log_post)
        if self._memory is not None:
            del self._came[: -self._memory], self._stayed[: -self._memory]

    def spans(self, log_post: Floats | None = None, speech: Mask | None = None) -> tuple[Span, ...]:
        """The best phones so far, in frames counted from the first one ever heard; log_post and
        speech: what is thought of the frames after the heard ones."""
        now, came, stayed = self._now, self._came, self._stayed
        if log_post is not None and speech is not None:
            now, more, also = self._run(now, log_post, speech)
            came, stayed = came + more, stayed + also
        if now is None:
            return ()
        ahead = 0 if log_post is None else len(log_post)
        return _free_spans(_free_trace(now, came, stayed), self._heard + ahead - len(came))

    def _run(
        self, now: Floats | None, log_post: Floats, speech: Mask
    ) -> tuple[Floats | None, list[NDArray[np.int64]], list[Mask]]:
        score = log_post - self._prior + self._bonus
        score[~speech] = -20
        score[~speech, SIL] = 0
        came: list[NDArray[np.int64]] = []  # which class was left to enter this one
        stayed: list[Mask] = []
        for row in score:
            if now is None:
                now = np.full((_SHORTEST_FREE, len(CLASSES)), -1e30, np.float32)
                now[0] = row
                came.append(np.zeros(len(CLASSES), np.int64))
                stayed.append(np.zeros(len(CLASSES), np.bool_))
                continue
            enter = now[-1][:, None] + self._change
            came.append(enter.argmax(axis=0))
            stayed.append(now[-1] >= now[-2])
            now = np.concatenate(
                (enter.max(axis=0)[None], now[:-2], np.maximum(now[-1], now[-2])[None])
            )
            now += row
            now -= now.max()
        return now, came, stayed


def _free_trace(
    now: Floats, came: Sequence[NDArray[np.int64]], stayed: Sequence[Mask]
) -> NDArray[np.int64]:
    """The class of every remembered frame."""
    frames, depth = len(came), _SHORTEST_FREE
    path = np.empty(frames, np.int64)
    level, state = divmod(int(now.argmax()), now.shape[1])
    for t in range(frames - 1, -1, -1):
        path[t] = state
        if level == 0:
            level, state = depth - 1, int(came[t][state])
        elif not (level == depth - 1 and stayed[t][state]):
            level -= 1
    return path


def _free_spans(path: NDArray[np.int64], first: int) -> tuple[Span, ...]:
    edges = np.flatnonzero(np.diff(path)) + 1
    starts, ends = np.r_[0, edges], np.r_[edges, len(path)]
    return tuple(
        Span(int(path[a]), first + int(a), first + int(b))
        for a, b in zip(starts, ends, strict=True)
        if path[a] != SIL
    )
