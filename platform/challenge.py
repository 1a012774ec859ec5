"""Challenge: words and head movements nobody could have recorded in advance.

Five words out of 256, in random order, and three head movements, made when the recording begins and
good for one recording. What it shows is measured (safeguards/liveness.py), then watched.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from primafacie.safeguards.liveness import LONGEST, MOVES, WORDS

HOW_MANY: Final = 5
HOW_MANY_MOVES: Final = 3
TRIES: Final = 3
#: From showing the words to the end of the upload: the longest recording, and a minute to send it.
ANSWER_WITHIN: Final = timedelta(seconds=LONGEST + 60)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What to say and do in front of the camera. issued_at: when it was shown, "" never."""

    words: tuple[str, ...]
    moves: tuple[str, ...]
    statement: str
    issued_at: str = ""
    tries: int = 0

    @classmethod
    def fresh(
        cls, name: str, controller: str, issued: datetime | None = None, tries: int = 0
    ) -> Challenge:
        """New words and moves, from the system's random source."""
        random = secrets.SystemRandom()
        words = tuple(random.sample(WORDS, HOW_MANY))
        moves = tuple(random.sample(tuple(MOVES), HOW_MANY_MOVES))
        at = issued.isoformat() if issued else ""
        return cls(words, moves, _statement(name, controller), at, tries)

    @classmethod
    def stored(cls, kept: dict[str, Any], name: str, controller: str) -> Challenge:
        """The challenge whose words and moves were kept; the name was not."""
        return cls(
            tuple(kept["words"]), tuple(kept["moves"]), _statement(name, controller),
            str(kept.get("issued_at", "")), int(kept.get("tries", 0)),
        )  # fmt: skip

    def kept(self) -> dict[str, Any]:
        """What a row keeps of it: nothing personal."""
        return {
            "words": list(self.words), "moves": list(self.moves), "issued_at": self.issued_at,
            "tries": self.tries,
        }  # fmt: skip

    @property
    def tries_left(self) -> int:
        """How many more recordings may be begun."""
        return max(0, TRIES - self.tries)

    def in_time(self, now: datetime) -> bool:
        """Was it shown, and not too long ago?"""
        if not self.issued_at:
            return False
        since = now - datetime.fromisoformat(self.issued_at)
        return timedelta(0) <= since <= ANSWER_WITHIN


def _statement(name: str, controller: str) -> str:
    return (
        f"I, {name}, am aware that pictures and recordings of me will be used by {controller} "
        "to make videos of my talking face."
    )
