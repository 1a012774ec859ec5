"""A MotionTrack as glTF 2.0 (GLB): this project's own head with ARKit's 52 morph targets.

The head is generator/head.py's mean face, which describes nobody; the targets are modelled here, a
few soft pushes each, so that a file is seen to move wherever it is opened and can be retargeted by
name. Axes are glTF's: metres, y up, the face towards +z, the sitter's left at +x.
Source: Khronos glTF 2.0 specification, sections 3.7.2.2 (morph targets), 3.11 (animations),
4.4 (GLB). Readers skip chunks they do not know (4.4.1); the signed statement is one.
"""

from __future__ import annotations

import json
import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import EngineError
from primafacie.generator.head import head_template, head_triangles, rotation
from primafacie.generator.motion import APERTURE_AT_FULL_JAW, ARKIT_52, MotionTrack

Doubles = NDArray[np.float64]

START: Final = b"glTF\x02\x00\x00\x00"
_JSON, _BIN, _OURS = 0x4E4F534A, 0x004E4942, 0x46504D50  # the last reads "PMPF"
_FACE_WIDTH: Final = 0.14  # metres
#: The edges of the openings of lips and eyes.
_UPPER: Final = (191, 80, 81, 82, 13, 312, 311, 310, 415)
_LOWER: Final = (95, 88, 178, 87, 14, 317, 402, 318, 324)
#: The rest of the lower lip, ring by ring outwards.
_LOWER_LIP: Final = (96, 89, 179, 86, 15, 316, 403, 319, 325, 77, 90, 180, 85, 16, 315, 404, 320,
                     307, 146, 91, 181, 84, 17, 314, 405, 321, 375)  # fmt: skip
_EYE_R: Final = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
_EYE_L: Final = (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398)
_LID_R, _LID_L = (173, 157, 158, 159, 160, 161, 246), (398, 384, 385, 386, 387, 388, 466)
#: Vertices that have a twin on the other side of the face, left of it and right of it.
_CORNER, _BROW_IN, _BROW_OUT, _CHEEK, _NOSTRIL = (291, 61), (336, 107), (300, 70), (425, 205), (
    327, 98)  # fmt: skip


class _Push(NamedTuple):
    """Move what lies within `radius` cm of a vertex by (x, y, z) cm; x > 0 is the sitter's left,
    y > 0 up, z > 0 forward."""

    vertex: int
    by: tuple[float, float, float]
    radius: float


def _sided(left: bool) -> dict[str, list[_Push]]:
    """The targets of one half of the face."""
    i, out = (0, 1.0) if left else (1, -1.0)
    lid, corner, cheek = (386, 159)[i], _CORNER[i], _CHEEK[i]
    upper, lower = (312, 82)[i], (317, 87)[i]
    return {
        "browDown": [_Push(_BROW_IN[i], (-0.2 * out, -0.6, 0.1), 1.8)],
        "browOuterUp": [_Push(_BROW_OUT[i], (0.1 * out, 0.7, 0), 2.0)],
        "cheekSquint": [_Push(cheek, (0, 0.5, 0.2), 2.0)],
        "eyeSquint": [_Push((374, 145)[i], (0, 0.25, 0), 0.9)],
        "eyeWide": [_Push(lid, (0, 0.3, 0), 0.9)],
        "eyeLookUp": [_Push(lid, (0, 0.15, 0), 0.9)],
        "eyeLookDown": [_Push(lid, (0, -0.25, 0), 0.9)],
        "eyeLookIn": [_Push((362, 133)[i], (-0.05 * out, 0, 0), 0.8)],
        "eyeLookOut": [_Push((263, 33)[i], (0.05 * out, 0, 0), 0.8)],
        "mouthDimple": [_Push(corner, (0.2 * out, 0, -0.4), 1.2)],
        "mouthFrown": [_Push(corner, (0.1 * out, -0.7, -0.1), 1.5)],
        "mouthLowerDown": [_Push(lower, (0, -0.6, 0), 1.2)],
        "mouthPress": [_Push(upper, (0, -0.15, -0.1), 1.0), _Push(lower, (0, 0.15, -0.1), 1.0)],
        "mouthSmile": [_Push(corner, (0.8 * out, 0.8, -0.3), 1.8),
                       _Push(cheek, (0, 0.3, 0.2), 2.0)],
        "mouthStretch": [_Push(corner, (0.7 * out, -0.15, -0.3), 1.6)],
        "mouthUpperUp": [_Push(upper, (0, 0.5, 0.1), 1.2)],
        "noseSneer": [_Push(_NOSTRIL[i], (0, 0.4, 0.05), 1.1)],
    }  # fmt: skip


