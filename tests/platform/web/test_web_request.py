"""Asking for a video: the form, its live checklist, the way, the result, the refusal."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from primafacie.generator.controls import PoseKey
from primafacie.platform.web import checklist
from primafacie.platform.web.order import ControlsOrder, Order
from primafacie.safeguards.policy import PERMITS


def filled(town: Any, wav: Callable[..., bytes], **more: Any) -> dict[str, Any]:
    return {
        "form_id": "1" * 32, "project_id": town.project.project_id,
        "consent_id": town.consent.consent_id, "purpose": "research", "audience": "internal",
        "photo": (io.BytesIO(town.photos[0]), "p.png"), "voice": (io.BytesIO(wav()), "v.wav"),
        "voice_synthetic": "1", "size": "512", "emotion": "happy", "amplitude": "0.8",
    } | more  # fmt: skip


def states(page: str) -> dict[str, str]:
    """Title -> met, unmet or later, as the checklist shows them."""
    found = re.findall(r'class="is-(\w+)">.*?<b>(.*?)</b>', page, re.S)
    return {title.replace("&#39;", "'"): state for state, title in found}


def test_a_request_becomes_a_video(
    town: Any, visit: Callable[..., Any], wav: Callable[..., bytes]
) -> None:
    browser = visit("researcher")
    sent = browser.post("/requests/new", filled(town, wav))
    assert sent.status_code == 302
    page = browser.get(sent.headers["Location"])
    assert "Waiting for a worker" in page.text and "hx-sse:connect" in page.text
    town.world.work()
    page = browser.get(sent.headers["Location"])
    assert "Your video is ready" in page.text
    video = browser.get(sent.headers["Location"] + "/video")
    assert video.content_type == "video/mp4" and video.data.startswith(town.world.film)
    assert "sandbox" in video.headers["Content-Security-Policy"]
    assert video.headers["Cache-Control"] == "private, no-store"
    saved = browser.get(sent.headers["Location"] + "/video?save=1")
    assert saved.headers["Content-Disposition"].startswith("attachment")
    receipt = browser.get(sent.headers["Location"] + "/receipt.json")
    assert json.loads(receipt.data)


def test_a_player_may_ask_for_a_part(town: Any, visit: Callable[..., Any]) -> None:
    browser, place = visit("researcher"), f"/requests/{town.released}/video"
    film = browser.get(place).data
    answer = browser.get(place, headers={"Range": "bytes=0-99"})
    assert answer.status_code == 206 and answer.data == film[:100]
    later = browser.get(place, headers={"Range": f"bytes=5-{len(film) - 2}"})
    assert later.data == film[5:-1] and later.headers["Accept-Ranges"] == "bytes"
    assert later.headers["Content-Range"] == f"bytes 5-{len(film) - 2}/{len(film)}"
    beyond = browser.get(place, headers={"Range": f"bytes={len(film)}-"})
    assert beyond.status_code == 416 and film not in beyond.data
    known = browser.get(place, headers={"If-None-Match": answer.headers["ETag"]})
    assert known.status_code == 304 and known.data == b""


def test_the_same_form_sent_twice_is_one_request(
    town: Any, visit: Callable[..., Any], wav: Callable[..., bytes]
) -> None:
    browser, form_id = visit("researcher"), "2" * 32
    first = browser.post("/requests/new", filled(town, wav, form_id=form_id))
    again = browser.post("/requests/new", filled(town, wav, form_id=form_id))
    other = browser.post("/requests/new", filled(town, wav, form_id=form_id, emotion="sad"))
    assert first.headers["Location"] == again.headers["Location"] != other.headers["Location"]


@pytest.mark.parametrize(
    ("change", "told"),
    [({"purpose": "conquest"}, "Purpose"), ({"audience": ""}, "Audience"), ({"size": "9"}, "Size"),
     ({"size": "513"}, "even number"), ({"emotion": "smug"}, "emotion"),
     ({"amplitude": "lots"}, "Head movement"), ({"amplitude": "inf"}, "Head movement"),
     ({"amplitude": "7"}, "amplitude"), ({"photo": (io.BytesIO(b""), "p.png")}, "Photo"),
     ({"regions": "ears"}, "What moves"), ({"project_id": "x"}, "project"),
     ({"pose": "1 5 0 0\r\n2 5 0"}, "pose key 2"), ({"pose": "0 90 0 0"}, "pose keys"),
     ({"pose": "inf 0 0 0"}, "pose keys"), ({"pose": "0 nan 0 0"}, "pose keys")],
)  # fmt: skip
def test_a_malformed_request_is_told_and_not_queued(
    town: Any, visit: Callable[..., Any], wav: Callable[..., bytes], change: dict[str, Any],
    told: str,
) -> None:  # fmt: skip
    browser = visit("researcher")
    before = town.world.services.requests.counts(town.world.account("researcher"))
    answer = browser.post("/requests/new", filled(town, wav, **change))
    assert answer.status_code == 400 and "did not work" in answer.text
    assert told.lower() in answer.text.lower()
    assert town.world.services.requests.counts(town.world.account("researcher")) == before


def test_a_photo_that_is_too_large_is_refused(town: Any, visit: Callable[..., Any]) -> None:
    browser = visit("researcher")
    fields = {"csrf_token": browser.token(), "form_id": "9" * 32, "purpose": "research",
              "project_id": town.project.project_id, "consent_id": town.consent.consent_id,
              "audience": "internal"}  # fmt: skip
    lines = [f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'
             for k, v in fields.items()]  # fmt: skip
    head = '--b\r\nContent-Disposition: form-data; name="photo"; filename="p.png"\r\n\r\n'
    body = ("".join(lines) + head).encode() + b"0" * 15_000_001 + b"\r\n--b--\r\n"
    answer = browser.client.post("/requests/new", data=body,
                                 content_type="multipart/form-data; boundary=b")  # fmt: skip
    assert answer.status_code == 413 and "at most 15 MB" in answer.text


def test_a_refusal_names_every_reason_in_words(town: Any, visit: Callable[..., Any]) -> None:
    page = visit("researcher").get(f"/requests/{town.refused}").text
    view = town.world.services.requests.show(town.world.account("researcher"), town.refused)
    assert len(view.reasons) >= 3
    for reason in view.reasons:
        assert reason.sentence in page and f"#{reason.rule}" in page
    assert view.decision_id[:8] in page


def test_the_list_shows_what_the_policies_will_ask(town: Any, visit: Callable[..., Any]) -> None:
    browser = visit("researcher")
    empty = states(browser.post("/requests/check").text)
    assert empty["Your access is approved"] == "met"
    assert empty["The consent is in force"] == "later"
    facts = {
        "project_id": town.project.project_id, "consent_id": town.consent.consent_id,
        "purpose": "demonstration", "audience": "public", "voice_synthetic": "1",
        "photo_digest": hashlib.sha256(town.photos[0]).hexdigest(), "voice_digest": "0" * 64,
        "seconds": "4.5",
    }  # fmt: skip
    wrong = states(browser.post("/requests/check", facts).text)
    assert wrong["The person agreed to this purpose"] == "unmet"
    assert wrong["The person agreed to this audience"] == "unmet"
    assert wrong["The face is the person who agreed"] == "met"
    right = browser.post("/requests/check", facts | {"purpose": "research", "audience": "internal"})
    assert "unmet" not in states(right.text).values()
    long = states(browser.post("/requests/check", facts | {"seconds": "11"}).text)
    assert long["Length and size are within what was agreed"] == "unmet"
    strange = states(browser.post("/requests/check", facts | {"photo_digest": "1" * 64}).text)
    assert strange["The face is the person who agreed"] == "unmet"
    spoken = states(browser.post("/requests/check", facts | {"voice_synthetic": "0"}).text)
    assert spoken["The voice is one the person agreed to"] == "unmet"


def test_the_list_and_the_gate_agree(
    town: Any, visit: Callable[..., Any], wav: Callable[..., bytes]
) -> None:
    """What the list calls unmet is what the refusal names, and the other way round."""
    browser = visit("researcher")
    view = town.world.services.requests.show(town.world.account("researcher"), town.refused)
    forecast = browser.post("/requests/check", {
        "project_id": view.project_id, "consent_id": view.consent_id, "purpose": view.purpose,
        "audience": view.audience, "voice_synthetic": "1", "photo_digest": view.photo_sha256,
        "voice_digest": view.voice_sha256, "seconds": "2",
    })  # fmt: skip
    unmet = {title for title, state in states(forecast.text).items() if state == "unmet"}
    assert unmet == {checklist.TITLES[reason.rule] for reason in view.reasons}


def test_every_rule_has_a_line_in_the_list(town: Any, visit: Callable[..., Any]) -> None:
    rules = set(town.world.services.policies.shipped.reasons) - PERMITS
    assert rules == set(checklist.TITLES)
    page = states(visit("researcher").post("/requests/check").text)
    assert set(page) == set(checklist.TITLES.values())


def test_somebody_without_access_sees_it_in_the_list(
    world: Any, town: Any, visit: Callable[..., Any]
) -> None:
    world.services.accounts.add(None, email="new@example.org", name="Nina New",
                                password="a long and friendly password",
                                roles=["researcher"])  # fmt: skip
    browser = visit()
    browser.sign_in("new@example.org")
    page = states(browser.post("/requests/check", {"project_id": town.project.project_id}).text)
    assert page["Your access is approved"] == "unmet"
    assert page["The project is in force and you are a member"] == "unmet"


def test_the_json_shown_is_what_the_api_takes(town: Any, visit: Callable[..., Any]) -> None:
    page = visit("researcher").post("/requests/check", {
        "project_id": town.project.project_id, "consent_id": town.consent.consent_id,
        "purpose": "research", "emotion": "happy", "gaze_yaw": "4", "size": "720",
        "pose": "1.5 10 0 -3\r\n\r\n2, 0, 5, 0\r\n",
    }).text  # fmt: skip
    shown = re.search(r"<hx-partial[^>]*><code>(.*?)</code>", page, re.S)
    assert shown is not None
    order = Order.model_validate_json(shown[1].replace("&#34;", '"'))
    controls = order.controls.controls()
    assert (controls.emotion, controls.size, controls.gaze) == ("happy", 720, (4, 0))
    assert controls.pose == (PoseKey(1.5, 10, 0, -3), PoseKey(2, 0, 5, 0))


def test_the_api_and_the_generator_have_the_same_defaults_and_limits() -> None:
    from primafacie.generator.controls import CROPS, EMOTIONS, RATES, REGIONS, Controls

    assert ControlsOrder().controls() == Controls()
    schema = ControlsOrder.model_json_schema()["properties"]
    assert tuple(schema["emotion"]["enum"]) == EMOTIONS
    assert tuple(schema["crop"]["enum"]) == CROPS
    assert tuple(schema["fps"]["enum"]) == RATES
    assert tuple(schema["regions"]["items"]["enum"]) == REGIONS


def test_progress_is_told_as_it_happens(
    town: Any, visit: Callable[..., Any], order: Callable[..., Any]
) -> None:
    browser, me = visit("researcher"), town.world.account("researcher")
    submission = order(town.project, town.consent, town.photos[0])
    rid = town.world.services.requests.submit(me, submission).rid
    stream = browser.client.get(f"/requests/{rid}/events")
    assert stream.content_type.startswith("text/event-stream")
    chunks = stream.iter_encoded()
    first = next(chunks).decode()
    assert first.startswith("id: 1\n") and "Waiting for a worker" in first
    town.world.work()
    rest = "".join(chunk.decode() for chunk in chunks)
    stream.close()
    assert rest.endswith("event: done\ndata: done\n\n")
    resumed = browser.client.get(f"/requests/{rid}/events", headers={"Last-Event-ID": "99"})
    assert b"event: done" in b"".join(resumed.iter_encoded())
    resumed.close()


def test_whoever_signs_out_is_told_nothing_more(
    town: Any, visit: Callable[..., Any], order: Callable[..., Any]
) -> None:
    browser, me = visit("researcher"), town.world.account("researcher")
    rid = town.world.services.requests.submit(
        me, order(town.project, town.consent, town.photos[0])
    ).rid
    stream = browser.client.get(f"/requests/{rid}/events")
    chunks = stream.iter_encoded()
    assert "Waiting for a worker" in next(chunks).decode()
    browser.post("/sign-out")
    town.world.work()
    rest = b"".join(chunks)
    stream.close()
    assert b"event: done" not in rest and b"data:" not in rest


def test_streams_are_counted_and_given_back(town: Any, visit: Callable[..., Any]) -> None:
    from primafacie.platform.web.screens import jobs

    browser = visit("reviewer")
    held = [browser.client.get(f"/requests/{town.released}/events")
            for _ in range(jobs.STREAMS_A_PERSON)]  # fmt: skip
    assert browser.get(f"/requests/{town.released}/events").status_code == 429
    for stream in held:
        stream.close()
    again = browser.client.get(f"/requests/{town.released}/events")
    assert again.status_code == 200
    again.close()


def test_streams_never_hold_every_thread(
    world: Any, town: Any, visit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from collections import Counter

    from primafacie.platform.web.screens import jobs

    most = world.services.settings.web_threads // 2
    monkeypatch.setattr(jobs, "_streams", Counter({f"somebody {n}": 1 for n in range(most)}))
    assert visit("reviewer").get(f"/requests/{town.released}/events").status_code == 429


def test_a_waiting_request_can_be_cancelled(
    town: Any, visit: Callable[..., Any], wav: Callable[..., bytes]
) -> None:
    browser = visit("researcher")
    place = browser.post("/requests/new", filled(town, wav, form_id="3" * 32)).headers["Location"]
    assert browser.post(place + "/cancel").status_code == 302
    assert "This request was cancelled" in browser.get(place).text


def test_nobody_sees_a_request_of_others(world: Any, town: Any, visit: Callable[..., Any]) -> None:
    world.services.accounts.add(None, email="other@example.org", name="Otto Other",
                                password="a long and friendly password",
                                roles=["researcher"])  # fmt: skip
    browser = visit()
    browser.sign_in("other@example.org")
    for path in ("", "/video", "/photo", "/receipt.json", "/events"):
        assert browser.get(f"/requests/{town.released}{path}").status_code in (403, 404), path
    assert browser.post(f"/requests/{town.waiting}/cancel").status_code in (403, 404)


def test_a_form_from_elsewhere_is_refused(town: Any, visit: Callable[..., Any]) -> None:
    browser = visit("researcher")
    answer = browser.client.post(f"/requests/{town.waiting}/cancel", data={"csrf_token": "forged"})
    assert answer.status_code == 400 and "came from elsewhere" in answer.text
