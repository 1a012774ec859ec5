"""The same log as static files: C2SP tlog-tiles, for mirrors, monitors and witnesses.

    checkpoint                       the signed tree head, replaced last
    tile/0/x001/067                  256 leaf hashes
    tile/0/x001/068.p/12             the 12 that the newest, partial tile has
    tile/1/...                       hashes of full tiles one level below
    tile/entries/x001/067            256 leaves, each after its length in two bytes

Nothing here names a person or can be erased: leaves only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from primafacie.audit import merkle, store
from primafacie.audit.checkpoint import Checkpoint, open_checkpoint
from primafacie.audit.errors import CheckpointError, TilesError
from primafacie.audit.log import Log
from primafacie.audit.store import Tx

WIDTH = 256
HEIGHT = 8
ENTRIES = "entries"


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """The path of a tile: `tile/<L>/<N>[.p/<W>]`, N in groups of three digits."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    suffix = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/" + "/".join(groups) + suffix


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """(level, index, width) of every tile of a tree of `size` leaves."""
    level, count = 0, size
    while count:
        yield from ((level, index, WIDTH) for index in range(count // WIDTH))
        if count % WIDTH:
            yield level, count // WIDTH, count % WIDTH
        level, count = level + 1, count // WIDTH


def export(tx: Tx, log: Log, directory: Path) -> Checkpoint:
    """Write what the directory lacks of the newest checkpoint's tree, then the checkpoint itself.

    Call it in a transaction that has written nothing: what it exports must be committed. A reader
    meanwhile always finds a checkpoint whose tiles are complete. Raises TilesError when nothing is
    published yet, StoreError for a damaged tree.
    """
    head = log.checkpoint(tx)
    if head is None:
        raise TilesError("the log has no checkpoint yet")
    for level, index, width in tiles_of(head.size):
        tile = directory / tile_path(level, index, width)
        if not tile.exists():
            _write(tile, _hashes(tx, level, index, width))
        bundle = directory / tile_path(ENTRIES, index, width)
        if level == 0 and not bundle.exists():
            _write(bundle, _entries(tx, index, width))
    _write(directory / "checkpoint", head.note.encode())
    return head


def open_tiles(
    directory: Path, vkeys: Sequence[str], *, witnesses: Sequence[str] = (), quorum: int = 0
) -> Checkpoint:
    """The checkpoint of an exported log, once every tile and entry under it was checked.

    Raises TilesError for anything missing, malformed or different.
    """
    try:
        note = _read(directory, "checkpoint")
        head = open_checkpoint(note, vkeys, witnesses=witnesses, quorum=quorum)
    except CheckpointError as error:
        raise TilesError(str(error)) from error
    frontier, level_of = merkle.Frontier(), dict[tuple[int, int], bytes]()
    for leaf in read_entries(directory, head.size):
        first = frontier.size
        for level, node in enumerate(frontier.push(merkle.leaf_hash(leaf))):
            if level % HEIGHT == 0:
                level_of[level // HEIGHT, first >> level] = node
    if frontier.root() != head.root:
        raise TilesError("the entries do not add up to the checkpoint's root")
    for level, index, width in tiles_of(head.size):
        wanted = b"".join(level_of[level, index * WIDTH + i] for i in range(width))
        if _read(directory, tile_path(level, index, width)) != wanted:
            raise TilesError(f"tile {level}/{index} does not belong to the entries")
    return head


def read_entries(directory: Path, size: int) -> Iterator[bytes]:
    """The first `size` leaves of an exported log; TilesError when bundles are cut or missing."""
    for level, index, width in tiles_of(size):
        if level:
            return
        yield from _split(_read(directory, tile_path(ENTRIES, index, width)), width)


def _split(bundle: bytes, width: int) -> list[bytes]:
    leaves, place = [], 0
    while place < len(bundle):
        end = place + 2 + int.from_bytes(bundle[place : place + 2], "big")
        if end > len(bundle) or len(bundle) < place + 2:
            raise TilesError("an entry bundle is cut short")
        leaves.append(bundle[place + 2 : end])
        place = end
    if len(leaves) != width:
        raise TilesError("an entry bundle has the wrong number of entries")
    return leaves


def _hashes(tx: Tx, level: int, index: int, width: int) -> bytes:
    first = index * WIDTH
    ids = [merkle.node_id(level * HEIGHT, i) for i in range(first, first + width)]
    found = store.nodes(tx, ids)
    return b"".join(found[i] for i in ids)


def _entries(tx: Tx, index: int, width: int) -> bytes:
    first = index * WIDTH
    rows = [body for _, body in store.leaves(tx, first, first + width)]
    if len(rows) != width:
        raise TilesError("the log lacks leaves that its checkpoint covers")
    return b"".join(len(body).to_bytes(2, "big") + body for body in rows)


def _read(directory: Path, path: str) -> bytes:
    try:
        return (directory / path).read_bytes()
    except OSError as error:
        raise TilesError(f"{path} is missing") from error


def _write(path: Path, data: bytes) -> None:
    """Put the file there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.write_bytes(data)
    fresh.replace(path)
