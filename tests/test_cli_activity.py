"""`activity` from the shell: the same list as on the page, as lines and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.billing_desk import Desk, billing_desk
from tests.stand_in import StandIn
from tests.test_cli import ISSUED, REFUSED, run
from toc_sync.status import activity


@pytest.fixture
def desk(founded_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with StandIn() as function, billing_desk(founded_url, function) as desk:
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        yield desk


@pytest.fixture
def ids(desk: Desk) -> list[int]:
    found = [desk.add_invoice(), desk.add_invoice()]
    for invoice_id, answer in zip(found, (ISSUED, REFUSED), strict=True):
        desk.function.answer(invoice_id, answer)
    run("sync", *found)
    return found


def test_each_attempt_and_each_action_is_a_line_newest_first(desk, ids):
    result = run("activity")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 4  # asking for it and the attempt, twice
    assert "Attempt 1: failed" in lines[0]
    assert f"invoice {ids[1]}" in lines[0]
    assert lines == sorted(lines, key=lambda line: line[:19], reverse=True)


def test_json_says_everything_about_one_invoice(desk, ids):
    entries = json.loads(run("activity", "--invoice", ids[0], "--json").stdout)
    assert {entry["invoice_id"] for entry in entries} == {ids[0]}
    (attempt,) = (entry for entry in entries if entry["source"] == "attempt")
    assert (attempt["outcome"], attempt["attempt"], attempt["http_status"]) == ("synced", 1, 200)
    assert attempt["request_id"]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        pytest.param(["--since", "2020-01-01"], 4, id="since a day"),
        pytest.param(["--since", "2100-01-01T12:00"], 0, id="since a time to come"),
        pytest.param(["--until", "2020-01-01"], 0, id="until a day"),
        pytest.param(["--until", "2100-01-01 12:00"], 4, id="until a time"),
        pytest.param(["--actor", "cli"], 4, id="actor"),
        pytest.param(["--actor", "nobody"], 0, id="nobody"),
    ],
)
def test_time_and_actor_narrow_the_list(desk, ids, arguments, count):
    assert len(run("activity", *arguments).stdout.splitlines()) == count


def test_a_list_that_is_cut_says_so_beside_it(desk, ids, monkeypatch):
    monkeypatch.setattr(activity, "EXPORTED_AT_MOST", 1)
    monkeypatch.setattr("toc_sync.wording_activity.EXPORTED_AT_MOST", 1)
    result = run("activity")
    assert len(result.stdout.splitlines()) == 1
    assert "Only the newest 1 of 4 entries fit" in result.stderr


def test_a_time_that_is_none_is_wrong_usage(desk):
    assert run("activity", "--since", "yesterday").exit_code == 2
