"""A witness in a process of its own: what it cosigns, what it refuses, and who waits for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from primafacie.audit.entry import Outcome
from primafacie.audit.note import Algorithm, NoteSigner
from primafacie.audit.proof import verify_proof
from primafacie.platform import witnesses as module
from primafacie.platform.errors import SettingsError
from primafacie.platform.jobs import Worker
from primafacie.platform.settings import Settings, WitnessSetting
from primafacie.platform.wiring import Services
from primafacie.platform.witnesses import Seen, Witnesses, _counts

NAME = "witness.example.org"


@dataclass
class Neighbour:
    """A witness that runs, and how it runs."""

    folder: Path
    log: Services
    process: Any = None
    setting: Any = None

    def start(self) -> WitnessSetting:
        keys = [word for vkey in self.log.log.vkeys for word in ("--log", vkey)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "primafacie.platform.cli", "audit", "witness", "--name", NAME,
             *keys, "--key-file", str(self.folder / "key"), "--state", str(self.folder / "state"),
             "--port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        vkey, url = (self.process.stdout.readline().strip() for _ in range(2))
        self.setting = WitnessSetting(vkey=vkey, url=url)
        return self.setting

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation to copy."""
    folder = tmp_path_factory.mktemp("made") / "data"
    Services.open(Settings.read(data_dir=folder)).close()
    return folder


