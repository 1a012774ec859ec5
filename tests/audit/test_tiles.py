"""The log as static files, and what a mirror finds when they were changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from primafacie.audit import store, tiles
from primafacie.audit.errors import StoreError, TilesError


@pytest.fixture
def exported(room: Any, tmp_path: Path) -> tuple[Any, Path]:
    room.fill(600)
    room.publish()
    room.read(lambda tx: tiles.export(tx, room.log, tmp_path / "site"))
    return room, tmp_path / "site"


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ((0, 0), "tile/0/000"),
        ((0, 1234067), "tile/0/x001/x234/067"),
        ((1, 5, 12), "tile/1/005.p/12"),
        (("entries", 1000, 1), "tile/entries/x001/000.p/1"),
    ],
)
def test_paths_are_those_of_c2sp(args: tuple[Any, ...], path: str) -> None:
    assert tiles.tile_path(*args) == path


def test_a_tree_of_70000_has_the_tiles_of_the_specification() -> None:
    found = list(tiles.tiles_of(70_000))
    assert sum(1 for level, _, width in found if level == 0 and width == 256) == 273
    assert [t for t in found if t[2] != 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert list(tiles.tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles.tiles_of(0)) == []


def test_a_mirror_verifies_every_tile_and_entry(exported: Any) -> None:
    room, site = exported
    assert tiles.open_tiles(site, room.vkeys).size == 600
    leaves = room.read(lambda tx: [body for _, body in store.leaves(tx)])
    assert list(tiles.read_entries(site, 600)) == leaves
    assert (site / "tile/0/000").stat().st_size == 8192


def test_a_second_export_adds_and_changes_nothing_that_was_full(exported: Any) -> None:
    room, site = exported
    full = site / "tile/0/001"
    before = full.stat().st_mtime_ns
    room.fill(100)
    room.publish()
    room.read(lambda tx: tiles.export(tx, room.log, site))
    assert tiles.open_tiles(site, room.vkeys).size == 700
    assert full.stat().st_mtime_ns == before
    assert not [p for p in site.rglob("*.new")]


@pytest.mark.parametrize(
    "path",
    [
        "checkpoint",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/002.p/88",
    ],
)
@pytest.mark.parametrize("attack", ["flip", "cut", "remove"])
def test_a_changed_file_is_found(exported: Any, path: str, attack: str) -> None:
    room, site = exported
    file = site / path
    data = bytearray(file.read_bytes())
    if attack == "remove":
        file.unlink()
    else:
        if attack == "flip":
            data[len(data) // 2] ^= 1
        else:
            del data[-1]
        file.write_bytes(data)
    with pytest.raises(TilesError):
        tiles.open_tiles(site, room.vkeys)


def test_a_log_without_checkpoint_is_not_exported(room: Any, tmp_path: Path) -> None:
    with pytest.raises(TilesError):
        room.read(lambda tx: tiles.export(tx, room.log, tmp_path / "site"))


def test_a_log_that_lost_leaves_is_not_exported(room: Any, tmp_path: Path) -> None:
    room.fill(5)
    room.publish()
    room.hack("DELETE FROM log_leaf WHERE seq = 4")
    with pytest.raises((TilesError, StoreError)):
        room.read(lambda tx: tiles.export(tx, room.log, tmp_path / "site"))
    assert not (tmp_path / "site/checkpoint").exists()
