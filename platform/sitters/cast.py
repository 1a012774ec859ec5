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
        age=29, masculine=0.1, fullness=0.12, width=0.94, length=0.96, jaw_width=0.91,
        chin_width=0.85, chin_forward=3.0, cheekbone=0.8, forehead=0.93, brow_ridge=0.4,
        eye_gap=67.5, eye_width=31.05, eye_open=1.08, eye_tilt=-0.16, lid_crease=1.3,
        lid_hood=0.03, eye_depth=-1.16, nose_length=0.92, nose_width=0.8, bridge_width=1.3,
        bridge_height=0.73, nose_forward=0.8, nose_hump=-0.5, nose_tip=0.78, tip_turn=2.2,
        mouth_width=48.41, upper_lip=9.0, lower_lip=8.31, cupid=0.57, philtrum=0.92,
        mouth_corner=1.17, brow_height=2.1, brow_arch=0.52, brow_slope=-0.6,
        brow_thick=0.99, brow_length=0.97, skin=(232, 190, 166), lips=(190, 104, 100),
        iris=(92, 112, 120), hair=(92, 60, 38), brow=(78, 54, 38), freckles=0.5, lines=0.08,
        makeup=0.4, hair_style="long", garment="scoop", cloth=(58, 74, 70),
        backdrop=(138, 138, 132), asymmetry=101)),
    Part("Tomas", 202, "about 45", "olive", "dark, swept, beard", Anatomy(
        age=45, masculine=0.95, fullness=-0.5, width=1.06, length=0.98, jaw_width=1.18,
        chin_width=1.18, chin_forward=1.53, cheekbone=1.4, forehead=0.94, brow_ridge=0.85,
        eye_gap=62.34, eye_width=27.0, eye_open=0.74, eye_tilt=-1.11, lid_crease=0.58,
        lid_hood=0.57, eye_depth=0.12, nose_length=1.01, nose_width=1.3, bridge_width=1.15,
        bridge_height=1.4, nose_forward=0.8, nose_hump=1.08, nose_tip=0.8, tip_turn=0.42,
        mouth_width=52.25, upper_lip=6.29, lower_lip=13.0, cupid=0.93, philtrum=1.1,
        brow_height=-0.71, brow_arch=0.5, brow_slope=-0.16, brow_length=1.07,
        skin=(206, 160, 128), lips=(160, 98, 88), iris=(74, 50, 30), hair=(42, 34, 30),
        brow=(40, 32, 28), lines=0.55, hair_style="swept", grey=0.06, beard="short",
        glasses="square", garment="collar", cloth=(92, 104, 122), backdrop=(112, 118, 122),
        asymmetry=203)),
    Part("Amara", 303, "about 35", "deep brown", "black, coiled", Anatomy(
        age=34, masculine=0.12, fullness=-0.07, width=0.94, length=0.9, jaw_width=0.91,
        chin_width=0.92, chin_forward=-1.15, cheekbone=0.85, forehead=0.96, brow_ridge=0.09,
        eye_gap=62.1, eye_width=30.75, eye_open=1.02, eye_tilt=6.09, lid_crease=1.51,
        lid_hood=0.4, eye_depth=-2.0, nose_length=0.88, nose_width=1.15, bridge_width=0.7,
        bridge_height=0.95, nose_forward=0.8, nose_hump=1.3, nose_tip=1.19, tip_turn=-0.94,
        mouth_width=55.56, upper_lip=10.88, lower_lip=12.72, cupid=0.3, philtrum=1.12,
        mouth_corner=1.15, brow_height=2.5, brow_arch=1.35, brow_slope=0.3, brow_thick=0.69,
        brow_length=1.07, skin=(112, 76, 54), lips=(122, 66, 60), iris=(46, 30, 20),
        hair=(26, 22, 20), brow=(26, 20, 18), lines=0.12, makeup=0.5, hair_style="afro",
        garment="vneck", cloth=(158, 96, 44), backdrop=(150, 140, 122), asymmetry=305)),
    Part("Henrik", 404, "about 67", "fair, ruddy", "bald, white beard", Anatomy(
        age=67, masculine=0.9, fullness=-0.63, width=1.02, length=1.01, jaw_width=1.12,
        chin_width=1.09, chin_forward=-1.62, cheekbone=0.3, forehead=1.06, brow_ridge=1.28,
        eye_gap=64.04, eye_width=27.0, eye_open=0.89, eye_tilt=-3.0, lid_crease=0.92,
        lid_hood=0.84, eye_depth=-1.05, nose_length=1.1, nose_width=0.89, bridge_width=1.21,
        bridge_height=1.09, nose_forward=1.07, nose_hump=-0.5, nose_tip=1.2, tip_turn=2.64,
        mouth_width=45.0, upper_lip=3.2, lower_lip=5.5, cupid=0.9, philtrum=0.85,
        mouth_corner=1.48, ear=1.12, brow_height=2.5, brow_arch=0.45, brow_slope=0.7,
        brow_thick=1.24, brow_length=1.05, skin=(226, 178, 152), lips=(178, 112, 102),
        iris=(96, 118, 132), hair=(168, 164, 158), brow=(128, 122, 114), ruddy=1.4,
        lines=1.05, hair_style="fringe", grey=0.8, beard="full", garment="collar",
        cloth=(74, 62, 56), backdrop=(120, 118, 112), asymmetry=404)),
    Part("Mei", 505, "about 24", "light", "black, bob", Anatomy(
        age=24, masculine=0.15, fullness=-0.13, width=0.99, length=0.92, jaw_width=0.9,
        chin_width=0.78, chin_forward=0.6, cheekbone=1.17, forehead=1.03, brow_ridge=0.0,
        eye_gap=64.34, eye_width=30.0, eye_open=0.78, eye_tilt=6.1, lid_crease=0.14,
        lid_hood=0.33, eye_depth=-1.0, nose_length=1.04, nose_width=1.02, bridge_width=0.72,
        bridge_height=0.56, nose_forward=0.97, nose_tip=1.07, tip_turn=-3.0,
        mouth_width=46.69, upper_lip=7.24, lower_lip=5.9, cupid=1.19, philtrum=0.93,
        brow_height=-1.0, brow_arch=0.9, brow_slope=0.3, brow_thick=0.6, brow_length=1.08,
        skin=(234, 194, 164), lips=(198, 104, 104), iris=(48, 32, 22), hair=(26, 23, 24),
        brow=(34, 28, 26), lines=0.05, makeup=0.35, hair_style="bob", glasses="round",
        cloth=(150, 148, 142), backdrop=(132, 140, 140), asymmetry=506)),
    Part("Finn", 606, "about 26", "fair, freckled", "copper, curly", Anatomy(
        age=26, masculine=0.8, fullness=0.48, width=1.01, length=1.06, jaw_width=1.04,
        chin_width=1.29, chin_forward=0.91, cheekbone=1.9, forehead=0.93, brow_ridge=0.12,
        eye_gap=59.7, eye_width=34.0, eye_open=0.91, eye_tilt=-0.89, lid_crease=0.22,
        nose_length=0.87, nose_width=1.45, bridge_width=0.85, bridge_height=1.4,
        nose_forward=0.96, nose_hump=0.46, nose_tip=1.25, tip_turn=-2.27, mouth_width=53.51,
        upper_lip=4.5, lower_lip=7.98, cupid=1.6, philtrum=1.18, mouth_corner=0.92,
        brow_height=-2.0, brow_arch=0.45, brow_slope=-0.5, brow_thick=1.43,
        brow_length=0.93, skin=(236, 190, 168), lips=(196, 116, 108), iris=(96, 112, 78),
        hair=(140, 66, 32), brow=(122, 70, 42), ruddy=1.3, freckles=0.9, lines=0.08,
        hair_style="curly", cloth=(46, 62, 58), backdrop=(104, 112, 118), asymmetry=607)),
    Part("Nadia", 707, "about 55", "tan", "greying brown, long", Anatomy(
        age=56, masculine=0.2, fullness=0.35, width=0.94, length=1.01, jaw_width=1.06,
        chin_width=1.04, chin_forward=3.0, forehead=1.04, brow_ridge=0.18, eye_gap=59.0,
        eye_width=31.66, eye_open=1.06, eye_tilt=1.34, lid_crease=1.28, lid_hood=0.76,
        eye_depth=-1.32, nose_length=0.88, nose_width=0.8, bridge_width=1.06,
        bridge_height=1.12, nose_forward=0.99, nose_hump=1.48, nose_tip=0.8, tip_turn=-0.09,
        mouth_width=56.4, upper_lip=6.5, lower_lip=7.49, cupid=1.48, philtrum=1.14,
        mouth_corner=1.0, brow_height=-2.0, brow_arch=0.81, brow_thick=0.66,
        brow_length=1.08, skin=(198, 150, 118), lips=(164, 88, 82), iris=(72, 50, 30),
        hair=(58, 40, 32), brow=(54, 40, 34), lines=0.7, makeup=0.6, hair_style="parted",
        grey=0.3, garment="vneck", cloth=(84, 44, 54), backdrop=(140, 134, 124),
        asymmetry=708)),
    Part("Kofi", 808, "about 50", "dark brown", "greying, cropped, beard", Anatomy(
        age=51, masculine=0.95, fullness=0.76, length=0.98, jaw_width=1.06, chin_width=1.2,
        chin_forward=0.05, cheekbone=1.9, forehead=0.97, brow_ridge=1.4, eye_gap=65.38,
        eye_width=32.66, eye_open=0.86, eye_tilt=-0.39, lid_hood=0.8, eye_depth=-1.75,
        nose_length=0.92, nose_width=1.28, bridge_width=1.2, bridge_height=0.88,
        nose_hump=0.18, nose_tip=1.2, tip_turn=0.81, mouth_width=55.0, upper_lip=7.85,
        lower_lip=9.92, philtrum=0.84, brow_arch=0.6, brow_slope=-0.38, brow_thick=1.3,
        brow_length=0.92, skin=(88, 60, 46), lips=(98, 60, 55), iris=(44, 28, 20),
        hair=(20, 18, 17), brow=(20, 16, 15), lines=0.55, hair_style="crop", grey=0.35,
        beard="short", cloth=(176, 170, 158), backdrop=(104, 112, 118), asymmetry=809)),
)
