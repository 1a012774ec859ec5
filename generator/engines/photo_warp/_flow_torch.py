"""The same flow as _flow.warp in PyTorch: batched, on the CPU or a GPU. The reference sampler."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from primafacie.generator.engines.photo_warp._flow import (
    DAMPING,
    STEPS,
    Cut,
    Field,
    Motion,
    Window,
)
from primafacie.generator.engines.photo_warp._matte import Matte

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]


class TorchField:
    """A Field and its plate, as `refine` returned it, on a device."""

    def __init__(
        self, field: Field, fine: Picture, matte: Matte | None, base: Picture, device: str
    ) -> None:
        self._field = field
        self._matte, self._base = matte, base
        self._device = torch.device(device)
        self._head = self._tensor(field.head)  # (gh, gw, 3)
        self._place = self._tensor(field.place)  # (gh, gw, 2)
        self._weight = self._tensor(field.weight)  # (gh, gw, 2)
        self._free = self._tensor(field.free)
        self._inward = self._tensor(field.inward)
        self._breath = self._tensor(field.breath)
        self._bases = self._tensor(field.bases)  # (K, nodes x 3)
        self._low_bases = self._tensor(field.low_bases)
        image = self._tensor(fine.astype(np.float32)).permute(2, 0, 1)[None]
        self._image = image.contiguous()  # (1, 3, 2 H, 2 W)
        self._wall: Tensor | None = None  # (1, 4, H, W): alpha, then the wall without the person
        if matte is not None:
            both = np.dstack([matte.alpha, matte.clean]).astype(np.float32)
            self._wall = self._tensor(both).permute(2, 0, 1)[None].contiguous()

    def _tensor(self, values: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    @torch.inference_mode()
    def warp(
        self, motions: Sequence[Motion], cuts: Sequence[Cut]
    ) -> Iterator[tuple[Picture, Floats]]:
        """One plate (H, W, 3) and one backward displacement on the nodes shown per motion."""
        whole, low = self._forward(motions)
        cell = self._field.relief.cell
        coarse = _invert(whole, cell)
        back = _enlarge(coarse, cell)
        lower = _enlarge(_invert(low, cell), cell)
        mask = self._masks(cuts, (back.shape[1], back.shape[2]))
        back = back + mask[..., None] * (lower - back)
        shown = coarse[:, *self._field.shown.cut]
        return zip(self._sample(back), shown.cpu().numpy(), strict=True)

    def _forward(self, motions: Sequence[Motion]) -> tuple[Tensor, Tensor]:
        """(B, gh, gw, 2) each."""
        turn = self._tensor(np.stack([m.turn[:2] for m in motions]).astype(np.float32))
        rest = self._tensor(np.stack([m.rest[:2] for m in motions]).astype(np.float32))
        shift = self._tensor(np.stack([m.shift[:2] for m in motions]).astype(np.float32))
        weights = self._tensor(np.stack([m.weights for m in motions]).astype(np.float32))
        rigid = torch.einsum("hwc,bdc->bhwd", self._head, turn) + shift[:, None, None]
        rigid = (rigid - self._place) * self._weight
        breath = self._tensor(np.array([m.breath for m in motions], np.float32))
        rigid = rigid + breath[:, None, None, None] * self._breath
        whole, low = rigid.clone(), rigid[:, *self._field.low.cut].clone()
        face = self._field.face
        whole[:, *face.cut] += self._skin(weights, self._bases, face, turn, rest)
        low += self._skin(weights, self._low_bases, self._field.low, turn, rest)
        both = whole.clone()
        both[:, *self._field.low.cut] = low
        return self._held(whole), self._held(both)

    def _held(self, moved: Tensor) -> Tensor:
        return torch.where(moved * self._inward > 0, moved * self._free, moved)

    def _skin(
        self, weights: Tensor, bases: Tensor, window: Window, turn: Tensor, rest: Tensor
    ) -> Tensor:
        rows, columns = window.bottom - window.top, window.right - window.left
        moved = (weights @ bases).reshape(len(weights), rows, columns, 3)
        share = self._weight[window.cut]
        still = torch.einsum("bhwc,bdc->bhwd", moved, rest)
        return still + share * torch.einsum("bhwc,bdc->bhwd", moved, turn - rest)

    def _masks(self, cuts: Sequence[Cut], shape: tuple[int, int]) -> Tensor:
        masks = np.zeros((len(cuts), *shape), np.float32)
        for mask, cut in zip(masks, cuts, strict=True):
            h, w = cut.mask.shape
            x1, y1 = max(cut.left, 0), max(cut.top, 0)
            x2, y2 = min(cut.left + w, shape[1]), min(cut.top + h, shape[0])
            if x2 > x1 and y2 > y1:
                rows = slice(y1 - cut.top, y2 - cut.top)
                mask[y1:y2, x1:x2] = cut.mask[rows, x1 - cut.left : x2 - cut.left]
        return self._tensor(masks)

    def _sample(self, back: Tensor) -> Iterator[Picture]:
        relief, (height, width) = self._field.relief, self._base.shape[:2]
        x0, y0 = relief.x0, relief.y0
        h, w = min(back.shape[1], height - y0), min(back.shape[2], width - x0)
        x = torch.arange(x0, x0 + w, device=self._device, dtype=torch.float32)
        y = torch.arange(y0, y0 + h, device=self._device, dtype=torch.float32)
        at = torch.stack([back[:, :h, :w, 0] + x, back[:, :h, :w, 1] + y[:, None]], -1)
        grid = at * (4.0 / at.new_tensor([2 * width - 1, 2 * height - 1])) - 1.0
        image = self._image.expand(len(back), -1, -1, -1)
        read = functional.grid_sample(
            image, grid, mode="bicubic", padding_mode="border", align_corners=True
        )
        moved = read.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        walls = self._walls(at * (2.0 / at.new_tensor([width - 1, height - 1])) - 1.0)
        where = (slice(y0, y0 + h), slice(x0, x0 + w))
        for index, patch in enumerate(moved):
            picture = self._base.copy()
            if self._matte is not None and walls is not None:
                alpha, clean = walls[index, ..., 0].copy(), walls[index, ..., 1:].copy()
                patch = self._matte.lay(patch, alpha, clean, where)
            picture[where] = patch
            yield picture

    def _walls(self, grid: Tensor) -> Picture | None:
        """Alpha and clean wall (B, h, w, 4), moved."""
        if self._wall is None:
            return None
        read = functional.grid_sample(
            self._wall.expand(len(grid), -1, -1, -1), grid, mode="bilinear",
            padding_mode="border", align_corners=True,
        )  # fmt: skip
        values = read.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return np.asarray(values.cpu().numpy(), np.uint8)


def _invert(displacement: Tensor, cell: int) -> Tensor:
    """Backward displacement in pixels (B, gh, gw, 2); see _flow.invert."""
    _, rows, columns, _ = displacement.shape
    size = displacement.new_tensor([columns - 1, rows - 1])
    y, x = torch.meshgrid(
        torch.arange(rows, device=displacement.device, dtype=torch.float32),
        torch.arange(columns, device=displacement.device, dtype=torch.float32),
        indexing="ij",
    )
    home = torch.stack([x, y], -1)
    field = (displacement / cell).permute(0, 3, 1, 2).contiguous()
    back = home.expand(len(displacement), -1, -1, -1).clone()
    for _ in range(STEPS):
        at = back * (2.0 / size) - 1.0
        d = functional.grid_sample(field, at, padding_mode="border", align_corners=True)
        back += DAMPING * (home - back - d.permute(0, 2, 3, 1))
    return (back - home) * cell


def _enlarge(values: Tensor, cell: int) -> Tensor:
    large = functional.interpolate(
        values.permute(0, 3, 1, 2), scale_factor=cell, mode="bilinear", align_corners=False
    )
    return large.permute(0, 2, 3, 1)