_MIDDLE: Final[dict[str, list[_Push]]] = {
    "browInnerUp": [_Push(336, (0, 0.7, 0), 1.8), _Push(107, (0, 0.7, 0), 1.8)],
    "cheekPuff": [_Push(425, (0.3, 0, 0.6), 2.5), _Push(205, (-0.3, 0, 0.6), 2.5)],
    "jawForward": [_Push(152, (0, 0, 0.8), 4.0)],
    "jawLeft": [_Push(152, (0.7, 0, 0), 4.0)],
    "jawRight": [_Push(152, (-0.7, 0, 0), 4.0)],
    "mouthFunnel": [_Push(61, (0.7, 0, 0.5), 1.6), _Push(291, (-0.7, 0, 0.5), 1.6),
                    _Push(13, (0, 0.2, 0.5), 1.4), _Push(14, (0, -0.2, 0.5), 1.4)],
    "mouthPucker": [_Push(61, (1.0, 0, 0.4), 1.6), _Push(291, (-1.0, 0, 0.4), 1.6),
                    _Push(13, (0, 0, 0.6), 1.4)],
    "mouthLeft": [_Push(13, (0.8, 0, 0), 2.6)],
    "mouthRight": [_Push(13, (-0.8, 0, 0), 2.6)],
    "mouthRollLower": [_Push(17, (0, 0.35, -0.35), 1.2)],
    "mouthRollUpper": [_Push(0, (0, -0.25, -0.3), 1.2)],
    "mouthShrugLower": [_Push(17, (0, 0.4, 0.2), 1.6)],
    "mouthShrugUpper": [_Push(0, (0, 0.3, 0.2), 1.4)],
    "tongueOut": [],
}  # fmt: skip


def write(track: MotionTrack) -> bytes:
    """The head, its targets, one animation of their weights and of the head's pose."""
    shape, triangles = _turned(head_template()) / 100, head_triangles()
    parts = _Parts()
    mesh = {
        "attributes": {
            "POSITION": parts.add(shape, "VEC3", 34962, True),
            "NORMAL": parts.add(_normals(), "VEC3", 34962),
        },
        "indices": parts.add(triangles.reshape(-1), "SCALAR", 34963),
        "targets": [{"POSITION": parts.add(t, "VEC3", 34962, True)} for t in _targets()],
    }
    times = (np.arange(len(track)) / track.fps).astype(np.float32)
    clock = parts.add(times, "SCALAR", None, True)
    moved = {
        "weights": parts.add(track.coeffs.astype(np.float32).reshape(-1), "SCALAR", None),
        "rotation": parts.add(_quaternions(track), "VEC4", None),
        "translation": parts.add(_shifts(track), "VEC3", None),
        "scale": parts.add(np.repeat(track.pose[:, 5:6], 3, 1).astype(np.float32), "VEC3", None),
    }
    document = {
        "asset": {"version": "2.0", "generator": "Primafacie"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "head", "mesh": 0}],
        "meshes": [
            {
                "name": "face",
                "primitives": [mesh],
                "weights": [0.0] * len(ARKIT_52),
                "extras": {"targetNames": list(ARKIT_52)},
            }
        ],
        "animations": [
            {
                "name": "speech",
                "samplers": [{"input": clock, "output": output} for output in moved.values()],
                "channels": [
                    {"sampler": n, "target": {"node": 0, "path": path}}
                    for n, path in enumerate(moved)
                ],
            }
        ],
        "accessors": parts.accessors,
        "bufferViews": parts.views,
        "buffers": [{"byteLength": len(parts.data)}],
        "extras": {"fps": float(track.fps), "frames": len(track)},
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return _glb([(_JSON, text), (_BIN, bytes(parts.data))])


