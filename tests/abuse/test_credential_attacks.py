"""What people do to credentials: every altered, forged or borrowed one is caught, by name."""

from __future__ import annotations

import contextlib
import io
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from primafacie.safeguards.errors import MediaError
from primafacie.safeguards.provenance.assertions import Binding, compose
from primafacie.safeguards.provenance.certificates import (
    Subject,
    issue_time_leaf,
    make_pki,
)
from primafacie.safeguards.provenance.jumbf import C2PA_BOX, iso_boxes
from primafacie.safeguards.provenance.manifest import (
    Anchor,
    Credentials,
    Presence,
    TrustList,
    interpret,
    settings,
)
from primafacie.safeguards.provenance.media import FilmLimits, FilmWriter, implicit_label
from primafacie.safeguards.provenance.quarantine import inspect
from primafacie.safeguards.provenance.verdict import Level

BINDINGS = (Binding("org.primafacie.lattice.1", "picture", b"0123456789"),)


def flipped(data: bytes, at: int, mask: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def box(data: bytes, kind: str) -> Any:
    return next(b for b in iso_boxes(data, 0, len(data)) if b.kind == kind)


def inside(data: bytes, needle: bytes, mask: int = 1) -> bytes:
    """Flip the last byte of the first occurrence of `needle`."""
    at = data.index(needle) + len(needle) - 1
    return flipped(data, at, mask)


def stripped(data: bytes) -> bytes:
    """Without the credential box, the way an editor that knows the format would do it."""
    carrier = box(data, "uuid")
    return data[: carrier.start] + b"\0\0\0\x08free" * 0 + data[carrier.end :]


def stuffed(data: bytes) -> bytes:
    at = data.index(b"\x63pad\x59") + 7
    return data[:at] + b"a message nobody signed" + data[at + 23 :]


def toggled(data: bytes) -> bytes:
    """The flags of the assertion store's description box."""
    at = data.index(b"c2pa.assertions\0") - 1
    return flipped(data, at, 0x04 | 0x08)


ALTERATIONS: dict[str, Callable[[bytes], bytes]] = {
    "a byte of the film": lambda d: flipped(d, box(d, "mdat").end - 100),
    "a byte of the index": lambda d: inside(d, b"lmvhd\0\0\0\0\0\0"),
    "a truncated film": lambda d: d[: len(d) - 5000],
    "a uuid box appended": lambda d: d + b"\0\0\0\x20uuid" + b"x" * 24,
    "a free box appended": lambda d: d + b"\0\0\0\x10freehidden!!",
    "a skip box appended": lambda d: d + b"\0\0\0\x10skiphidden!!",
    "a second film appended": lambda d: d + b"\0\0\0\x10mdatanother!",
    "bytes after the end": lambda d: d + b"trailing bytes",
    "the claim": lambda d: inside(d, b"instanceIDx"),
    "the consent": lambda d: inside(d, b"hmac-sha256:a"),
    "an action": lambda d: inside(d, b"c2pa.created"),
    "the source type": lambda d: inside(d, b"compositeWithTrained"),
    "the soft binding": lambda d: inside(d, b"org.primafacie.lattice"),
    "an assertion's name": lambda d: inside(d, b"org.primafacie.consent"),
    "the manifest's name": lambda d: inside(d, b"urn:c2pa:"),
    "the signature's padding": stuffed,
    "the flags of a JUMBF box": toggled,
    "the file type": lambda d: d.replace(b"mp41", b"evil", 1),
    "the brand": lambda d: flipped(d, 8),
    "a brand that films may have": lambda d: d.replace(b"iso2", b"iso6", 1),
    "the version of the brand": lambda d: d[:12] + b"\0\0\0\0" + d[16:],
    "the time-stamp": lambda d: inside(d, b"Time Stamper"),
}


@pytest.fixture
def without_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process, to save twenty starts of a child; other tests use the real one."""
    from primafacie.safeguards.provenance import examine as module
    from primafacie.safeguards.provenance.quarantine import Inspection

    def inspected(data: bytes, trust: Any, limits: Any, deadline: float) -> Inspection:
        return Inspection(Credentials(trust).inspect(data), None, "not asked", "enforced")

    monkeypatch.setattr(module, "inspect", inspected)


@pytest.mark.usefixtures("without_child")
@pytest.mark.parametrize("name", ALTERATIONS)
def test_altered_file(newsroom: Any, name: str) -> None:
    data = ALTERATIONS[name](newsroom.data)
    assert data != newsroom.data
    verdict = newsroom.examine(data, keys=())
    assert verdict.level in (Level.ALTERED, Level.UNRECOGNISED_ISSUER), verdict.sentence
    assert verdict.to_json()["manifest"]["claims"] is None


def test_silent_mutations_are_not_authentic(newsroom: Any, other_film: bytes) -> None:
    """Bytes changed at random where nothing covers them: the library calls most of them Trusted."""
    definition = compose(newsroom.order("x"), BINDINGS, 480)
    credentials = Credentials(newsroom.trust)
    data = credentials.sign(other_film, definition, newsroom.signer()).data
    end = box(data, "uuid").end
    rng = random.Random(11)
    silent, passed = 0, []
    for _ in range(300):
        at = rng.randrange(end)
        reading = credentials.read(flipped(data, at, rng.randrange(1, 256)))
        silent += reading.state == "Trusted"
        if reading.sound:
            passed.append(at)
    assert silent > 100, "the library got stricter: this test no longer tests anything"
    assert passed == []


def test_stripped_credential_with_no_mark_left(newsroom: Any) -> None:
    verdict = newsroom.examine(stripped(newsroom.data), keys=())
    assert verdict.level is Level.NO_CREDENTIAL
    assert any("keys" in note for note in verdict.not_checked)


@pytest.fixture(scope="module")
def other_film(make_scene: Any, make_voice: Any) -> bytes:
    writer = FilmWriter(320, 320, 25.0, make_voice(6, 0.5), implicit_label("Someone", "x"))
    for frame in make_scene(6, 12):
        writer.add(frame)
    return writer.finish()


def test_transplanted_credential(newsroom: Any, other_film: bytes) -> None:
    """Our credential, moved into somebody else's film."""
    data = newsroom.data
    carrier = box(data, "uuid")
    at = box(other_film, "ftyp").end
    moved = other_film[:at] + data[carrier.start : carrier.end] + other_film[at:]
    verdict = newsroom.examine(moved)
    assert verdict.level is Level.ALTERED
    assert verdict.asset is None


def forged(newsroom: Any, film: bytes, pki: Any, identity: Any, trust: Any = None) -> bytes:
    """A film signed by somebody else, as well as they can."""
    from primafacie.safeguards.provenance.timestamp import LocalTsa

    trust = trust or TrustList.of(pki.root_pem, pki.time_root_pem)
    with LocalTsa(pki.time) as tsa:
        signer = newsroom.signer(
            chain_pem=identity.chain_pem, key_pem=identity.key_pem, tsa_url=tsa.url
        )
        definition = compose(newsroom.order("forged"), BINDINGS, 480)
        return Credentials(trust).sign(film, definition, signer).data


def test_lookalike_authority(newsroom: Any, other_film: bytes) -> None:
    """Same names in every certificate, other keys: names are never what is trusted."""
    lookalike = make_pki(newsroom.now)
    data = forged(newsroom, other_film, lookalike, lookalike.claim)
    verdict = newsroom.examine(data, keys=())
    assert verdict.level is Level.UNRECOGNISED_ISSUER
    assert verdict.to_json()["manifest"]["issuer"] == ""


def test_time_stampers_key_signs_a_claim(newsroom: Any, other_film: bytes) -> None:
    """The library accepts a claim signed by our time-stamping certificate; we do not."""
    import c2pa

    pki = newsroom.pki
    info = c2pa.C2paSignerInfo(
        b"es256", pki.time.chain_pem, pki.time.key_pem, newsroom.tsa.url.encode()
    )
    definition = json.dumps(compose(newsroom.order("forged"), BINDINGS, 480))
    out = io.BytesIO()
    with c2pa.Signer.from_info(info) as signer:
        context = c2pa.Context.from_dict(settings(newsroom.trust))
        builder = c2pa.Builder(definition, context=context)
        builder.sign(signer, "video/mp4", io.BytesIO(other_film), out)
    reading = Credentials(newsroom.trust).read(out.getvalue())
    assert reading.state == "Trusted", "the library got stricter: drop this note, keep the check"
    assert "the certificate may sign claims" in reading.failed_checks
    assert "claim list vouches for the signer" in reading.failed_checks
    assert newsroom.examine(out.getvalue(), keys=()).level is Level.UNRECOGNISED_ISSUER


def test_claim_under_our_root_that_says_nonsense(newsroom: Any, other_film: bytes) -> None:
    """A valid signature does not make an invented source type true."""
    definition = compose(newsroom.order("x"), BINDINGS, 480)
    actions = definition["assertions"][0]["data"]["actions"]
    actions[0]["digitalSourceType"] = "http://cv.iptc.org/newscodes/digitalsourcetype/reality"
    data = Credentials(newsroom.trust).sign(other_film, definition, newsroom.signer()).data
    reading = Credentials(newsroom.trust).read(data)
    assert reading.state == "Trusted" and reading.failed_checks == ("the claim makes sense",)
    assert newsroom.examine(data, keys=()).level is Level.UNRECOGNISED_ISSUER


def test_borrowed_asset_number(newsroom: Any, other_film: bytes) -> None:
    """An insider signs another film under a released number: the registry knows the manifest."""
    binding = Credentials(newsroom.trust).read(newsroom.data).claims
    assert binding is not None
    alg, value = binding.bindings[0]
    definition = compose(newsroom.order("x"), (Binding(alg, "picture", value),), 480)
    data = Credentials(newsroom.trust).sign(other_film, definition, newsroom.signer()).data
    verdict = newsroom.examine(data)
    assert verdict.level is Level.UNRECOGNISED_ISSUER and verdict.asset is None
    assert "never released" in verdict.sentence
    assert verdict.to_json()["manifest"]["claims"] is None


def test_released_pictures_under_a_credential_of_their_own(newsroom: Any) -> None:
    """An insider signs a released film's marked pictures anew: the marks lead home, no digest."""
    definition = compose(newsroom.order("x"), BINDINGS, 480)
    film = stripped(newsroom.data)
    data = Credentials(newsroom.trust).sign(film, definition, newsroom.signer()).data
    assert Credentials(newsroom.trust).read(data).sound
    verdict = newsroom.examine(data)
    assert verdict.level is Level.UNRECOGNISED_ISSUER, verdict.sentence


def test_someone_elses_permit_in_the_credential(newsroom: Any, other_film: bytes) -> None:
    """A proof copied from another film's credential authorises nothing here."""
    from primafacie.safeguards.provenance.verdict import LogStanding

    order = newsroom.order("x", evidence=newsroom.film[1].evidence)
    definition = compose(order, BINDINGS, 480)
    data = Credentials(newsroom.trust).sign(other_film, definition, newsroom.signer()).data
    verdict = newsroom.examine(data, keys=())
    assert verdict.authorisation is LogStanding.REFUTED


def test_registry_that_claims_what_the_log_does_not_prove(newsroom: Any) -> None:
    newsroom.film  # noqa: B018
    record = newsroom.registry.records[0]
    other = newsroom.release(newsroom.film[0], "f" * 32)
    for wrong in (
        replace(record, leaf=other.leaf, proof=other.proof),
        replace(record, proof=record.proof.replace("index 0", "index 1")),
        replace(record, leaf=record.leaf + b" "),
    ):
        registry = type(newsroom.registry)([wrong])
        verdict = newsroom.examine(newsroom.data, resolver=registry, keys=())
        assert verdict.level is Level.ALTERED, verdict.sentence


# what a hostile file can do to the examiner ----------------------------------------------------


@pytest.fixture
def listener() -> Iterator[tuple[int, list[int]]]:
    """Counts whoever knocks."""
    knocks: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def count() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                knocks.append(1)
                connection.close()

        thread = threading.Thread(target=count)
        thread.start()
        yield server.getsockname()[1], knocks
        stop.set()
        thread.join()


def test_file_that_makes_the_examiner_call_home(
    newsroom: Any, other_film: bytes, listener: tuple[int, list[int]]
) -> None:
    """Remote manifest and OCSP addresses are never visited."""
    import c2pa

    port, knocks = listener
    caller = make_pki(newsroom.now, Subject(ocsp_url=f"http://127.0.0.1:{port}/ocsp"))
    trust = TrustList.of(caller.root_pem, caller.time_root_pem)
    data = forged(newsroom, other_film, caller, caller.claim)
    newsroom.examine(data, keys=(), trust=trust)
    builder = c2pa.Builder(
        json.dumps(compose(newsroom.order("x"), BINDINGS, 480)),
        context=c2pa.Context.from_dict(settings(newsroom.trust)),
    )
    builder.set_no_embed()
    builder.set_remote_url(f"http://127.0.0.1:{port}/manifest.c2pa")
    claim = newsroom.pki.claim
    info = c2pa.C2paSignerInfo(b"es256", claim.chain_pem, claim.key_pem, newsroom.tsa.url.encode())
    out = io.BytesIO()
    with c2pa.Signer.from_info(info) as signer:
        builder.sign(signer, "video/mp4", io.BytesIO(other_film), out)
    remote = out.getvalue()
    verdict = newsroom.examine(remote, keys=())
    assert verdict.level is Level.NO_CREDENTIAL

    def opened(file: bytes, config: dict[str, Any]) -> None:
        with contextlib.suppress(c2pa.C2paError):
            c2pa.Reader("video/mp4", io.BytesIO(file), context=c2pa.Context.from_dict(config))

    for file, under in ((data, trust), (remote, newsroom.trust)):
        forbidden = settings(under)
        no_host = settings(under)
        no_host["verify"] |= {"ocsp_fetch": True, "remote_manifest_fetch": True}
        no_fetching = settings(under)
        del no_fetching["core"]["allowed_network_hosts"]
        for config in (forbidden, no_host, no_fetching):  # each bar holds by itself
            opened(file, config)
            assert knocks == []
        opened(file, no_host | {"core": {}})
        assert knocks, "the library got stricter: this file no longer calls anybody"
        knocks.clear()


def test_file_that_takes_too_long(newsroom: Any) -> None:
    with pytest.raises(MediaError, match="limits"):
        inspect(newsroom.data, newsroom.trust, FilmLimits(), deadline=0.01)
    verdict = newsroom.examine(newsroom.data, deadline=0.0)
    assert verdict.level is not Level.EXACT or verdict.manifest.sound


def test_file_that_is_too_large(newsroom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from primafacie.safeguards.provenance import quarantine

    monkeypatch.setattr(quarantine, "MAX_FILE", 1000)
    verdict = newsroom.examine(newsroom.data)
    assert verdict.level in (Level.ALTERED, Level.NO_CREDENTIAL)
    assert any("MiB" in note for note in verdict.not_checked)


def test_file_that_takes_over_its_reader(newsroom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that lies about shapes and counts is caught by its parent."""
    from primafacie.generator.child import Wire
    from primafacie.safeguards.provenance import quarantine

    film = {
        "width": 1, "height": 1, "fps": 1, "duration": 1, "format": "x", "has_sound": False,
        "notes": [], "shapes": [[2, 2]], "samples": 0,
    }  # fmt: skip
    raw = {
        "presence": "absent", "state": "", "report": "", "crjson": "", "structure": None,
        "problem": "",
    }  # fmt: skip
    lies: list[dict[str, Any]] = [
        {"shapes": [[10**9, 10**9]]},
        {"shapes": [[-1, 2]]},
        {"shapes": [[2, 2]] * 17},
        {"samples": 10**12},
        {"samples": 7},
        {"shapes": [["a", "b"]]},
    ]
    for lie in lies:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            liar = Wire(theirs)
            liar.send_json({"raw": raw, "film": {**film, **lie}, "why": "", "sandbox": "none",
                            "implicit_label": ""})  # fmt: skip
            liar.send(bytes(12))
            liar.send(b"\0" * 4)
            with pytest.raises((MediaError, ValueError, TypeError)):
                quarantine._receive(Wire(ours), 1.0, FilmLimits())


@pytest.mark.parametrize("nesting", [3, 40, 2000])
def test_boxes_in_boxes(newsroom: Any, nesting: int) -> None:
    """A credential nested beyond reason is malformed, not a crash."""
    body = b""
    for _ in range(nesting):
        description = b"\0\0\0\x1djumd" + b"c2pa" + b"\0" * 12 + b"\x03x\0\0\0"
        inner = description + body
        body = (len(inner) + 8).to_bytes(4, "big") + b"jumb" + inner
    payload = C2PA_BOX + b"\0\0\0\0manifest\0" + b"\0" * 8 + body
    carrier = (len(payload) + 8).to_bytes(4, "big") + b"uuid" + payload
    data = b"\0\0\0\x14ftypisom\0\0\0\0isom" + carrier + b"\0\0\0\x08moov\0\0\0\x08mdat"
    verdict = newsroom.examine(data, keys=())
    assert verdict.level is Level.ALTERED
    assert verdict.manifest.presence is not Presence.ABSENT


# second opinions -------------------------------------------------------------------------------

OWN_BLIND = {
    "the file type", "the brand", "a brand that films may have", "the version of the brand",
}  # fmt: skip
"""The specification leaves the file-type box out of the hash; our examiner looks at it besides."""
ENCYPHER_BLIND = {
    *OWN_BLIND, "the signature's padding", "the flags of a JUMBF box", "the time-stamp",
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERATIONS)
def test_two_more_checkers_see_the_alteration(newsroom: Any, own_checker: Any, name: str) -> None:
    """Neither shares code with the C2PA library; where they are blind is written down."""
    import encypher_c2pa

    data, pki = ALTERATIONS[name](newsroom.data), newsroom.pki
    assert bool(own_checker(data, pki.root_pem, pki.time_root_pem)) == (name not in OWN_BLIND)
    try:
        said = encypher_c2pa.verify(
            data, "video/mp4", trust_pem=pki.root_pem.decode(),
            tsa_trust_pem=pki.time_root_pem.decode(), no_default_trust=True, telemetry=False,
            online=False,
        )  # fmt: skip
        trusted = said["validation_state"] == "Trusted"
    except Exception:  # its errors are its own; an error is no trust
        trusted = False
    assert trusted == (name in ENCYPHER_BLIND)


def test_a_stolen_key_whose_certificate_was_revoked(newsroom: Any, tmp_path: Any) -> None:
    """It signs no more videos here, and what a thief signs with it elsewhere is called revoked."""
    from primafacie.safeguards.errors import SealError
    from primafacie.safeguards.provenance.certificates import certificate_serials
    from primafacie.safeguards.provenance.seal import Seal

    signer = newsroom.signer()
    leaf = certificate_serials(signer.chain_pem)[0]
    revoked = type(newsroom.revocations)({leaf: newsroom.now - timedelta(days=1)})
    order = newsroom.order("stolen", out_path=tmp_path / "stolen.mp4")
    with pytest.raises(SealError, match="revoked"):
        Seal(signer, newsroom.trust, newsroom.keys, revoked).seal(newsroom.clip(), order)
    assert list(tmp_path.iterdir()) == []
    definition = compose(newsroom.order("x"), BINDINGS, 480)
    film = stripped(newsroom.data)
    theirs = Credentials(newsroom.trust).sign(film, definition, newsroom.signer()).data
    assert newsroom.examine(theirs, revocations=revoked, keys=()).level is Level.REVOKED
    assert newsroom.examine(newsroom.data, revocations=revoked, keys=()).level is Level.REVOKED


# each check by itself ---------------------------------------------------------------------------


def resigned(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The signature's unprotected header changed, its size kept by the padding."""
    import struct

    import cbor2

    head = data.index(b"cbor", data.index(b"c2pa.signature\0")) + 4
    end = head - 8 + struct.unpack(">I", data[head - 8 : head - 4])[0]
    message = cbor2.loads(data[head:end])
    protected, unprotected, payload, signature = getattr(message, "value", message)
    kept = dict(unprotected)
    change(kept)
    for length in range(end - head, -1, -1):
        kept["pad"] = bytes(length)
        body = cbor2.dumps(cbor2.CBORTag(18, [protected, kept, payload, signature]))
        if len(body) == end - head:
            return data[:head] + body + data[end:]
    raise AssertionError("no padding fits")


def without_stamp(header: dict[str, Any]) -> None:
    for name in ("sigTst", "sigTst2"):
        header.pop(name, None)


def with_a_message(header: dict[str, Any]) -> None:
    header["note"] = b"a message nobody signed"


def restamped(data: bytes) -> bytes:
    """Another digest named in the part of the time-stamp that its signature leaves out."""
    named = bytes.fromhex("310f300d0609608648016503040201")  # a set of SHA-256 alone
    at = data.index(named, data.index(b"sigTst2"))
    return data[: at + len(named) - 1] + b"\x03" + data[at + len(named) :]


TIME = ("trusted time-stamp", "time list vouches for the clock")
HIDING = ("nothing hides in unsigned bytes",)
ALONE: dict[str, tuple[Callable[[bytes], bytes], tuple[str, ...]]] = {
    "the padding": (stuffed, HIDING),
    "a header nobody signed": (lambda d: resigned(d, with_a_message), HIDING),
    "the time-stamp's own loose end": (restamped, HIDING),
    "the version of the brand": (ALTERATIONS["the version of the brand"], HIDING),
    "the file type": (ALTERATIONS["the file type"], ("the file type is a film's",)),
    "a second file-type box": (
        lambda d: d + b"\0\0\0\x18ftypa message nobody",
        ("no bytes outside known boxes",),
    ),
    "no time-stamp": (lambda d: resigned(d, without_stamp), TIME),
}


@pytest.mark.parametrize("name", ALONE)
def test_what_the_library_trusts_and_one_check_of_ours_does_not(newsroom: Any, name: str) -> None:
    """Exactly these checks fail: with one of them deleted, the attack would pass or be misnamed."""
    change, failing = ALONE[name]
    reading = Credentials(newsroom.trust).read(change(newsroom.data))
    assert reading.state == "Trusted", "the library got stricter: drop this note, keep the check"
    assert reading.failed_checks == failing


def borrowed(newsroom: Any, film: bytes, trust: Any, seen_by: Any, **signer: Any) -> Any:
    """How a film signed and stamped under one trust list reads under another."""
    definition = compose(newsroom.order("x"), BINDINGS, 480)
    data = Credentials(trust).sign(film, definition, newsroom.signer(**signer)).data
    reading = Credentials(seen_by).read(data)
    assert reading.state == "Trusted", "the library got stricter: drop this note, keep the check"
    return reading


def test_an_authority_of_clocks_vouches_for_a_signer(newsroom: Any, other_film: bytes) -> None:
    """Whoever is believed about the time is not believed about who signed."""
    theirs, ours = make_pki(newsroom.now), newsroom.trust
    alone = TrustList.of(theirs.root_pem, newsroom.pki.time_root_pem)
    seen_by = TrustList(ours.claim, (*ours.time, Anchor("urn:test:clocks", theirs.root_pem)))
    claim = theirs.claim
    reading = borrowed(newsroom, other_film, alone, seen_by,
                       chain_pem=claim.chain_pem, key_pem=claim.key_pem)  # fmt: skip
    assert reading.failed_checks == ("claim list vouches for the signer",)


def test_an_authority_of_signers_vouches_for_a_clock(newsroom: Any, other_film: bytes) -> None:
    from primafacie.safeguards.provenance.timestamp import LocalTsa

    theirs, ours = make_pki(newsroom.now), newsroom.trust
    alone = TrustList.of(newsroom.pki.root_pem, theirs.time_root_pem)
    seen_by = TrustList((*ours.claim, Anchor("urn:test:signers", theirs.time_root_pem)), ours.time)
    with LocalTsa(theirs.time) as tsa:
        reading = borrowed(newsroom, other_film, alone, seen_by, tsa_url=tsa.url)
    assert reading.failed_checks == ("time list vouches for the clock",)


def test_a_clock_of_our_own_authority_signs_a_claim(newsroom: Any, other_film: bytes) -> None:
    """Under the right root, with the wrong trade."""
    pki, trust = newsroom.pki, newsroom.trust
    clock = issue_time_leaf(pki.issuing_pem, pki.issuing_key_pem, newsroom.now, days=30)
    reading = borrowed(newsroom, other_film, trust, trust,
                       chain_pem=clock.chain_pem, key_pem=clock.key_pem)  # fmt: skip
    assert reading.failed_checks == ("the certificate may sign claims",)


@pytest.mark.parametrize("trade", ["1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9"])
def test_a_claim_signer_with_a_second_trade(newsroom: Any, trade: str) -> None:
    """A clock, or whoever answers for certificates. The library refuses it today; so do we."""
    credentials = Credentials(newsroom.trust)
    raw = credentials.inspect(newsroom.data)
    assert raw.structure is not None
    both = replace(raw.structure, leaf_usages=(*raw.structure.leaf_usages, trade))
    reading = interpret(replace(raw, structure=both), newsroom.trust)
    assert reading.failed_checks == ("the certificate may sign claims",)


def test_a_reading_is_sound_only_if_the_library_trusts_it_too(newsroom: Any) -> None:
    reading = Credentials(newsroom.trust).read(newsroom.data)
    assert reading.sound and len(reading.checks) == 8
    for state in ("Valid", "Invalid", ""):
        assert not replace(reading, state=state).sound
    assert not replace(reading, checks=()).sound


def test_flags_of_a_jumbf_box_are_looked_at_here_as_well(newsroom: Any) -> None:
    """The library sees them today; another core of another vendor does not."""
    from primafacie.safeguards.provenance.jumbf import read_structure

    assert any("flags" in odd for odd in read_structure(toggled(newsroom.data)).oddities)
