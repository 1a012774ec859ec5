"""Attacks straight at the studio, past everything that should have come before."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import primafacie.generator
from primafacie.audit import dsse
from primafacie.generator.child import Child, Wire
from primafacie.generator.clip import UnsealedClip
from primafacie.generator.controls import Controls
from primafacie.generator.errors import EngineError, PermitError
from primafacie.generator.permit import Permit
from primafacie.generator.registry import Ensemble
from primafacie.generator.studio import Studio, StudioTrust

PARAMS = Controls().to_params()


@pytest.fixture
def studio(issuer: Any, tmp_path: Path) -> Iterator[Studio]:
    public = dsse.public_bytes(issuer.permit_key)
    trust = StudioTrust(
        permit_keys=((dsse.key_id(public), public),),
        log_vkeys=issuer.log.vkeys,
        audience="studio-1",
        ledger=tmp_path / "ledger",
    )
    studio = Studio(trust, must_hold=False)
    yield studio
    studio.close()


def test_no_permit(studio: Studio) -> None:
    with pytest.raises(PermitError):
        studio.perform(Permit(b"", b"", ""), b"photo", b"voice", PARAMS)


def test_forged_permit(studio: Studio, issuer: Any, tmp_path: Path) -> None:
    issuer.permit_key = Ed25519PrivateKey.generate()
    with pytest.raises(PermitError, match="not genuine"):
        studio.perform(issuer.permit(), b"photo", b"voice", PARAMS)
    assert (tmp_path / "ledger").read_bytes() == b"", "a forged permit must not be burned"


def test_a_refusal_does_not_break_the_studio_and_a_bad_photo_still_burns_the_permit(
    studio: Studio, issuer: Any, tmp_path: Path
) -> None:
    with pytest.raises(PermitError):
        studio.perform(issuer.permit(aud="other"), b"photo", b"voice", PARAMS)
    studio.warm()  # another child; a permit lives two minutes
    issuer.now = int(time.time())
    permit = issuer.permit()
    with pytest.raises(Exception, match=r"(voice|photo)"):
        studio.perform(permit, b"photo", b"voice", PARAMS)
    assert b"2" * 64 in (tmp_path / "ledger").read_bytes()
    with pytest.raises(PermitError, match="used before"):
        studio.perform(permit, b"photo", b"voice", PARAMS)


def test_a_hostile_peer_on_the_wire_gets_nothing(issuer: Any, tmp_path: Path) -> None:
    child = Child("primafacie.generator.studio")
    try:
        child.wire.send(b"\xff" * 100)
        with pytest.raises(EngineError):
            child.wire.receive(60)
    finally:
        child.stop()


def test_a_studio_that_lies_to_its_gate_is_not_believed() -> None:
    head = {"width": 10**6, "height": 4, "fps": 25, "frames": 1, "engines": [], "report": []}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        liar, wire = Wire(theirs), Wire(ours)
        liar.send_json(head)
        liar.send(b"")
        with pytest.raises(EngineError):
            Studio(StudioTrust((), (), "x", Path("unused")), must_hold=False)._clip(
                wire, wire.receive_json(5)
            )


def test_an_unsealed_clip_cannot_be_saved() -> None:
    import pickle

    import numpy as np

    clip = UnsealedClip(2, 2, 25.0, 0, iter(()), np.zeros(3, np.float32))
    with pytest.raises(TypeError):
        pickle.dumps(clip)
    assert "frames=" not in repr(clip) and "sound=" not in repr(clip)


# --- the door is the only door ---

#: Modules of pure data, arithmetic or input checks, none of which can make a frame or a track of
#: somebody. Everything public outside them must ask for an admission first.
WITHOUT_A_DOOR = {
    "child", "clip", "controls", "engine", "info", "errors", "espeak", "faces", "head", "landmarks",
    "ledger", "measures", "motion", "permit", "picture", "portrait", "sandbox", "studio", "voice",
    "bearing", "exports", "read_ahead", "registry", "sentences", "take", "watcher",
}  # fmt: skip
#: Benchmarks and conformance checks: their admissions come from a lock that no package holds.
REHEARSED = {
    "benchmark", "benchmark_conditions", "benchmark_report", "benchmark_speed", "conformance",
    "rehearsal", "spoken",
}  # fmt: skip
#: Packages whose modules compute on arrays for the engines: signals, phones, network, training.
ARITHMETIC = ("speech", "training", "weights")


#: How an engine is made of its file; nothing of anybody comes of it.
FACTORY = ["data", "sha256", "licence"]
#: Made by `stream`, which takes the admission; asks it again at every call: test_speech_stream.
OPENED = {"SpeechStream"}


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(primafacie.generator.__path__, "primafacie.generator."):
        parts = found.name.split(".")[2:]
        private = any(p.startswith("_") for p in parts)
        if parts[0] in WITHOUT_A_DOOR | REHEARSED | set(ARITHMETIC) or private:
            continue
        yield importlib.import_module(found.name)


def public_callables() -> Iterator[tuple[str, Any]]:
    for module in modules():
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
                continue
            if inspect.isclass(thing) and name not in OPENED:
                for method, function in vars(thing).items():
                    if not method.startswith("_") and inspect.isfunction(function):
                        yield f"{module.__name__}.{name}.{method}", (thing, function)
            elif inspect.isfunction(thing) and list(inspect.signature(thing).parameters) != FACTORY:
                yield f"{module.__name__}.{name}", (None, thing)


def test_every_public_callable_of_the_engines_refuses_without_a_permit() -> None:
    tried = 0
    for name, (owner, function) in public_callables():
        parameters = list(inspect.signature(function).parameters)
        if owner is not None:
            parameters = parameters[1:]
        assert parameters and parameters[0] == "admission", f"{name} makes things without asking"
        blanks = [None] * (len(parameters) - 1)
        target = function if owner is None else function.__get__(object.__new__(owner))
        for forged in (None, object(), True, "admission"):
            with pytest.raises(PermitError):
                result = target(forged, *blanks)
                if inspect.isgenerator(result):
                    next(result)
        tried += 1
    assert tried >= 3, "drive, prepare and render at least"


def test_benchmarks_make_nothing_where_there_is_no_source_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from primafacie.generator import benchmark, benchmark_speed, conformance, rehearsal, spoken

    monkeypatch.setattr(rehearsal, "_LOCK", tmp_path / "rehearsal.py")
    rehearsal._lock.cache_clear()
    for make in (
        lambda: benchmark.run((), (), print),
        lambda: benchmark_speed.performance(None, None, 512, None),
        lambda: next(benchmark_speed.speed(None, None, 512)),
        lambda: next(benchmark_speed.on_device(None, None, 512, "cpu")),
        lambda: next(benchmark_speed.live(None, None, None, 512)),
        lambda: next(benchmark_speed.long_run(None, 1, 512, print)),
        lambda: spoken.first_frame(b"", None),
        lambda: spoken.spoken(b"", None, 0, 1, 1),
        lambda: conformance._admit(None),
        rehearsal.rehearse,
    ):
        with pytest.raises(PermitError, match="source checkout"):
            make()
    rehearsal._lock.cache_clear()


def test_the_commands_of_the_generator_refuse_without_a_permit(tmp_path: Path) -> None:
    """`python -m primafacie.generator.studio` is the only one; fed plausible junk it makes no
    frame: it answers with an error or ends."""
    child = Child("primafacie.generator.studio")
    try:
        child.wire.send_json({"permit_keys": {}, "log_vkeys": [], "audience": "x",
                              "engines": Ensemble().to_json(),
                              "ledger": str(tmp_path / "ledger")})  # fmt: skip
        assert "sandbox" in child.wire.receive_json(120)
        child.wire.send_json({"envelope": "", "leaf": "", "proof": ""})
        for part in (b"photo", b"voice", PARAMS):
            child.wire.send(part)
        answer = child.wire.receive_json(120)
        assert answer["error"] == "PermitError", json.dumps(answer)
    finally:
        child.stop()
