"""`resolve` and `reopen` from the shell, and what `status` says about doubts that have lasted too long."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.billing_desk import Desk, billing_desk
from tests.stand_in import StandIn
from tests.test_cli import ISSUED, REFUSED, UNCLEAR, run, the_error
from toc_sync.database import writing
from toc_sync.tables import sync_records

LONG_AGO = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


@pytest.fixture
def desk(founded_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with StandIn() as function, billing_desk(founded_url, function) as desk:
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        yield desk


@pytest.fixture
def ids(desk: Desk) -> dict[str, int]:
    """Two old doubts, one that the platform may still be working on, a failure and a success."""
    answers = {"one": UNCLEAR, "two": UNCLEAR, "fresh": UNCLEAR, "failed": REFUSED, "synced": ISSUED}
    found = {name: desk.add_invoice() for name in answers}
    for name, invoice_id in found.items():
        desk.function.answer(invoice_id, answers[name])
    run("sync", *found.values())
    old = sync_records.c.invoice_id.in_([found["one"], found["two"]])
    with writing(desk.engine) as conn:
        conn.execute(sync_records.update().where(old).values(last_attempt_at=LONG_AGO, doubt_since=LONG_AGO))
    return found


def test_many_are_not_there_and_each_gets_its_line(desk, ids):
    result = run("resolve", ids["two"], ids["one"], ids["failed"], "--not-there", "--reason", "Looked it up.")
    assert result.exit_code == 5
    assert result.stdout.splitlines() == [
        f"{ids['one']} It is on its way to TOC Online.",
        f"{ids['two']} It is on its way to TOC Online.",
        f"{ids['failed']} refused: It is not in doubt any more: failed.",
        "2 invoices queued, 1 refused.",
    ]
    assert [desk.statuses()[ids[name]] for name in ("one", "two", "failed")] == ["queued", "queued", "failed"]
    assert desk.function.count(ids["one"]) == 1


def test_a_dry_run_of_resolve_foretells_and_changes_nothing(desk, ids):
    before = desk.statuses()
    result = run("resolve", *ids.values(), "--not-there", "--dry-run")
    assert result.exit_code == 5
    one, two, *refused, summary = result.stdout.splitlines()
    assert (one, two) == (f"{ids['one']} would be queued", f"{ids['two']} would be queued")
    assert [line.partition(" refused: ")[0] for line in refused] == ["1", "1", "1"]
    assert "TOC Online may still be working on it" in refused[0]
    assert summary == "2 invoices would be queued, €246.00, 3 refused."
    assert desk.statuses() == before


def test_one_is_there_and_can_be_put_back_in_doubt(desk, ids):
    there = run("resolve", ids["one"], "--there", "FT 2026/90", "--reason", "Found it.")
    assert (there.exit_code, there.stdout) == (0, f"{ids['one']} Recorded: it is in TOC Online as FT 2026/90.\n")
    back = run("reopen", ids["one"], "--reason", "Another customer.")
    assert (back.exit_code, desk.statuses()[ids["one"]]) == (0, "in_doubt")
    assert desk.invoice(ids["one"])["api_response"]["in_doubt"] is True
    again = run("reopen", ids["synced"], "--reason", "x")
    assert (again.exit_code, "TOC Online itself answered" in again.stdout) == (5, True)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--reason", "x"], id="neither way"),
        pytest.param(["--there", "FT 1", "--not-there", "--reason", "x"], id="both ways"),
        pytest.param(["2", "--there", "FT 1", "--reason", "x"], id="one number for two"),
        pytest.param(["--there", "FT 1", "--reason", "x", "--dry-run"], id="foretelling a declaration"),
        pytest.param(["--not-there"], id="without a reason"),
        pytest.param(["--not-there", "--reason", " "], id="with an empty reason"),
    ],
)
def test_wrong_usage_of_resolve_changes_nothing(desk, arguments):
    result = run("resolve", 1, *arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


@pytest.mark.parametrize("command", [["resolve", "--not-there"], ["reopen"]])
def test_an_unknown_invoice_is_one_sentence_and_nothing_is_resolved(desk, ids, command):
    before = desk.statuses()
    known = [ids["one"]] if command[0] == "resolve" else []
    assert "4242" in the_error(run(*command, *known, "4242", "--reason", "x"))
    assert desk.statuses() == before


def test_status_counts_the_doubts_that_have_lasted_too_long(desk, ids):
    counts = json.loads(run("status", "--json").stdout)
    assert (counts["in_doubt"], counts["in_doubt_over_15_min"]) == (3, 2)
    line = r"^in_doubt +3 +€369\.00, 2 for more than 15 minutes$"
    assert re.search(line, run("status").stdout, re.MULTILINE)
