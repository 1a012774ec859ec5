"""Anatomy: the measures of one invented head, in millimetres unless said otherwise."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Everything that makes one sitter look like nobody else. Ratios are about 1."""

    age: float = 35.0
    masculine: float = 0.5  # 0 soft features .. 1 heavy brow and jaw
    fullness: float = 0.0  # -1 gaunt .. 1 round
    # skull
    width: float = 1.0
    length: float = 1.0  # eye line to chin
    jaw_width: float = 1.0
    chin_width: float = 1.0
    chin_forward: float = 0.0
    cheekbone: float = 1.0
    forehead: float = 1.0
    brow_ridge: float = 0.5
    # eyes
    eye_gap: float = 63.0  # pupil to pupil
    eye_width: float = 29.5
    eye_open: float = 1.0
    eye_tilt: float = 3.0  # degrees, outer corner up
    lid_crease: float = 1.0  # 0 none .. 1.5 deep set
    lid_hood: float = 0.0
    eye_depth: float = 0.0
    # nose
    nose_length: float = 1.0
    nose_width: float = 1.0
    bridge_width: float = 1.0
    bridge_height: float = 1.0
    nose_forward: float = 1.0
    nose_hump: float = 0.0
    nose_tip: float = 1.0
    tip_turn: float = 0.0  # mm the tip sits lower
    # mouth
    mouth_width: float = 50.0
    upper_lip: float = 7.0
    lower_lip: float = 9.0
    cupid: float = 1.0
    philtrum: float = 1.0
    mouth_corner: float = 0.8  # mm up
    # ears
    ear: float = 1.0
    # brows
    brow_height: float = 0.0  # mm up
    brow_arch: float = 1.0
    brow_slope: float = 0.0
    brow_thick: float = 1.0
    brow_length: float = 1.0
    # colours, sRGB 0..255
    skin: tuple[int, int, int] = (224, 178, 152)
    lips: tuple[int, int, int] = (186, 108, 102)
    iris: tuple[int, int, int] = (96, 74, 48)
    hair: tuple[int, int, int] = (62, 44, 32)
    brow: tuple[int, int, int] = (54, 40, 30)
    ruddy: float = 1.0
    freckles: float = 0.0
    lines: float = 0.3  # depth of folds and wrinkles
    makeup: float = 0.0
    # what is worn
    hair_style: str = "short"
    grey: float = 0.0
    beard: str = "none"  # none | shadow | stubble | short | full
    glasses: str = "none"  # none | round | square
    garment: str = "crew"
    cloth: tuple[int, int, int] = (70, 84, 104)
    backdrop: tuple[int, int, int] = (142, 140, 134)
    asymmetry: int = 0  # seed of the small left-right differences


SKINS = (
    (236, 196, 174),
    (228, 182, 154),
    (214, 166, 134),
    (196, 148, 114),
    (172, 124, 90),
    (140, 96, 68),
    (108, 72, 52),
    (84, 56, 42),
)
HAIRS = ((28, 24, 22), (44, 32, 25), (74, 50, 34), (110, 76, 46), (168, 128, 80), (128, 62, 34))
IRISES = ((58, 38, 24), (84, 56, 32), (104, 92, 52), (92, 112, 120), (84, 104, 84))
CLOTHS = ((52, 62, 82), (88, 46, 48), (64, 78, 66), (120, 112, 98), (40, 40, 44), (150, 138, 120))
BACKDROPS = ((142, 140, 134), (112, 122, 130), (150, 138, 122), (96, 98, 100), (134, 142, 132))


