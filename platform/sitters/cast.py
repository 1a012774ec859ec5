"""Cast: the named sitters, tuned by hand."""

from __future__ import annotations

from dataclasses import dataclass

from primafacie.platform.sitters.anatomy import Anatomy


@dataclass(frozen=True, slots=True)
class Part:
    """A name, the seed it answers to, words for people, and the measures behind them."""

    name: str
    seed: int
    age: str
    skin: str
    hair: str
    anatomy: Anatomy


CAST: tuple[Part, ...] = (
    Part("Ilse", 101, "about 30", "fair", "chestnut, long", Anatomy(
        age=29, masculine=0.1, width=0.96, length=0.96, jaw_width=0.93, chin_width=0.86, cheekbone=1.2,
        brow_ridge=0.15, eye_gap=62.5, eye_width=30.5, eye_open=1.08, eye_tilt=4.0,
        nose_width=0.90, bridge_width=0.88, nose_tip=0.88, nose_length=0.97, tip_turn=-1.0,
        mouth_width=48, upper_lip=6.8, lower_lip=9.2, brow_arch=1.2, brow_thick=0.85,
        skin=(232, 190, 166), lips=(190, 104, 100), iris=(92, 112, 120), hair=(92, 60, 38),
        brow=(78, 54, 38), freckles=0.5, lines=0.08, makeup=0.4, hair_style="long",
        garment="scoop", cloth=(58, 74, 70), backdrop=(138, 138, 132), asymmetry=101)),
    Part("Tomas", 202, "about 45", "olive", "dark, swept, beard", Anatomy(
        age=45, masculine=0.95, fullness=0.2, width=1.03, length=1.03, jaw_width=1.08,
        chin_width=1.15, brow_ridge=0.9, eye_gap=64.5, eye_width=29, eye_open=0.92, eye_tilt=1.5,
        lid_hood=0.4, nose_width=1.08, bridge_width=1.15, bridge_height=1.15, nose_hump=1.2,
        nose_length=1.06, mouth_width=52, upper_lip=5.4, lower_lip=8.0, brow_thick=1.35,
        brow_arch=0.6, skin=(206, 160, 128), lips=(160, 98, 88), iris=(74, 50, 30),
        hair=(42, 34, 30), brow=(40, 32, 28), lines=0.55, beard="short", grey=0.06,
        hair_style="swept", glasses="square", garment="collar", cloth=(92, 104, 122), backdrop=(112, 118, 122),
        asymmetry=203)),
    Part("Amara", 303, "about 35", "deep brown", "black, coiled", Anatomy(
        age=34, masculine=0.12, fullness=0.25, width=0.97, length=0.95, jaw_width=0.95,
        chin_width=0.95, cheekbone=1.4, brow_ridge=0.2, eye_gap=64.5, eye_width=31, eye_open=1.1,
        eye_tilt=4.5, nose_width=1.24, bridge_width=1.1, bridge_height=0.75, nose_tip=1.15,
        nose_length=0.97, mouth_width=52, upper_lip=9.4, lower_lip=11.6, cupid=0.8,
        brow_arch=1.2, brow_thick=0.9, skin=(112, 76, 54), lips=(122, 66, 60), iris=(46, 30, 20),
        hair=(26, 22, 20), brow=(26, 20, 18), lines=0.12, makeup=0.5, hair_style="afro",
        garment="vneck", cloth=(158, 96, 44), backdrop=(150, 140, 122), asymmetry=305)),
    Part("Henrik", 404, "about 67", "fair, ruddy", "bald, white beard", Anatomy(
        age=67, masculine=0.9, fullness=-0.2, width=1.0, length=1.05, jaw_width=1.0,
        chin_width=1.1, brow_ridge=0.8, eye_gap=62, eye_width=28, eye_open=0.84, eye_tilt=0.5,
        lid_hood=0.9, eye_depth=1.4, nose_width=1.12, nose_length=1.12, nose_tip=1.18,
        nose_hump=0.6, tip_turn=1.6, mouth_width=53, upper_lip=4.0, lower_lip=6.2, cupid=0.6,
        mouth_corner=-0.6, ear=1.12, brow_thick=1.2, brow_arch=0.6, skin=(226, 178, 152),
        lips=(178, 112, 102), iris=(96, 118, 132), hair=(168, 164, 158), brow=(128, 122, 114),
        ruddy=1.4, lines=1.05, grey=0.8, hair_style="fringe", beard="full", glasses="none",
        garment="collar", cloth=(74, 62, 56), backdrop=(120, 118, 112), asymmetry=404)),
    Part("Mei", 505, "about 24", "light", "black, bob", Anatomy(
        age=24, masculine=0.15, fullness=0.15, width=0.99, length=0.92, jaw_width=0.93,
        chin_width=0.84, cheekbone=1.5, brow_ridge=0.05, eye_gap=65.5, eye_width=30,
        eye_open=0.86, eye_tilt=6.0, lid_crease=0.25, lid_hood=0.35, eye_depth=-1.8,
        nose_width=1.02, bridge_width=1.05, bridge_height=0.68, nose_tip=0.95, nose_length=0.95,
        nose_forward=0.9, mouth_width=46, upper_lip=6.6, lower_lip=8.6, brow_arch=0.6,
        brow_thick=0.8, skin=(234, 194, 164), lips=(198, 104, 104), iris=(48, 32, 22),
        hair=(26, 23, 24), brow=(34, 28, 26), lines=0.05, makeup=0.35, hair_style="bob", glasses="round",
        garment="crew", cloth=(150, 148, 142), backdrop=(132, 140, 140), asymmetry=506)),
    Part("Finn", 606, "about 26", "fair, freckled", "copper, curly", Anatomy(
        age=26, masculine=0.8, fullness=0.4, width=1.04, length=0.99, jaw_width=1.04,
        chin_width=1.05, cheekbone=0.8, brow_ridge=0.45, eye_gap=64.5, eye_width=31.5,
        eye_open=1.08, eye_tilt=1.5, nose_width=1.05, bridge_height=0.85, nose_tip=1.15,
        nose_length=0.93, tip_turn=-1.2, mouth_width=54, upper_lip=5.6, lower_lip=8.4,
        brow_thick=1.05, brow_arch=0.7, skin=(236, 190, 168), lips=(196, 116, 108),
        iris=(96, 112, 78), hair=(140, 66, 32), brow=(122, 70, 42), freckles=0.9, ruddy=1.3,
        lines=0.08, hair_style="curly", garment="crew", cloth=(46, 62, 58),
        backdrop=(104, 112, 118), asymmetry=607)),
    Part("Nadia", 707, "about 55", "tan", "greying brown, long", Anatomy(
        age=56, masculine=0.2, fullness=0.35, width=0.98, length=0.96, jaw_width=0.96,
        chin_width=0.98, cheekbone=1.0, brow_ridge=0.25, eye_gap=62, eye_width=29.5,
        eye_open=0.92, eye_tilt=1.5, lid_hood=0.55, nose_width=1.0, bridge_width=1.05,
        bridge_height=1.1, nose_length=1.05, nose_hump=0.8, mouth_width=50, upper_lip=5.4,
        lower_lip=7.6, brow_arch=1.3, brow_thick=0.8, skin=(198, 150, 118), lips=(164, 88, 82),
        iris=(72, 50, 30), hair=(58, 40, 32), brow=(54, 40, 34), lines=0.7, grey=0.3,
        makeup=0.6, hair_style="parted", garment="vneck", cloth=(84, 44, 54),
        backdrop=(140, 134, 124), asymmetry=708)),
    Part("Kofi", 808, "about 50", "dark brown", "greying, cropped, beard", Anatomy(
        age=51, masculine=0.95, fullness=0.1, width=1.0, length=1.04, jaw_width=1.12,
        chin_width=1.2, cheekbone=1.2, brow_ridge=0.9, eye_gap=65, eye_width=29.5, eye_open=0.95,
        eye_tilt=3.0, nose_width=1.3, bridge_width=1.2, bridge_height=0.85, nose_tip=1.2,
        mouth_width=55, upper_lip=8.6, lower_lip=11, brow_thick=1.3, brow_arch=0.6,
        skin=(88, 60, 46), lips=(98, 60, 55), iris=(44, 28, 20), hair=(20, 18, 17),
        brow=(20, 16, 15), lines=0.55, grey=0.35, beard="short", hair_style="crop", garment="crew",
        cloth=(176, 170, 158), backdrop=(104, 112, 118), asymmetry=809)),
)