@pytest.fixture
def services(made: Path, tmp_path: Path) -> Iterator[Services]:
    shutil.copytree(made, tmp_path / "data")
    with Services.open(Settings.read(data_dir=tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
def neighbour(services: Services, tmp_path: Path) -> Iterator[Neighbour]:
    made = Neighbour(tmp_path, services)
    made.start()
    yield made
    made.stop()


def grow(services: Services, many: int = 3) -> int:
    for number in range(many):
        services.note_http("GET", f"/{number}", 404)
    return services.journal.publish().size


def last(services: Services) -> Any:
    with services.database.read() as tx:
        return services.log.leaf(tx, services.log.size(tx) - 1)


def set_clock(witnesses: Witnesses, now: datetime) -> None:
    witnesses._journal = replace(witnesses._journal, clock=lambda: now)


def told(services: Services) -> list[str]:
    """Outcomes of all the log says of witnesses."""
    with services.database.read() as tx:
        leaves = [services.log.leaf(tx, seq) for seq in range(services.log.size(tx))]
    return [leaf.out.value for leaf in leaves if leaf.kind.value == "witness.cosigned"]


def asking(services: Services, *known: WitnessSetting, quorum: int = 0) -> Witnesses:
    return Witnesses(services.journal, known, quorum)


class TestCosigning:
    def test_what_grows_is_cosigned_and_every_proof_tells(
        self, services: Services, neighbour: Neighbour
    ) -> None:
        witnesses = asking(services, neighbour.setting, quorum=1)
        assert not witnesses.enough()
        sizes = []
        for many in (3, 1, 40):
            sizes.append(grow(services, many))
            assert witnesses.cosign() == 1
        assert told(services) == ["ok"], "the log does not grow by being witnessed"
        (seen,) = witnesses.seen()
        assert seen.size == sizes[-1] and seen.at is not None and witnesses.enough()
        with services.database.read() as tx:
            proof, leaf = services.log.prove(tx, 5, sizes[-1]), services.log.leaf_bytes(tx, 5)
        verify_proof(proof, leaf, services.log.vkeys, witnesses=[neighbour.setting.vkey], quorum=1)

    @pytest.mark.slow
    def test_nothing_new_is_not_asked_again(self, services: Services, neighbour: Neighbour) -> None:
        witnesses = asking(services, neighbour.setting)
        grow(services)
        assert witnesses.cosign() == 1
        assert witnesses.cosign() == 0

    def test_a_quiet_night_adds_no_entry_and_the_quorum_holds(
        self, services: Services, neighbour: Neighbour
    ) -> None:
        """Each round as the worker does it: sign what is new, ask."""
        witnesses = asking(services, neighbour.setting, quorum=1)
        grow(services)
        for _ in range(2):
            witnesses.cosign()
            size = services.journal.publish().size
        began = services.journal.clock()
        for hours in range(1, 9):
            set_clock(witnesses, began + timedelta(hours=hours))
            assert witnesses.enough()
            assert witnesses.cosign() == 1, "it is asked whether it still agrees"
            assert services.journal.publish().size == size
        assert told(services) == ["ok"]

    @pytest.mark.slow
    def test_a_witness_remembers_across_its_restart(
        self, services: Services, neighbour: Neighbour
    ) -> None:
        grow(services)
        assert asking(services, neighbour.setting).cosign() == 1
        neighbour.stop()
        again = neighbour.start()
        grow(services)
        assert asking(services, again).cosign() == 1

    @pytest.mark.slow
    def test_a_witness_that_was_told_by_another_way_is_caught_up_with(
        self, services: Services, neighbour: Neighbour, tmp_path: Path
    ) -> None:
        """What it answered was lost on the way: it says what it knows, and is asked from there."""
        grow(services)
        backup(services, tmp_path / "before.db")
        assert asking(services, neighbour.setting).cosign() == 1
        with put_back(services, tmp_path / "before.db") as older:
            grow(older)
            # Both hold the first checkpoint; the newer one extends it all the same.
            assert asking(older, neighbour.setting).cosign() == 1


class TestRewrittenHistory:
    def test_a_forked_log_is_refused_and_says_so(
        self, services: Services, neighbour: Neighbour, tmp_path: Path
    ) -> None:
        grow(services)
        backup(services, tmp_path / "before.db")
        grow(services)
        assert asking(services, neighbour.setting).cosign() == 1
        with put_back(services, tmp_path / "before.db") as forked:
            grow(forked, 30)
            witnesses = asking(forked, neighbour.setting, quorum=1)
            assert witnesses.cosign() == 0
            assert not witnesses.enough()
            leaf = last(forked)
            assert leaf.kind.value == "witness.cosigned" and leaf.out.value == "error"
            assert "422" in leaf.why[0]

    @pytest.mark.slow
    def test_an_older_copy_is_told_that_it_is_one(
        self, services: Services, neighbour: Neighbour, tmp_path: Path
    ) -> None:
        grow(services)
        backup(services, tmp_path / "before.db")
        grow(services, 50)
        assert asking(services, neighbour.setting).cosign() == 1
        with put_back(services, tmp_path / "before.db") as older:
            assert asking(older, neighbour.setting).cosign() == 0
            assert "an older copy" in last(older).why[0]


def backup(services: Services, to: Path) -> None:
    with services.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"VACUUM INTO '{to}'")


@contextmanager
def put_back(services: Services, copy: Path) -> Iterator[Services]:
    """The older database in a house whose own memory was rolled back with it."""
    folder = copy.parent / "older"
    shutil.copytree(services.settings.data_dir, folder)
    for name in ("primafacie.db-wal", "primafacie.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(copy, folder / "primafacie.db")
    (folder / "memory" / "checkpoints").unlink()
    with Services.open(Settings.read(data_dir=folder)) as opened:
        yield opened


@pytest.fixture
def liar() -> Iterator[Callable[[int, bytes], str]]:
    """A server that answers anything; its address."""
    running = []

    def answer(status: int, body: bytes) -> str:
        class Desk(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *given: Any) -> None:
                """Nothing."""

        server = HTTPServer(("127.0.0.1", 0), Desk)
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield answer
    for server in running:
        with closing(server.socket):
            server.shutdown()


def lying_key(url: str = "http://127.0.0.1:1") -> WitnessSetting:
    signer = NoteSigner.from_seed(NAME, b"w" * 32, Algorithm.ED25519_COSIGNATURE)
    return WitnessSetting(vkey=signer.vkeys[0], url=url)


class TestFailure:
    @pytest.mark.parametrize(
        ("status", "body"),
        [(200, b""), (200, b"nonsense"), (200, "\u2014 witness.example.org AAAA\n".encode()),
         (302, b""), (403, b"no"), (404, b""), (409, b"7\n"), (409, b"99999999\n"), (409, b"x"),
         (500, b""), (200, b"x" * 100_000)],
    )  # fmt: skip
    def test_no_answer_but_a_cosignature_counts(
        self, services: Services, liar: Any, status: int, body: bytes
    ) -> None:
        grow(services, 10)
        witnesses = asking(services, lying_key(liar(status, body)), quorum=1)
        assert witnesses.cosign() == 0 and not witnesses.enough()
        assert last(services).out.value == "error"
        size = services.journal.publish().size
        assert witnesses.cosign() == 0
        with services.database.read() as tx:  # the same failure is not told again and again
            assert services.log.size(tx) == size

    def test_a_witness_that_says_another_number_each_time_does_not_fill_the_log(
        self, services: Services
    ) -> None:
        witnesses = asking(services, lying_key(), quorum=1)
        grow(services)
        for number in range(6):
            witnesses._failed(NAME, f"it remembers {number} entries")
        assert told(services) == ["error"]
        again = asking(services, lying_key())  # another worker, or this one after a restart
        again._failed(NAME, "it does not answer: TimeoutError")
        assert told(services) == ["error"]

    def test_a_witness_that_flaps_is_told_of_once_an_hour(
        self, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        witnesses = asking(services, lying_key())

        def flap(times: int) -> list[str]:
            for _ in range(times):
                witnesses._note(NAME, Outcome.OK, 5)
                witnesses._failed(NAME, "it answers 500")
            return told(services)

        assert flap(5) == ["ok", "error"]
        monkeypatch.setattr(module, "FRESH", timedelta(0))  # an hour later
        assert flap(1) == ["ok", "error"] * 2

    def test_a_cosignature_from_the_future_keeps_no_quorum(self, services: Services) -> None:
        now = services.journal.clock()
        for ahead, counts in ((timedelta(minutes=1), True), (timedelta(days=1), False)):
            seen = Seen(NAME, "", 7, now + ahead)
            assert _counts(seen, 7, now) is counts

    @pytest.mark.slow
    def test_nobody_there_is_no_cosignature(self, services: Services, neighbour: Neighbour) -> None:
        gone = WitnessSetting(vkey=neighbour.setting.vkey, url="http://127.0.0.1:1")
        grow(services)
        assert asking(services, gone).cosign() == 0

    @pytest.mark.slow
    def test_a_cosignature_grows_old(
        self, services: Services, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        witnesses = asking(services, neighbour.setting, quorum=1)
        grow(services)
        witnesses.cosign()
        assert witnesses.enough()
        monkeypatch.setattr(module, "FRESH", timedelta(seconds=-1))
        assert witnesses.enough(), "it is about all there is"
        grow(services)
        assert not witnesses.enough()


class TestQuorum:
    def test_without_it_no_request_is_taken_up_and_health_says_so(
        self, neighbour: Neighbour, tmp_path: Path
    ) -> None:
        settings = Settings.read(
            data_dir=tmp_path / "data", witnesses=[neighbour.setting], witness_quorum=1
        )
        with Services.open(settings) as services:
            claimed: list[str] = []
            services.queue.claim = lambda *given: claimed.append("asked")  # type: ignore[assignment, method-assign]
            worker = Worker(services)
            assert not services.health().ok
            assert not worker._one(None, [])  # type: ignore[arg-type]
            assert claimed == []
            services.journal.publish()
            worker._ask_witnesses()
            assert worker._cosigner is not None
            worker._cosigner.join()
            assert services.health().ok
            worker._one(None, [])  # type: ignore[arg-type]
            assert claimed == ["asked"]

    @pytest.mark.parametrize(
        "given",
        [
            {"witnesses": [{"vkey": "nonsense", "url": "https://w.example.org"}]},
            {"witness_quorum": 1},
        ],
    )
    def test_settings_that_cannot_hold_are_refused(self, tmp_path: Path, given: Any) -> None:
        with pytest.raises(SettingsError, match="witness"):
            Settings.read(data_dir=tmp_path, **given)

    def test_one_key_is_not_two_witnesses_and_the_log_is_none(
        self, services: Services, neighbour: Neighbour, tmp_path: Path
    ) -> None:
        with pytest.raises(SettingsError, match="a name of its own"):
            Settings.read(data_dir=tmp_path, witnesses=[neighbour.setting] * 2)
        for vkey in services.log.vkeys[:1]:
            with pytest.raises(SettingsError):
                Settings.read(data_dir=tmp_path, witnesses=[{"vkey": vkey, "url": "http://x.org"}])