def invent(seed: int) -> Anatomy:
    """The anatomy that belongs to `seed`: same seed, same person."""
    rng = np.random.Generator(np.random.PCG64(seed))
    masculine = float(np.clip(rng.choice([0.1, 0.9]) + rng.normal(0, 0.1), 0, 1))
    male = masculine > 0.5
    tone = int(rng.integers(len(SKINS)))
    age = float(rng.uniform(22, 68))
    skin = np.array(SKINS[tone]) * np.exp(rng.normal(0, 0.04)) + rng.normal(0, 1.2, 3)
    dark = tone / (len(SKINS) - 1)
    hair_at = int(rng.integers(0, 2 if dark > 0.4 else len(HAIRS)))
    grey = float(np.clip((age - 42) / 25 + rng.normal(0, 0.15), 0, 1))
    lips = np.array(SKINS[tone]) * (0.82, 0.60, 0.62) * np.exp(rng.normal(0, 0.05))
    lips = lips + rng.normal(0, 2, 3)

    def near(mean: float, dev: float) -> float:
        return float(mean + dev * np.clip(rng.normal(), -2.2, 2.2))

    styles = ("short", "crop", "swept") if male else ("long", "back", "bob", "parted")
    values = Anatomy(
        age=age,
        masculine=masculine,
        fullness=near(0, 0.45),
        width=near(1.0, 0.035),
        length=near(1.0 if male else 0.95, 0.035),
        jaw_width=near(1.04 if male else 0.95, 0.055),
        chin_width=near(1.1 if male else 0.92, 0.12),
        chin_forward=near(0, 1.6),
        cheekbone=near(1, 0.35),
        forehead=near(1, 0.05),
        brow_ridge=near(0.8 if male else 0.25, 0.2),
        eye_gap=near(63, 2.4),
        eye_width=near(30.5, 1.4),
        eye_open=near(1.0, 0.1),
        eye_tilt=near(3, 2.2),
        lid_crease=near(1, 0.3),
        lid_hood=abs(near(0.2, 0.3)),
        eye_depth=near(0, 1.2),
        nose_length=near(1, 0.07),
        nose_width=near(1 + 0.18 * dark, 0.1),
        bridge_width=near(1, 0.15),
        bridge_height=near(1 - 0.2 * dark, 0.13),
        nose_forward=near(1, 0.1),
        nose_hump=near(0, 0.9),
        nose_tip=near(1, 0.14),
        tip_turn=near(0, 1.3),
        mouth_width=near(51 if male else 48.5, 2.8),
        upper_lip=near(6.2 + 2.4 * dark, 1.1),
        lower_lip=near(8.6 + 2.2 * dark, 1.2),
        cupid=near(1, 0.3),
        philtrum=near(1, 0.1),
        mouth_corner=near(0.9, 0.8),
        ear=near(1, 0.08),
        brow_height=near(0, 1.6),
        brow_arch=near(0.7 if male else 1.15, 0.35),
        brow_slope=near(0, 0.8),
        brow_thick=near(1.25 if male else 0.9, 0.22),
        brow_length=near(1, 0.07),
        skin=_rgb(skin),
        lips=_rgb(lips),
        iris=IRISES[int(rng.integers(0, 2 if dark > 0.4 else len(IRISES)))],
        hair=HAIRS[hair_at],
        brow=_rgb(np.array(HAIRS[hair_at]) * 0.85 + 6),
        ruddy=near(1, 0.25),
        freckles=float(max(0, rng.normal(-0.3, 0.6))) if dark < 0.35 else 0.0,
        lines=float(np.clip((age - 24) / 42 + rng.normal(0, 0.08), 0.05, 1.15)),
        makeup=0.0 if male else float(rng.uniform(0, 0.7)),
        hair_style=str(rng.choice(styles)),
        grey=grey,
        beard=str(rng.choice(["none", "shadow", "stubble", "short"])) if male else "none",
        glasses=str(rng.choice(["none", "none", "none", "round", "square"])),
        garment=str(rng.choice(["crew", "vneck", "collar"])),
        cloth=CLOTHS[int(rng.integers(len(CLOTHS)))],
        backdrop=BACKDROPS[int(rng.integers(len(BACKDROPS)))],
        asymmetry=seed % (1 << 31),
    )
    return values


def _rgb(values: NDArray[np.float64]) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in np.clip(np.round(values), 8, 250))
    return r, g, b


def smiling(a: Anatomy, amount: float) -> Anatomy:
    """The same head with a closed-mouth smile of `amount` (0..1)."""
    if amount == 0:
        return a
    return replace(
        a,
        mouth_width=a.mouth_width * (1 + 0.10 * amount),
        mouth_corner=a.mouth_corner + 2.6 * amount,
        upper_lip=a.upper_lip * (1 - 0.14 * amount),
        lower_lip=a.lower_lip * (1 - 0.08 * amount),
        eye_open=a.eye_open * (1 - 0.08 * amount),
        lines=a.lines + 0.25 * amount,
        cheekbone=a.cheekbone + 0.4 * amount,
    )


FIELD_NAMES = tuple(f.name for f in fields(Anatomy))