def attach(content: bytes, statement: bytes) -> bytes:
    """The statement as one more chunk at the end, padded with blanks."""
    return _glb([*_chunks(content), (_OURS, statement + b" " * (-len(statement) % 4))])


def detach(data: bytes) -> tuple[bytes, bytes]:
    """The content as it was signed, and the statement or b""."""
    chunks = _chunks(data)
    if chunks[-1][0] != _OURS:
        return data, b""
    return _glb(chunks[:-1]), chunks[-1][1].rstrip(b" ")


class _Parts:
    """The binary buffer and what describes it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, int]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(
        self, values: NDArray[Any], kind: str, target: int | None, bounds: bool = False
    ) -> int:  # fmt: skip
        """The accessor of an array: float32 rows, or uint16 indices."""
        whole = values.dtype.kind == "u"
        plain = np.ascontiguousarray(values, np.uint16 if whole else np.float32)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": plain.nbytes}
        if target is not None:
            view["target"] = target
        self.data += plain.tobytes() + b"\0" * (-plain.nbytes % 4)
        self.views.append(view)
        accessor: dict[str, Any] = {
            "bufferView": len(self.views) - 1, "componentType": 5123 if whole else 5126,
            "count": len(plain), "type": kind,
        }  # fmt: skip
        if bounds:
            rows = plain.reshape(len(plain), -1)
            accessor["min"] = [float(v) for v in rows.min(0)]
            accessor["max"] = [float(v) for v in rows.max(0)]
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _glb(chunks: list[tuple[int, bytes]]) -> bytes:
    body = b"".join(struct.pack("<II", len(data), kind) + data for kind, data in chunks)
    return START + struct.pack("<I", 12 + len(body)) + body


def _chunks(data: bytes) -> list[tuple[int, bytes]]:
    """(kind, bytes) of a GLB's chunks. Raises EngineError when its lengths do not agree."""
    found, at = [], 12
    if not data.startswith(START) or len(data) < 20 or data[8:12] != struct.pack("<I", len(data)):
        raise EngineError("the motion file is no whole GLB")
    while at < len(data):
        if at + 8 > len(data):
            raise EngineError("the motion file ends within a chunk")
        length, kind = struct.unpack_from("<II", data, at)
        if length % 4 or at + 8 + length > len(data):
            raise EngineError("the motion file ends within a chunk")
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 8 + length
    return found


def _turned(points: Doubles) -> Doubles:
    """From the head's frame (y down) to glTF's (y up)."""
    return np.asarray(points * (1.0, -1.0, 1.0), np.float64)


@lru_cache(maxsize=1)
def _normals() -> Doubles:
    """The direction of the surface at every vertex, (468, 3), unit length."""
    shape, triangles = _turned(head_template()), head_triangles()
    a, b, c = (shape[triangles[:, i]] for i in range(3))
    facing = np.cross(b - a, c - a)
    total = np.zeros_like(shape)
    for corner in triangles.T:
        np.add.at(total, corner, facing)
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), np.float64)


