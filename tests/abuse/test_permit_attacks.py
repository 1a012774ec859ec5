"""Attacks on the lock of the studio. Each is refused, and none burns the honest permit."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import canonical, dsse
from primafacie.audit.entry import Kind
from primafacie.audit.note import NoteSigner
from primafacie.generator.errors import PermitError
from primafacie.generator.permit import PAYLOAD_TYPE, Admission, Permit, require

PHOTO, VOICE = b"photo", b"voice"


@pytest.fixture
def params(issuer: Any) -> bytes:
    from primafacie.generator.controls import Controls

    return Controls().to_params()


def resigned(issuer: Any, changes: dict[str, Any], drop: str = "") -> Permit:
    """A permit over any JSON at all, signed and logged by the real keys."""
    body = issuer.claims(**changes)
    body.pop(drop, None)
    return issuer.logged(dsse.sign(canonical.encode(body), PAYLOAD_TYPE, issuer.permit_key))


def test_the_honest_permit_opens_once(issuer: Any, params: bytes) -> None:
    lock = issuer.lock()
    admission = lock.spend(issuer.permit(), PHOTO, VOICE, params)
    assert require(admission) is admission
    admission.close()
    with pytest.raises(PermitError, match="ended"):
        admission.check()


def test_replay(issuer: Any, params: bytes) -> None:
    lock, permit = issuer.lock(), issuer.permit()
    lock.spend(permit, PHOTO, VOICE, params)
    with pytest.raises(PermitError, match="used before"):
        lock.spend(permit, PHOTO, VOICE, params)


@pytest.mark.parametrize("swapped", [0, 1, 2])
def test_swapped_photo_voice_or_parameters(swapped: int, issuer: Any, params: bytes) -> None:
    work = [PHOTO, VOICE, params]
    work[swapped] += b"!"
    lock = issuer.lock()
    with pytest.raises(PermitError, match="another"):
        lock.spend(issuer.permit(), *work)
    assert not lock.spent.nonces, "a refused permit must not be burned"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": -1}, "expired"),
        ({"iat": 60, "nbf": 60, "exp": 100}, "not valid yet"),
        ({"exp": 121}, "longer life"),
        ({"nbf": -1}, "longer life"),
        ({"iat": -(10**6), "nbf": -(10**6), "exp": 10**6}, "longer life"),
    ],
)
def test_stretched_time(claims: dict[str, int], why: str, issuer: Any, params: bytes) -> None:
    shifted = {name: issuer.now + offset for name, offset in claims.items()}
    if shifted.get("exp") == issuer.now - 1:
        shifted |= {"iat": issuer.now - 100, "nbf": issuer.now - 100}
    with pytest.raises(PermitError, match=why):
        issuer.lock().spend(issuer.permit(**shifted), PHOTO, VOICE, params)


def test_permit_for_another_studio(issuer: Any, params: bytes) -> None:
    with pytest.raises(PermitError, match="another studio"):
        issuer.lock().spend(issuer.permit(aud="studio-2"), PHOTO, VOICE, params)


def test_signed_by_a_stranger(issuer: Any, params: bytes) -> None:
    issuer.permit_key = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
    with pytest.raises(PermitError, match="not genuine"):
        issuer.lock().spend(issuer.permit(), PHOTO, VOICE, params)


def test_stranger_under_the_gates_key_id(issuer: Any, params: bytes) -> None:
    honest = json.loads(issuer.permit().envelope)["signatures"][0]["keyid"]
    issuer.permit_key = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
    body = json.loads(issuer.permit().envelope)
    body["signatures"][0]["keyid"] = honest
    forged = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(PermitError, match="not genuine"):
        issuer.lock().spend(issuer.logged(forged), PHOTO, VOICE, params)


def test_unsigned(issuer: Any, params: bytes) -> None:
    body = json.loads(issuer.permit().envelope)
    body["signatures"] = []
    with pytest.raises(PermitError):
        issuer.lock().spend(issuer.logged(json.dumps(body).encode()), PHOTO, VOICE, params)


def test_valid_but_unlogged(issuer: Any, params: bytes) -> None:
    permit = issuer.permit()
    with pytest.raises(PermitError, match="not in the log"):
        issuer.lock().spend(replace(permit, proof=""), PHOTO, VOICE, params)


def test_logged_in_a_rogue_log(issuer: Any, params: bytes) -> None:
    issuer.log = NoteSigner.from_seed(issuer.log.name, b"r" * 32)
    with pytest.raises(PermitError, match="not in the log"):
        issuer.lock().spend(issuer.permit(), PHOTO, VOICE, params)


def test_proof_of_somebody_elses_leaf(issuer: Any, params: bytes) -> None:
    other = issuer.permit(nonce="7" * 64)
    mine = replace(issuer.permit(), leaf=other.leaf, proof=other.proof)
    with pytest.raises(PermitError, match="not this permit's"):
        issuer.lock().spend(mine, PHOTO, VOICE, params)


def test_leaf_of_another_kind(issuer: Any, params: bytes) -> None:
    permit = issuer.permit()
    leafed = issuer.logged(permit.envelope, kind=Kind.DECISION_REFUSED)
    with pytest.raises(PermitError, match="not this permit's"):
        issuer.lock().spend(leafed, PHOTO, VOICE, params)


def test_altered_checkpoint(issuer: Any, params: bytes) -> None:
    permit = issuer.permit()
    with pytest.raises(PermitError, match="not in the log"):
        altered = replace(permit, proof=permit.proof.replace("\n2\n", "\n3\n"))
        issuer.lock().spend(altered, PHOTO, VOICE, params)


def test_permit_logged_before_its_decision(issuer: Any, params: bytes) -> None:
    with pytest.raises(PermitError, match="before its decision"):
        issuer.lock().spend(issuer.permit(decisionLeafIndex=1), PHOTO, VOICE, params)


@pytest.mark.parametrize(
    ("changes", "drop"),
    [
        ({"admin": True}, ""),
        ({}, "consentId"),
        ({"maxSeconds": "10"}, ""),
        ({"maxSeconds": True}, ""),
        ({"maxSeconds": 0}, ""),
        ({"v": 2}, ""),
        ({"nonce": "2" * 63}, ""),
        ({"photoSha256": "G" * 64}, ""),
    ],
    ids=str,
)
def test_type_confusion(changes: dict[str, Any], drop: str, issuer: Any, params: bytes) -> None:
    with pytest.raises(PermitError):
        issuer.lock().spend(resigned(issuer, changes, drop), PHOTO, VOICE, params)


def test_bytes_that_are_not_canonical(issuer: Any, params: bytes) -> None:
    spaced = json.dumps(issuer.claims(), sort_keys=True).encode()
    permit = issuer.logged(dsse.sign(spaced, PAYLOAD_TYPE, issuer.permit_key))
    with pytest.raises(PermitError, match="canonical"):
        issuer.lock().spend(permit, PHOTO, VOICE, params)


def test_signature_from_another_protocol(issuer: Any, params: bytes) -> None:
    body = canonical.encode(issuer.claims())
    envelope = json.loads(dsse.sign(body, "application/other+json", issuer.permit_key))
    envelope["payloadType"] = PAYLOAD_TYPE
    forged = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(PermitError, match="not genuine"):
        issuer.lock().spend(issuer.logged(forged), PHOTO, VOICE, params)


def test_extra_field_in_the_envelope(issuer: Any, params: bytes) -> None:
    body = json.loads(issuer.permit().envelope)
    body["note"] = "please"
    with pytest.raises(PermitError):
        issuer.lock().spend(issuer.logged(json.dumps(body).encode()), PHOTO, VOICE, params)


def test_every_single_bit_flip_of_the_envelope(issuer: Any, params: bytes) -> None:
    permit, lock = issuer.permit(), issuer.lock()
    for place in range(0, len(permit.envelope), 7):
        flipped = bytearray(permit.envelope)
        flipped[place] ^= 1
        with pytest.raises(PermitError):
            lock.spend(replace(permit, envelope=bytes(flipped)), PHOTO, VOICE, params)


def test_admissions_cannot_be_made_copied_or_carried_off(issuer: Any, params: bytes) -> None:
    admission = issuer.lock().spend(issuer.permit(), PHOTO, VOICE, params)
    with pytest.raises(PermitError):
        Admission(object(), admission.claims)
    for smuggle in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(PermitError):
            smuggle(admission)
    hollow = Admission.__new__(Admission)
    with pytest.raises((PermitError, AttributeError)):
        require(hollow)

    class Pretender(Admission):
        def __init__(self) -> None:
            pass

        def check(self) -> None:
            pass

    with pytest.raises(PermitError):
        require(Pretender())


def test_an_independent_library_agrees_on_the_signature(issuer: Any) -> None:
    """securesystemslib is the DSSE implementation of the in-toto project."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    envelope = Envelope.from_dict(json.loads(issuer.permit().envelope))
    public = dsse.public_bytes(issuer.permit_key)
    key = SSlibKey(dsse.key_id(public), "ed25519", "ed25519", {"public": public.hex()})
    assert envelope.verify([key], 1)


@pytest.mark.parametrize("point", ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f",
                                   "01" + "00" * 30 + "80"])  # fmt: skip
def test_keys_under_which_anybody_can_sign_sign_nothing(point: str) -> None:
    """A small-order public key verifies a signature made without any private key."""
    public = bytes.fromhex(point)
    signature = public + bytes(32)
    envelope = json.dumps(
        {
            "payload": base64.b64encode(b"yes").decode(),
            "payloadType": "x",
            "signatures": [
                {"keyid": dsse.key_id(public), "sig": base64.b64encode(signature).decode()}
            ],
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    with pytest.raises(dsse.EnvelopeError):
        dsse.verify(envelope, "x", {dsse.key_id(public): public})
