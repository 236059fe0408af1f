"""Acting on many from the command line: the preview, the progress, the results, and stopping a batch."""

from __future__ import annotations

import json
import re
import signal
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from tests.billing_desk import Desk
from tests.live_app import running, wait_until
from tests.test_cli import ISSUED, desk, failed, function, run, simple_desk
from toc_sync import clock, wording
from toc_sync.tables import batch_items

__all__ = ["desk", "failed", "function", "simple_desk"]
BOTH = ("--status", "failed", "--status", "in_doubt")


def test_the_preview_is_a_table_of_what_would_happen(desk, failed):
    lines = run("retry", *BOTH, "--dry-run").stdout.splitlines()
    assert [line.strip() for line in lines] == [
        "3 match: Failed or In doubt",
        "2 would be sent: €246.00, €46.00 of it VAT",
        f"1 refused: It may already be in TOC Online. Look it up there, then use Resolve. (Invoice {failed['doubt']})",
        "2 are dated before a document that the issuer already has: TOC Online may refuse that.",
        "Oldest invoice date first (2026-10-05 to 2026-11-05).",
        "Nothing is sending at present: they wait until a worker is alive.",
        "2 invoices would be queued, 1 refused.",
    ]


def test_the_preview_as_json_has_exactly_the_promised_fields(desk, failed):
    result = run("retry", *BOTH, "--dry-run", "--json")
    assert result.exit_code == 5
    found = json.loads(result.stdout)
    assert found["refused"][0]["count"] == found["in_doubt"] == 1
    assert found["amounts"] == {"EUR": "246.00"}
    assert list(found) == [
        "description",
        "matching",
        "would_be_sent",
        "amounts",
        "vat",
        "refused",
        "in_doubt",
        "dated_before",
        "first_date",
        "last_date",
        "threads",
        "expected_seconds",
    ]


def test_a_batch_is_listed_with_the_results_of_its_invoices(desk, failed):
    run("retry", "--status", "failed")
    assert re.search(r"^ +1  running .* cli:.+: Failed$", run("batches").stdout, re.MULTILINE)
    lines = run("batch", 1).stdout.splitlines()
    assert lines[1:] == [
        "0 of 2 done: 2 waiting, €246.00",
        *(f"{failed[name]} Waiting {_asked(desk, failed[name])}" for name in ("october", "november")),
    ]
    facts = json.loads(run("batch", 1, "--json").stdout)
    assert (facts["total"], facts["left"], facts["statuses"]) == (2, 2, {"queued": 2})
    assert [item["invoice_id"] for item in facts["results"]] == [failed["october"], failed["november"]]


def _asked(desk: Desk, invoice_id: int) -> str:
    with desk.engine.connect() as conn:
        query = select(batch_items.c.message).where(batch_items.c.invoice_id == invoice_id)
        return str(conn.execute(query).scalar_one())


def test_a_batch_can_be_cancelled_once(desk, failed):
    before = desk.statuses()
    run("retry", "--status", "failed")
    cancelled = run("cancel-batch", 1)
    assert (cancelled.exit_code, desk.statuses()) == (0, before)
    assert "2 invoices not sent" in cancelled.stdout
    assert run("cancel-batch", 1).exit_code == 5


@pytest.mark.parametrize("command", ["batch", "cancel-batch"])
def test_a_batch_that_never_was_is_named(simple_desk, command):
    result = run(command, 7)
    assert (result.exit_code, result.stderr) == (1, "Error: Batch 7 does not exist.\n")


def test_recovering_takes_what_failed_since_then_in_lisbons_time(desk, failed):
    an_hour_ago = (clock.now() - timedelta(minutes=30)).astimezone(wording.ZONE)
    since = f"{an_hour_ago:%Y-%m-%d %H:%M}"
    foretold = json.loads(run("retry", "--recover-since", since, "--dry-run", "--json").stdout)
    assert (foretold["would_be_sent"], foretold["in_doubt"]) == (2, 1)
    run("retry", "--recover-since", since)
    assert {each for each, status in desk.statuses().items() if status == "queued"} == {
        failed["october"],
        failed["november"],
    }
    until = ("--recover-until", f"{an_hour_ago - timedelta(days=1):%Y-%m-%d}")
    assert run("retry", "--recover-since", date(2026, 1, 1), *until).stdout == "0 invoices queued, 0 refused.\n"


def test_recovering_until_now_ends_when_the_database_says(desk, failed):
    since = f"{(clock.now() - timedelta(minutes=30)).astimezone(wording.ZONE):%Y-%m-%d %H:%M}"
    with clock.set_wrong(timedelta(minutes=-20)):
        foretold = json.loads(run("retry", "--recover-since", since, "--dry-run", "--json").stdout)
    assert foretold["would_be_sent"] == 2


@pytest.mark.processes
def test_it_waits_while_a_worker_sends_and_says_what_came_of_it(simple_desk, tmp_path):
    desk = simple_desk
    ids = _never_sent(desk, 3)
    desk.function.answer(None, ISSUED)
    with running(["-m", "toc_sync", "worker"], tmp_path, desk.environment, name="worker") as worker:
        worker.says("worker-started")
        _wait_until_alive(desk)
        result = run("retry", "--status", "not_synced")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-2:] == ["3 of 3 done: 3 synced.", "3 invoices queued, 0 refused."]
    assert desk.function.counts() == dict.fromkeys(ids, 1)


@pytest.mark.processes
def test_ctrl_c_leaves_the_batch_running_and_says_so(simple_desk, tmp_path):
    desk = simple_desk
    ids = _never_sent(desk, 3)
    desk.function.answer(None, ISSUED)
    desk.function.hold()
    with running(["-m", "toc_sync", "worker"], tmp_path, desk.environment, name="worker") as worker:
        worker.says("worker-started")
        _wait_until_alive(desk)
        arguments = ["-m", "toc_sync", "retry", "--status", "not_synced"]
        with running(arguments, tmp_path, desk.environment, name="retry") as script:
            desk.function.wait_for()
            assert script.stop(signal.SIGINT) == 130
            assert "It goes on without this window" in script.log
        desk.function.release()
        wait_until(lambda: set(desk.statuses().values()) == {"synced"})
    assert desk.function.counts() == dict.fromkeys(ids, 1)


def _never_sent(desk: Desk, count: int) -> list[int]:
    return [desk.add_invoice() for _ in range(count)]


def _wait_until_alive(desk: Desk) -> None:
    wait_until(lambda: json.loads(run("workers", "--json").stdout) and len(desk.statuses()) >= 3)