@lru_cache(maxsize=1)
def _targets() -> tuple[Doubles, ...]:
    """How far each vertex moves at full strength, (468, 3) in metres, in ARKIT_52's order."""
    named = dict(_MIDDLE)
    for side in ("Left", "Right"):
        named |= {f"{name}{side}": pushes for name, pushes in _sided(side == "Left").items()}
    shape = _turned(head_template())
    made = {name: _pushed(shape, pushes) for name, pushes in named.items()}
    made["jawOpen"], made["mouthClose"] = _jaw(shape)
    made["eyeBlinkLeft"], made["eyeBlinkRight"] = _shut(shape, _LID_L), _shut(shape, _LID_R)
    return tuple(made[name] / 100 for name in ARKIT_52)


def _pushed(shape: Doubles, pushes: list[_Push]) -> Doubles:
    total = np.zeros_like(shape)
    for push in pushes:
        away = np.linalg.norm(shape - shape[push.vertex], axis=1)
        total += np.exp(-((away / push.radius) ** 2))[:, None] * push.by
    return total


def _jaw(shape: Doubles) -> tuple[Doubles, Doubles]:
    """jawOpen drops what lies below the lips' line; mouthClose brings both lips back together."""
    between = (shape[list(_UPPER)] + shape[list(_LOWER)]) / 2
    ends = shape[[78, 308]]
    way = np.concatenate([ends[:1], between, ends[1:]])
    order = way[:, 0].argsort()
    line = np.interp(shape[:, 0], way[order, 0], way[order, 1])
    half = abs(shape[61, 0] - shape[291, 0]) / 2
    wide = abs(shape[234, 0] - shape[454, 0]) / 2
    under = np.clip((line - shape[:, 1]) / (0.35 * half), 0, 1)
    share = under * np.exp(-((shape[:, 0] / (0.8 * wide)) ** 4))
    lip = [*_LOWER, *_LOWER_LIP]  # falls as one piece, whatever its height on the lip
    share[lip] = np.maximum(share[lip], 1 - (shape[lip, 0] / half) ** 4)
    share[list(_UPPER)] = 0.0
    drop = APERTURE_AT_FULL_JAW * 2 * half
    opened = share[:, None] * (0.0, -drop, -0.25 * drop)
    near = np.exp(-((np.maximum(0, line - shape[:, 1]) / (0.6 * half)) ** 2))
    near *= np.exp(-((shape[:, 0] / (1.5 * half)) ** 8))
    return opened, -opened * near[:, None]


def _shut(shape: Doubles, lid: tuple[int, ...]) -> Doubles:
    """The upper lid comes down to the lower one, and takes the skin above it along."""
    ring = _EYE_L if lid is _LID_L else _EYE_R
    low = min(shape[v, 1] for v in ring)
    total = np.zeros_like(shape)
    tall = max(shape[v, 1] for v in lid) - low
    for vertex in lid:
        total[vertex, 1] = low + 0.15 * tall - shape[vertex, 1]
    away = np.min([np.linalg.norm(shape - shape[v], axis=1) for v in lid], axis=0)
    skin = np.exp(-((away / 0.5) ** 2)) * (shape[:, 1] > low + 0.6 * tall)
    skin[list(ring)] = 0.0
    total[:, 1] -= 0.35 * tall * skin
    return total


def _quaternions(track: MotionTrack) -> NDArray[np.float32]:
    from scipy.spatial.transform import Rotation

    flip = np.diag([1.0, -1.0, 1.0])
    turns = [flip @ rotation(*map(float, row[:3])) @ flip for row in track.pose]
    quaternions = Rotation.from_matrix(np.array(turns)).as_quat()
    for n in range(1, len(quaternions)):  # the short way from frame to frame
        if quaternions[n] @ quaternions[n - 1] < 0:
            quaternions[n] *= -1
    return np.asarray(quaternions, np.float32)


def _shifts(track: MotionTrack) -> NDArray[np.float32]:
    shift = track.pose[:, 3:5] * _FACE_WIDTH
    return np.stack([shift[:, 0], -shift[:, 1], np.zeros(len(track))], 1).astype(np.float32)
