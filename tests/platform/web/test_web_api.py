"""The JSON API: bearer tokens, problem documents with every reason, an exact OpenAPI document."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from primafacie.audit.proof import verify_leaf
from primafacie.platform.tables import assets
from primafacie.platform.web import access


@pytest.fixture
def call(world: Any, app: Flask) -> Callable[..., FlaskClient]:
    """A client with a token of some scopes."""

    def client(role: str, *scopes: str) -> FlaskClient:
        _, text = world.services.accounts.make_token(world.account(role), "test", scopes, 1)
        made = app.test_client()
        made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"
        return made

    return client


def parts(town: Any, wav: Callable[..., bytes], **more: Any) -> dict[str, Any]:
    order = {
        "project_id": town.project.project_id, "consent_id": town.consent.consent_id,
        "purpose": "research", "voice_synthetic": True,
        "controls": {"emotion": "happy", "pose": [{"t": 1.0, "yaw": 5}]},
    } | more  # fmt: skip
    return {"order": json.dumps(order), "photo": (io.BytesIO(town.photos[0]), "p.png"),
            "voice": (io.BytesIO(wav()), "v.wav")}  # fmt: skip


def test_a_program_asks_follows_and_fetches(
    town: Any, call: Callable[..., FlaskClient], wav: Callable[..., bytes]
) -> None:
    client = call("researcher", "generate", "read")
    asked = client.post("/api/v1/requests", data=parts(town, wav))
    assert asked.status_code == 202 and asked.json["state"] == "queued"
    town.world.work()
    seen = client.get(asked.headers["Location"]).json
    assert seen["state"] == "released" and seen["reasons"] == []
    video = client.get(asked.headers["Location"] + "/video", buffered=True)
    assert video.data.startswith(town.world.film)
    assert client.get(asked.headers["Location"] + "/receipt").status_code == 200
    status = client.get(f"/api/v1/assets/{seen['asset']['asset_number']}/consent")
    assert status.json["consent"] == "active"
    assert seen["rid"] in [r["rid"] for r in client.get("/api/v1/requests").json["requests"]]


def test_a_refused_request_carries_every_reason(
    town: Any, call: Callable[..., FlaskClient], wav: Callable[..., bytes]
) -> None:
    client = call("researcher", "generate", "read")
    data = parts(town, wav, purpose="dubbing", audience="public", voice_synthetic=False)
    place = client.post("/api/v1/requests", data=data).headers["Location"]
    town.world.work()
    seen = client.get(place).json
    assert seen["state"] == "refused" and seen["asset"] is None
    rules = {reason["rule"] for reason in seen["reasons"]}
    assert {"purpose_in_scope", "audience_in_scope", "voice_allowed"} <= rules
    assert all(reason["sentence"] for reason in seen["reasons"])
    assert client.get(place + "/video").status_code in (403, 404, 409)


def test_the_same_key_means_the_same_request(
    town: Any, call: Callable[..., FlaskClient], wav: Callable[..., bytes]
) -> None:
    client = call("researcher", "generate")
    rids = {
        client.post("/api/v1/requests", data=parts(town, wav),
                    headers={"Idempotency-Key": key}).json["rid"]
        for key in ("a", "a", "b")
    }  # fmt: skip
    assert len(rids) == 2


def test_a_request_can_be_cancelled(
    town: Any, call: Callable[..., FlaskClient], wav: Callable[..., bytes]
) -> None:
    client = call("researcher", "generate")
    place = client.post("/api/v1/requests", data=parts(town, wav)).headers["Location"]
    assert client.post(place + "/cancel").json["state"] == "cancelled"
    town.world.work()


@pytest.mark.parametrize(
    "more",
    [{"purpose": "conquest"}, {"project_id": "x"}, {"safety": False}, {"audience": None},
     {"controls": {"size": 5000}}, {"controls": {"size": 513}}, {"controls": {"watermark": False}},
     {"controls": {"regions": ["ears"]}}, {"controls": {"pose": [{"t": 0, "yaw": 90}]}}],
)  # fmt: skip
def test_a_malformed_order_is_told_where(
    town: Any, call: Callable[..., FlaskClient], wav: Callable[..., bytes], more: dict[str, Any]
) -> None:
    answer = call("researcher", "generate").post("/api/v1/requests", data=parts(town, wav, **more))
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == 400 and "order" in answer.json["detail"]


@pytest.mark.parametrize("data", [{}, {"order": "{"}, {"order": "[]"}, {"order": "\ud800"}, None])
def test_garbage_is_a_problem_and_never_a_crash(
    call: Callable[..., FlaskClient], data: dict[str, str] | None
) -> None:
    client = call("researcher", "generate")
    if data is None:
        answer = client.post("/api/v1/requests", data=b"\xff\xfe", content_type="text/plain")
    else:
        encoded = {k: v.encode("utf-8", "surrogatepass") for k, v in data.items()}
        files = {k: (io.BytesIO(v), "order.json") for k, v in encoded.items()}
        answer = client.post("/api/v1/requests", data=files)
    assert answer.status_code == 400
    assert answer.json["title"] == "Bad Request"


def test_consents_name_nobody(town: Any, call: Callable[..., FlaskClient]) -> None:
    answer = call("researcher", "read").get("/api/v1/consents")
    assert town.consent.consent_id in [c["consent_id"] for c in answer.json["consents"]]
    assert "Mira" not in answer.text and "Vance" not in answer.text


def test_an_auditor_reads_searches_and_proves(
    town: Any, call: Callable[..., FlaskClient], world: Any
) -> None:
    client = call("auditor", "audit")
    page = client.get("/api/v1/log?q=kind:output.released").json
    index = page["entries"][-1]["index"]
    assert page["entries"][-1]["rid"] == town.released
    assert client.get(f"/api/v1/log/{index}").json["leaf_hash"]
    proof = client.get(f"/api/v1/log/{index}/proof").json["proof"]
    leaf = world.services.logbook.leaf(world.account("auditor"), index)
    shown, _ = verify_leaf(proof, leaf, world.services.log.vkeys)
    assert shown.kind == "output.released"
    assert client.get("/api/v1/log?q=kimd:x").status_code == 400
    assert client.get("/api/v1/log?before=soon").status_code == 400
    assert client.get("/api/v1/log/99999999").status_code == 404
    newest = client.get("/api/v1/log/checkpoint").json
    assert newest["size"] > index and newest["text"].startswith(newest["origin"])


def test_a_video_that_was_taken_down_is_not_told_as_standing(
    town: Any, call: Callable[..., FlaskClient], wav: Callable[..., bytes]
) -> None:
    """Its consent stays in force all the while: the takedown is of this one video."""
    client, services = call("researcher", "generate", "read"), town.world.services
    place = client.post("/api/v1/requests", data=parts(town, wav)).headers["Location"]
    town.world.work()
    number = client.get(place).json["asset"]["asset_number"]
    standing = client.get(f"/api/v1/assets/{number}/consent").json
    assert standing["called_back_at"] is None
    with services.journal.writing() as tx:
        which = assets.c.asset_number == int(number, 16)
        assert services.assets.quarantine(tx, which, "system", "takedown") == 1
    told = client.get(f"/api/v1/assets/{number}/consent").json
    assert told["consent"] == "active" and told["withdrawn_at"] is None
    assert told["called_back_at"]


def test_an_unknown_number_has_no_status(app: Flask) -> None:
    for number in ("0" * 14, "f" * 14, "1", "g" * 14, "F" * 14):
        assert app.test_client().get(f"/api/v1/assets/{number}/consent").status_code == 404


def test_health_is_told_in_lines(app: Flask) -> None:
    for path in ("/healthz", "/api/v1/healthz"):
        answer = app.test_client().get(path)
        assert answer.status_code == 200 and answer.json["ok"]
        assert {"database", "log"} <= {line["name"] for line in answer.json["lines"]}


def test_the_openapi_document_describes_every_call(app: Flask) -> None:
    spec = app.test_client().get("/api/v1/openapi.json").json
    assert spec["openapi"] == "3.1.0"
    told = {(path.replace("{", "<").replace("}", ">"), method)
            for path, item in spec["paths"].items() for method in item}  # fmt: skip
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1/") and rule.rule != "/api/v1/openapi.json":
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                path = rule.rule.replace("<int:", "<")
                assert (path, method.lower()) in told, rule.rule
    assert len(told) >= 15
    assert all(path.startswith("/api/v1/") for path in spec["paths"])


def test_the_openapi_document_holds_together(app: Flask) -> None:
    spec = app.test_client().get("/api/v1/openapi.json").json

    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(references(v) for v in node.values()))
        if isinstance(node, list):
            return set().union(*(references(v) for v in node))
        return set()

    for reference in references(spec):
        assert reference.removeprefix("#/components/schemas/") in spec["components"]["schemas"]
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            view = next(r for r in app.url_map.iter_rules()
                        if r.rule.replace("<int:", "<") == path.replace("{", "<").replace("}", ">")
                        and method.upper() in (r.methods or set()))  # fmt: skip
            declared = access.of(app.view_functions[view.endpoint])
            assert declared is not None
            assert (operation.get("security") == []) == (declared.kind == "public"), path
            assert {"400", "401", "403", "500", "503"} <= set(operation["responses"]), path
