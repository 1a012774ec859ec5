"""Phones: 26 classes that look or sound alike in any language, and how words are made of them.

The classes are fine enough to be heard apart by a small network and coarse enough to be the same
in every language: all that the lips need. Diphthongs are two classes, split 60 : 40.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from primafacie.generator import espeak
from primafacie.generator.errors import VoiceError

CLASSES: Final[tuple[str, ...]] = (
    "sil", "pb", "m", "fv", "th", "td", "n", "l", "kg", "sz", "sh", "r", "w", "y", "hh",
    "iy", "ih", "eh", "ae", "ah", "aa", "ao", "uh", "uw", "er", "uy",
)  # fmt: skip
CLASS: Final[dict[str, int]] = {name: i for i, name in enumerate(CLASSES)}
SIL: Final = CLASS["sil"]
BILABIAL: Final = frozenset({CLASS["pb"], CLASS["m"]})
LABIODENTAL: Final = CLASS["fv"]
VOWELS: Final = frozenset(
    CLASS[v] for v in ("iy", "ih", "eh", "ae", "ah", "aa", "ao", "uh", "uw", "er", "uy")
)


class Part(NamedTuple):
    """A class and its share of the phone's time."""

    phone: int
    share: float


def _parts(spec: str) -> tuple[Part, ...]:
    """ "aa" is one class; "aa ih" is 60 : 40; "td:40 sh:60" says its shares itself."""
    names = spec.split()
    if len(names) == 1:
        return (Part(CLASS[names[0]], 1.0),)
    if ":" in spec:
        return tuple(Part(CLASS[n.split(":")[0]], int(n.split(":")[1]) / 100) for n in names)
    return (Part(CLASS[names[0]], 0.6), Part(CLASS[names[1]], 0.4))


#: ARPABET, as CMUdict, flite and festival's American voices write it.
ARPABET: Final[dict[str, tuple[Part, ...]]] = {
    phone: _parts(spec)
    for spec, phones in (
        ("aa", "aa"), ("ae", "ae"), ("ah", "ah ax"), ("ao", "ao"), ("eh", "eh"), ("ih", "ih ix"),
        ("er", "er axr"), ("iy", "iy"), ("uh", "uh"), ("uw", "uw"), ("aa uh", "aw"),
        ("aa ih", "ay"), ("eh iy", "ey"), ("ao uw", "ow"), ("ao ih", "oy"), ("pb", "b p"),
        ("m", "m em"), ("fv", "f v"), ("th", "th dh"), ("td", "t d dx"), ("n", "n en ng nx"),
        ("l", "l el"), ("kg", "k g"), ("sz", "s z"), ("sh", "sh zh"), ("td:40 sh:60", "ch jh"),
        ("r", "r"), ("w", "w"), ("y", "y"), ("hh", "hh hv h"), ("sil", "pau sil h# ssil"),
    )
    for phone in phones.split()
}  # fmt: skip

