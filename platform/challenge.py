"""Challenge: words and head movements nobody could have recorded in advance.

Five words out of 256, in random order, and three head movements. What the recording shows is judged
by the reviewer who watches it; the record's liveness says no more than that there is such a video.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

WORDS: Final = tuple(
    """
    able acid acorn actor adult agent alarm album amber angle apple apron arrow artist august aunt
    autumn bacon badge baker balloon bamboo banana barn basket beach beard bench berry bicycle
    birthday blanket blossom board bottle branch bread breeze brick bridge brother bucket butter
    button cabin cable cactus camera candle canoe canvas captain carpet carrot castle cattle cedar
    cellar chair cheese cherry chimney circle citrus clock cloud clover coast coffee collar comet
    copper coral corner cotton cousin cradle crayon cricket crystal cushion daisy dancer daughter
    desert diamond dinner doctor dolphin donkey dragon drawer driver eagle early earth echo elbow
    elephant engine evening fabric falcon family farmer father feather fiddle finger flower forest
    fountain fruit garage garden garlic giant ginger glacier glass glove grape grass guitar hammer
    harbor harvest hazel helmet hobby honey horizon hotel husband island ivory jacket jelly jewel
    journey jungle kettle kitchen kitten ladder lagoon lantern lemon letter library lily lizard
    lobster magnet maple marble market meadow melon metal mirror monkey morning mother mountain
    museum napkin needle nephew nickel noodle north ocean olive onion orange orchard otter oyster
    paddle paint palace panda paper parade parrot peach peanut pebble pencil pepper piano picnic
    pillow pilot pirate planet pocket pony potato prince pumpkin puzzle rabbit radio rainbow ribbon
    river robin rocket saddle sailor salad sandal scarf school season shadow shell shoulder silver
    singer sister skater slipper snow soldier spider spoon squirrel stable station stone storm sugar
    summer sunset table teacher temple thunder ticket tiger tomato tower tractor train travel tulip
    tunnel turtle uncle valley velvet village violin
    """.split()  # noqa: SIM905  (a list of strings would fill a page)
)
MOVES: Final = ("look to your left", "look to your right", "look up", "look down", "nod slowly")
HOW_MANY: Final = 5


@dataclass(frozen=True, slots=True)
class Challenge:
    """What to say and do in front of the camera."""

    words: tuple[str, ...]
    moves: tuple[str, ...]
    statement: str

    @classmethod
    def fresh(cls, name: str, controller: str) -> Challenge:
        """New words and moves, from the system's random source."""
        random = secrets.SystemRandom()
        words = tuple(random.sample(WORDS, HOW_MANY))
        moves = tuple(random.sample(MOVES, 3))
        return cls(words, moves, _statement(name, controller, words))

    @classmethod
    def stored(cls, kept: dict[str, Any], name: str, controller: str) -> Challenge:
        """The challenge whose words and moves were kept; the name was not."""
        words, moves = tuple(kept["words"]), tuple(kept["moves"])
        return cls(words, moves, _statement(name, controller, words))

    def kept(self) -> dict[str, list[str]]:
        """What a row keeps of it: nothing personal."""
        return {"words": list(self.words), "moves": list(self.moves)}


def _statement(name: str, controller: str, words: tuple[str, ...]) -> str:
    return (
        f"I, {name}, am aware that pictures and recordings of me will be used by {controller} "
        f"to make videos of my talking face. My words are: {', '.join(words)}."
    )
