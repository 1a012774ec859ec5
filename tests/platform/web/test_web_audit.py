"""Reading the log: search, permalinks, proofs, exports; and the public pages about it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from primafacie.audit.proof import verify_leaf


def test_a_search_shows_entries_facets_and_names(town: Any, visit: Callable[..., Any]) -> None:
    page = visit("auditor").get("/log?q=kind:decision.refused").text
    assert "Policies said no" in page and town.refused[:8] in page
    assert "Robin Researcher" in page
    assert "purpose_in_scope" in page  # the facet of the rules


def test_without_a_search_page_calls_stay_out_of_the_way(
    town: Any, visit: Callable[..., Any]
) -> None:
    browser = visit("auditor")
    assert "Page or API call" not in browser.get("/log").text
    assert "Page or API call" in browser.get("/log?q=").text


def test_a_search_that_cannot_be_read_is_told(visit: Callable[..., Any]) -> None:
    answer = visit("auditor").get("/log?q=kimd:output.released")
    assert answer.status_code == 400 and "kimd" in answer.text


def test_reading_the_log_is_itself_logged(town: Any, visit: Callable[..., Any], world: Any) -> None:
    visit("reviewer").get("/log?q=kind:output.released")
    page = world.services.logbook.query(world.account("auditor"), "kind:log.read")
    reviewer = world.people["reviewer"].user_id
    assert reviewer in {entry.actor_id for entry in page.entries}


def test_older_entries_are_a_page_away(town: Any, visit: Callable[..., Any]) -> None:
    browser = visit("auditor")
    for _ in range(60):
        browser.get("/nowhere")
    first = browser.get("/log?q=").text
    (older,) = re.findall(r'href="(/log\?q=&amp;before=\d+)"', first)
    second = browser.get(older.replace("&amp;", "&")).text
    numbers = [set(re.findall(r'href="/log/(\d+)"', page)) for page in (first, second)]
    assert len(numbers[0]) == 50 and not numbers[0] & numbers[1]


def test_an_entry_has_an_address_and_a_proof_that_holds(
    town: Any, visit: Callable[..., Any], world: Any
) -> None:
    browser, me = visit("auditor"), world.account("auditor")
    (entry,) = world.services.logbook.query(me, f"kind:output.released rid:{town.released}").entries
    page = browser.get(f"/log/{entry.index}").text
    assert f"http://localhost/log/{entry.index}" in page and entry.leaf_hash in page
    proof = browser.get(f"/log/{entry.index}/proof")
    assert proof.headers["Content-Disposition"].startswith("attachment")
    leaf = world.services.logbook.leaf(me, entry.index)
    told, _ = verify_leaf(proof.text, leaf, world.services.log.vkeys)
    assert told.index == entry.index


def test_an_export_is_json_lines_and_is_logged(
    town: Any, visit: Callable[..., Any], world: Any
) -> None:
    answer = visit("auditor").get("/log/export?first=0&last=9")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["index"] for line in lines] == list(range(10))
    page = world.services.logbook.query(world.account("auditor"), "kind:log.exported")
    assert page.entries
    assert visit("reviewer").get("/log/export?first=0&last=9").status_code == 403


def test_strangers_see_checkpoints_and_nothing_else(town: Any, visit: Callable[..., Any]) -> None:
    stranger = visit()
    page = stranger.get("/integrity").text
    assert "Check the whole log" not in page and town.released not in page
    text = stranger.get("/integrity/checkpoint").text
    assert text.startswith("primafacie.example/log\n")


def test_the_whole_log_can_be_recomputed(town: Any, visit: Callable[..., Any]) -> None:
    assert "The log is whole" in visit("auditor").post("/integrity").text


def test_every_policy_is_shown_with_its_sentence_and_text(
    world: Any, visit: Callable[..., Any]
) -> None:
    page = visit().get("/policies").text.replace("&#39;", "'").replace("&#34;", '"')
    policies = world.services.policies.shipped
    assert policies.sha256 in page
    for rule, reason in policies.reasons.items():
        assert f'id="{rule}"' in page
        assert reason.sentence in page or rule == "consented_work"
    assert page.count("forbid (principal") == len(policies.reasons) - 1