#: IPA symbols; the longest that fits is taken first, so affricates and diphthongs come whole.
IPA: Final[dict[str, tuple[Part, ...]]] = {
    symbol: _parts(spec)
    for spec, symbols in (
        ("pb", "p b ɓ"), ("m", "m"), ("fv", "f v ʋ ɱ ⱱ ɸ β"), ("pb:40 fv:60", "pf"), ("th", "θ ð"),
        ("td", "t d ʈ ɖ ɗ ɾ"), ("n", "n ɳ ɲ ŋ ɴ"), ("l", "l ɫ ɭ ʎ ɬ ɮ ʟ ɺ"),
        ("kg", "k g ɡ q ɢ c ɟ ɠ ʄ"), ("sz", "s z"), ("sh", "ʃ ʒ ʂ ʐ ɕ ʑ sx s. z. ɧ"),
        ("td:40 sh:60", "tʃ dʒ tɕ dʑ ʈʂ ɖʐ ts. ʧ ʤ ʨ ʥ"), ("td:40 sz:60", "ts dz ʦ ʣ"),
        ("r", "ɹ r ɻ ʀ ʁ ɽ ɚ̯"), ("w", "w ʍ ɥ"), ("y", "j ʝ"), ("hh", "h ɦ x ɣ χ ħ ʕ ç ʜ"),
        ("iy", "i"), ("ih", "ɪ ɨ ᵻ"), ("eh", "e ɛ"), ("ae", "æ"), ("ah", "ʌ ə ɐ ɤ ɘ"),
        ("aa", "a ɑ ɒ ä"), ("ao", "ɔ o"), ("uh", "ʊ ɯ"), ("uw", "u"), ("er", "ɚ ɝ ɜ ɞ"),
        ("uy", "y ø œ ʏ ʉ ɵ ɶ"),
        ("aa ih", "aɪ ɑɪ ai ɑi aɪ̯"), ("aa uh", "aʊ ɑʊ au ɑu"), ("eh iy", "eɪ ei ɛɪ"),
        ("ao uw", "oʊ əʊ ou ɔʊ"), ("ao ih", "ɔɪ ɔø oɪ oi ɔi"), ("iy eh", "iɛ ie"),
        ("ih ah", "ɪə iə"), ("uh ah", "ʊə"), ("uh ao", "uo"), ("eh ah", "eə ɛə"), ("ah l", "əl"),
        ("aa r", "ɑːɹ"), ("ao r", "ɔːɹ oːɹ"), ("ih r", "ɪɹ"), ("eh r", "ɛɹ"), ("uh r", "ʊɹ"),
    )
    for symbol in symbols.split()
}  # fmt: skip
_LONGEST: Final = max(map(len, IPA))


class Sound(NamedTuple):
    """A phone of a word: its classes, and whether it carries the word's main stress."""

    parts: tuple[Part, ...]
    stressed: bool


class Spelled(NamedTuple):
    """A word and how it sounds."""

    text: str
    sounds: tuple[Sound, ...]


def from_ipa(ipa: str) -> tuple[Part, ...]:
    """The classes of one IPA phone, shares summing to 1; () for marks without a sound."""
    rest = ipa.lstrip("ˈˌ")
    found: list[tuple[Part, ...]] = []
    while rest:
        for size in range(min(_LONGEST, len(rest)), 0, -1):
            if rest[:size] in IPA:
                found.append(IPA[rest[:size]])
                rest = rest[size:]
                break
        else:
            rest = rest[1:]  # length, tone, tie or diacritic: it changes no class
    weight = 1 / len(found) if found else 0.0
    return tuple(Part(p.phone, p.share * weight) for parts in found for p in parts)


def _espeak_words(text: str, language: str) -> tuple[Spelled, ...]:
    speech = espeak.speak(text, language)
    raw, words = text, []
    for word in speech.words:
        phones = [p.ipa for p in speech.phones[word.first : word.last]]
        sounds = tuple(Sound(parts, "ˈ" in p) for p in phones if (parts := from_ipa(p)))
        if sounds:
            words.append(Spelled(raw[word.at : word.at + word.length], sounds))
    return tuple(words)


@cache
def _cmudict() -> dict[str, str]:
    """CMU's pronouncing dictionary (BSD licence) out of the pocketsphinx distribution."""
    spec = importlib.util.find_spec("pocketsphinx")
    if spec is None or not spec.submodule_search_locations:
        return {}
    path = Path(spec.submodule_search_locations[0]) / "model/en-us/cmudict-en-us.dict"
    if not path.is_file():
        return {}
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)


def _cmu_words(text: str) -> tuple[Spelled, ...]:
    words = []
    for word in re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower().replace("’", "'")):
        phones = _cmudict().get(word, "").lower().split()
        if phones:
            vowel = next((i for i, p in enumerate(phones) if ARPABET[p][0].phone in VOWELS), 0)
            sounds = tuple(Sound(ARPABET[p], i == vowel) for i, p in enumerate(phones))
            words.append(Spelled(word, sounds))
    return tuple(words)


def spell(text: str, language: str = "en") -> tuple[Spelled, ...]:
    """How `text` is pronounced: by espeak-ng's rules, or for English by CMUdict without it.

    Words nobody can pronounce are left out. Raises VoiceError when there is no pronunciation for
    this language at all.
    """
    try:
        return _espeak_words(text, language)
    except VoiceError:
        if language.lower().split("-")[0] != "en" or not _cmudict():
            raise
    return _cmu_words(text)
