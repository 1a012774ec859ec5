"""The Soft Binding Resolution API: a stripped copy finds its manifest, a copied mark finds none."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from primafacie.audit.entry import Kind, LogEntry, Outcome
from primafacie.platform.jobs import Worker
from primafacie.platform.signing import WorkerSigner
from primafacie.platform.web import limits
from primafacie.platform.web.app import create_app
from primafacie.platform.wiring import _roots
from primafacie.safeguards.asset import AssetRecord, Delivery, fresh_asset_number
from primafacie.safeguards.provenance.manifest import TrustList
from primafacie.safeguards.provenance.media import FilmWriter, implicit_label
from primafacie.safeguards.provenance.seal import Seal
from primafacie.safeguards.provenance.watermark import (
    SCHEME,
    SOUND_SCHEME,
    PictureMarker,
    soft_binding_value,
)

API = "/api/v1/c2pa"
WORLD = sys.modules["console_world"]  # loaded by conftest.py


@dataclass
class Released:
    """A film that was really sealed and released, and copies of it."""

    number: int
    data: bytes
    stripped: bytes
    sealed: Any


@pytest.fixture(scope="module")
def film(world: Any, town: Any, newsroom: Any) -> Released:
    services = world.services
    made: list[Any] = []

    class Sealing(WORLD.BlindGate):  # type: ignore[misc,name-defined]
        def _release(self, request: Any, facts: Any, decision: Any) -> Delivery:
            number = fresh_asset_number()
            with WorkerSigner(services.settings, services._note_signature) as signer:
                trust = TrustList.of(*_roots(services.settings, services.keys))
                order = newsroom.order(
                    "x", rid=request.rid, asset_number=number, voice_is_real=False,
                    out_path=services.vault.staged(request.rid, request.claim),
                )  # fmt: skip
                keys = services.keys.mark_keys()[0]
                seal = Seal(signer, trust, keys, services.revocations)
                sealed = seal.seal(newsroom.clip(), order)
            record = AssetRecord(
                number, request.rid, sealed.file_sha256, sealed.manifest_sha256,
                request.consent_id, "active", -1, b"", "", fingerprint=sealed.fingerprint,
                manifest=(sealed.manifest_label, sealed.manifest), companions=sealed.companions,
            )  # fmt: skip
            entry = LogEntry(
                Kind.OUTPUT_RELEASED, request.rid, datetime.now(UTC), actor=request.requester_id,
                subject=facts.consent.record.subject_id, out=Outcome.ALLOW,
                facts=(("asset", f"{number:014x}"), ("decision", decision.decision_id),
                       ("file_sha256", sealed.file_sha256),
                       ("manifest_sha256", sealed.manifest_sha256),
                       *((f"{one.kind}_sha256", one.sha256) for one in sealed.companions),
                       ("policy_sha256", decision.policy_sha256)),
            )  # fmt: skip
            made.append(sealed)
            return Delivery(sealed, services.queue.release(
                request, facts.consent.epoch, record, entry))  # fmt: skip

    @contextlib.contextmanager
    def gate() -> Iterator[Any]:
        yield Sealing(services, b"")

    world.work()  # what waits already
    order = WORLD.order(town.project, town.consent, town.photos[0])
    services.requests.submit(world.account("researcher"), order)
    done = Worker(services, gate).run(once=True)
    assert [one.state for one in done] == ["released"]
    sealed = made[0]
    data = sealed.path.read_bytes()
    return Released(sealed.asset_number, data, reencoded(data), sealed)


def reencoded(data: bytes, quality: int = 26) -> bytes:
    """The same film written anew, without anything but picture and sound."""
    import av

    target = io.BytesIO()
    with av.open(io.BytesIO(data)) as old, av.open(target, "w", format="mp4") as new:
        video = new.add_stream("libx264", rate=25)
        video.width, video.height = old.streams.video[0].width, old.streams.video[0].height
        video.pix_fmt = "yuv420p"
        video.options = {"crf": str(quality), "preset": "veryfast"}
        for frame in old.decode(video=0):
            for packet in video.encode(frame.reformat(format="yuv420p")):
                new.mux(packet)
        for packet in video.encode():
            new.mux(packet)
    return target.getvalue()


@pytest.fixture
def client(world: Any) -> FlaskClient:
    """A stranger, whose questions are counted from nothing."""
    return create_app(world.services).test_client()


def binding(film: Released, alg: str = SCHEME, epoch: int = 0) -> dict[str, str]:
    value = base64.b64encode(soft_binding_value(film.number, epoch)).decode()
    return {"alg": alg, "value": value}


def by_content(client: FlaskClient, data: bytes, **query: str) -> Any:
    answer = client.post(
        f"{API}/matches/byContent", data=data, content_type="video/mp4", query_string=query
    )
    assert answer.status_code == 200, answer.text
    return answer.json["matches"]


def test_a_binding_leads_to_its_manifest(client: FlaskClient, film: Released) -> None:
    for alg in (SCHEME, SOUND_SCHEME):
        answer = client.get(f"{API}/matches/byBinding", query_string=binding(film, alg))
        assert answer.json == {"matches": [{"manifestId": film.sealed.manifest_label}]}
    answer = client.post(f"{API}/matches/byBinding", json=binding(film))
    assert answer.json == {"matches": [{"manifestId": film.sealed.manifest_label}]}


def test_the_manifest_comes_back_as_it_was_signed(client: FlaskClient, film: Released) -> None:
    answer = client.get(f"{API}/manifests/{film.sealed.manifest_label}")
    assert answer.status_code == 200 and answer.content_type == "application/c2pa"
    assert answer.data == film.sealed.manifest
    assert client.get(f"{API}/manifests/urn:c2pa:{'0' * 8}").status_code == 404


def test_a_stripped_reencoded_copy_finds_its_manifest(client: FlaskClient, film: Released) -> None:
    (match,) = by_content(client, film.stripped)
    assert match["manifestId"] == film.sealed.manifest_label
    assert 60 <= match["similarityScore"] <= 100
    assert by_content(client, film.data)[0]["similarityScore"] == 100


def test_copied_mark_finds_nothing(
    client: FlaskClient, film: Released, world: Any, make_scene: Any, make_voice: Any
) -> None:
    """The mark is really there, under the real keys, on other pictures."""
    keys = world.services.keys.mark_keys()[0]
    frames = list(make_scene(77))
    marker = PictureMarker(keys, film.number, "robust")
    marker.plan(frames[:6])
    writer = FilmWriter(320, 320, 25.0, make_voice(2, len(frames) / 25), implicit_label("X", "x"))
    for frame in frames:
        writer.add(marker.apply(frame))
    foreign = writer.finish()
    verdict = world.services.examiner.examine(None, foreign)
    assert verdict.marks.picture.asset_number == film.number, "the mark must be there"
    assert by_content(client, foreign) == []
    hint = {"hintAlg": SCHEME, "hintValue": binding(film)["value"]}
    assert by_content(client, foreign, **hint) == []


@pytest.mark.slow
def test_a_hint_counts_only_where_the_content_agrees(
    client: FlaskClient, film: Released, newsroom: Any, make_scene: Any, make_voice: Any
) -> None:
    """An unmarked film of the same pictures: what a mark remover would leave."""
    writer = FilmWriter(320, 320, 25.0, make_voice(1, 60 / 25), implicit_label("X", "x"))
    for frame in make_scene(1):
        writer.add(frame)
    cleaned = writer.finish()
    hint = {"hintAlg": SCHEME, "hintValue": binding(film)["value"]}
    assert by_content(client, cleaned) == []
    assert by_content(client, cleaned, **hint)[0]["manifestId"] == film.sealed.manifest_label


def test_a_manifest_that_names_another_binding_is_not_given_out(
    client: FlaskClient, film: Released
) -> None:
    for wrong in (binding(film, epoch=1), binding(replace(film, number=film.number ^ 1))):
        assert client.get(f"{API}/matches/byBinding", query_string=wrong).json == {"matches": []}


def test_a_damaged_manifest_is_not_given_out(
    client: FlaskClient, film: Released, world: Any
) -> None:
    import sqlalchemy as sa

    from primafacie.platform.tables import manifests

    def keep(store: bytes) -> None:
        with world.services.database.write() as tx:
            mine = manifests.c.label == film.sealed.manifest_label
            tx.execute(sa.update(manifests).where(mine).values(store=store))

    keep(film.sealed.manifest[:-1] + b"!")
    try:
        assert client.get(f"{API}/manifests/{film.sealed.manifest_label}").status_code == 404
    finally:
        keep(film.sealed.manifest)


def test_receipts_prove_the_release_and_forged_ones_do_not(
    client: FlaskClient, film: Released
) -> None:
    path = f"{API}/manifests/{film.sealed.manifest_label}/receipts"
    told = client.get(path).json
    assert told["verified"] and told["@type"] == "org.c2pa.manifest-receipt"
    assert told["repository"]["manifestId"] == film.sealed.manifest_label
    assert client.post(path, json=told).json["verified"]
    body = json.loads(base64.b64decode(told["anchor"]["proof"]["value"]))
    body["leaf"] = base64.b64encode(base64.b64decode(body["leaf"])[:-2] + b" }").decode()
    forged = json.loads(json.dumps(told))
    forged["anchor"]["proof"]["value"] = base64.b64encode(json.dumps(body).encode()).decode()
    other = json.loads(json.dumps(told))
    other["repository"]["manifestId"] = "urn:c2pa:other"
    for wrong in (forged, other, {}, {"anchor": []}, {"anchor": {"proof": {"value": "!"}}}):
        assert client.post(path, json=wrong).json["verified"] is False
    assert client.post(f"{API}/manifests/none/receipts", json=told).status_code == 404


def test_no_address_is_fetched(client: FlaskClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        port = canary.getsockname()[1]
        answer = client.post(f"{API}/matches/byReference", json={
            "referenceUrl": f"https://127.0.0.1:{port}/x.mp4", "assetLength": 10})  # fmt: skip
        assert answer.status_code == 501
        with pytest.raises(TimeoutError):
            canary.accept()


def test_nothing_is_stored_from_outside(client: FlaskClient, film: Released) -> None:
    label = film.sealed.manifest_label
    for method, path in (("POST", "/manifests"), ("DELETE", f"/manifests/{label}"),
                         ("POST", "/bindings"), ("PUT", "/bindings")):  # fmt: skip
        assert client.open(API + path, method=method).status_code in (404, 405)


@pytest.mark.parametrize(
    "query",
    [{}, {"alg": SCHEME}, {"alg": "x", "value": "AAAA"}, {"alg": SCHEME, "value": "?"},
     {"alg": SCHEME, "value": ""}, {"alg": SCHEME, "value": "AAAA", "maxResults": "0"},
     {"alg": SCHEME, "value": "AAAA", "maxResults": "x"}],
    ids=str,
)  # fmt: skip
def test_bad_questions_are_told_so(client: FlaskClient, query: dict[str, str]) -> None:
    assert client.get(f"{API}/matches/byBinding", query_string=query).status_code == 400
    body = client.post(f"{API}/matches/byBinding", data=b"[", content_type="application/json")
    assert body.status_code == 400


def test_bad_content_is_told_so(client: FlaskClient) -> None:
    path = f"{API}/matches/byContent"
    assert client.post(path, data=b"x", content_type="text/plain").status_code == 415
    assert client.post(path, data=b"", content_type="video/mp4").status_code == 400
    assert by_content(client, b"no film at all") == []


def test_the_service_says_what_it_is(client: FlaskClient) -> None:
    found = client.get("/.well-known/c2pa-soft-binding-resolution").json
    assert set(found) == {
        "apiEndpoint", "c2paSpecificationVersion", "capabilitiesEndpoint", "statusEndpoint",
    }  # fmt: skip
    assert found["apiEndpoint"].endswith(API)
    local = {name: url.split("localhost", 1)[1] for name, url in found.items() if "://" in url}
    can = client.get(local["capabilitiesEndpoint"]).json
    assert can == {"c2paSpecificationVersion": "2.4.0", "supportedCapabilities": ["queryByContent"]}
    state = client.get(local["statusEndpoint"]).json
    assert state["status"] == "ok" and re.match(r"\d{4}-\d\d-\d\dT", state["timestamp"])
    known = client.get(f"{API}/services/supportedAlgorithms").json
    assert [one["alg"] for one in known["watermarks"]] == [SCHEME, SOUND_SCHEME]


def test_still_and_sound_are_handed_out_like_the_video(
    client: FlaskClient, film: Released, world: Any
) -> None:
    services, me = world.services, world.account("researcher")
    rid = services.assets.by_asset_number(film.number).rid
    _, text = services.accounts.make_token(me, "test", ["read"], 1)
    head = {"Authorization": f"Bearer {text}"}
    for path, kind in (("still", "png"), ("still.jpg", "jpg"), ("sound", "wav")):
        answer = client.get(f"/api/v1/requests/{rid}/{path}", headers=head)
        (one,) = [c for c in film.sealed.companions if c.kind == kind]
        assert answer.status_code == 200 and answer.data == one.data
        told = services.examiner.examine(None, one.data)
        assert told.level.name == "EXACT" and told.asset.asset_number == film.number, told.lines
        assert answer.content_type == {"png": "image/png", "jpg": "image/jpeg",
                                       "wav": "audio/wav"}[kind]  # fmt: skip
    assert client.get(f"/api/v1/requests/{'0' * 32}/still", headers=head).status_code == 404
    assert client.get(f"/api/v1/requests/{rid}/still.gif", headers=head).status_code == 404


def test_a_still_the_log_does_not_name_is_not_ours(film: Released, world: Any) -> None:
    """A row slipped into the table: the digest is in no leaf."""
    import sqlalchemy as sa

    from primafacie.platform.tables import companions

    services = world.services
    (png,) = [c for c in film.sealed.companions if c.kind == "png"]
    slipped = "ab" * 32
    try:
        with services.database.write() as tx:
            mine = companions.c.sha256 == png.sha256
            tx.execute(sa.update(companions).where(mine).values(sha256=slipped))
        assert services.assets.by_file(slipped) is None
    finally:
        with services.database.write() as tx:
            mine = companions.c.sha256 == slipped
            tx.execute(sa.update(companions).where(mine).values(sha256=png.sha256))
    assert services.assets.by_file(png.sha256).asset_number == film.number


def test_who_asks_too_often_waits(client: FlaskClient) -> None:
    answers = [client.post(f"{API}/matches/byContent", data=b"", content_type="video/mp4")
               for _ in range(8)]  # fmt: skip
    assert [a.status_code for a in answers[:6]] == [400] * 6
    assert answers[6].status_code == 429 and int(answers[6].headers["Retry-After"]) >= 1
    assert client.get(f"{API}/services/status").status_code == 200, "cheap ones are counted apart"


def test_each_address_is_counted_by_itself_and_time_forgives() -> None:
    now = [0.0]
    limiter = limits.Limiter(2, clock=lambda: now[0])
    assert [limiter.wait("a") for _ in range(3)] == [0, 0, 60]
    assert limiter.wait("b") == 0
    now[0] = 59.5
    assert limiter.wait("a") == 1
    now[0] = 60.1
    assert limiter.wait("a") == 0
    for number in range(limits.MOST_SOURCES + 5):
        limiter.wait(str(number))
    assert len(limiter._calls) == limits.MOST_SOURCES


def test_every_question_is_in_the_log_without_what_it_names(
    app: Flask, client: FlaskClient, film: Released, world: Any
) -> None:
    client.get(f"{API}/manifests/{film.sealed.manifest_label}")
    client.get(f"{API}/matches/byBinding", query_string=binding(film))
    services = world.services
    with services.database.read() as tx:
        size = services.log.size(tx)
        leaves = [services.log.leaf(tx, i) for i in range(size - 3, size)]
        raw = b"".join(services.log.leaf_bytes(tx, i) for i in range(size - 3, size))
    assert [leaf.kind.value for leaf in leaves] == ["http.request", "verify.query", "http.request"]
    assert film.sealed.manifest_label.encode() not in raw
    assert binding(film)["value"].encode() not in raw
