"""`gate`, `pause`, `resume` and `distrust` on the command line, and what `sync` and `check` say of a gate that is not open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from tests.billing_desk import Desk, billing_desk
from tests.stand_in import StandIn
from toc_sync import clock, runtime, wording_gate
from toc_sync.cli import program
from toc_sync.cli.common import REFUSED
from toc_sync.database import writing
from toc_sync.model import GateCause, GateState, Status
from toc_sync.settings import load_settings
from toc_sync.tables import gate as gate_table
from toc_sync.tables import gate_log, sync_actions, sync_records

REASON = "TOC Online is being maintained"
BAD_KEY = {"status": 401, "body": {"code": "UNAUTHORIZED_INVALID_JWT_FORMAT", "message": "Invalid JWT"}}


@pytest.fixture
def function() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def desk(founded_url: str, function: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with billing_desk(founded_url, function) as desk:
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        yield desk


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(program, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def queue(desk: Desk, **values: object) -> int:
    """Queues an invoice as a script does, which sends nothing."""
    invoice_id = desk.add_invoice(**values)
    script = runtime.Runtime(load_settings(), desk.engine, ())
    assert script.retry(invoice_id, actor="test").done
    return invoice_id


def state(desk: Desk) -> tuple[str, str | None]:
    with desk.engine.connect() as conn:
        return tuple(conn.execute(select(gate_table.c.state, gate_table.c.cause)).one())


def close(desk: Desk, cause: GateCause) -> None:
    now = clock.now()
    with writing(desk.engine) as conn:
        entry = {"cause": cause, "closed_at": now, "closed_by": "the gate"}
        log_id = conn.execute(gate_log.insert().values(entry).returning(gate_log.c.id)).scalar_one()
        values = {"state": GateState.CLOSED, "cause": cause, "since": now, "log_id": log_id}
        conn.execute(gate_table.update().values(values | {"reason": wording_gate.GATE_REASONS[cause]}))


def test_an_open_gate_is_one_sentence(desk):
    assert run("gate").stdout == "Invoices may leave.\n"


def test_pause_stops_sync_until_resume(desk):
    waiting = desk.add_invoice()
    paused = run("pause", "--reason", REASON)
    assert (paused.exit_code, paused.stdout) == (0, f"{wording_gate.PAUSED_NOW}\n")
    refused = run("sync", waiting)
    assert refused.exit_code == REFUSED
    assert refused.stdout.startswith(f"{waiting} queued Sending is paused since ")
    assert refused.stdout.endswith(" It goes out when sending goes on.\n")
    assert desk.function.requests == []
    resumed = run("resume", "--reason", "they are back")
    assert (resumed.exit_code, resumed.stdout) == (0, f"{wording_gate.RESUMED_NOW}\n")
    assert run("sync", waiting).exit_code == 0
    with desk.engine.connect() as conn:
        logged = conn.execute(select(sync_actions.c.action, sync_actions.c.reason)).all()
    assert {("pause", REASON), ("resume", "they are back")} <= set(logged)


def test_gate_says_who_stopped_it_why_and_what_waits(desk):
    run("pause", "--reason", REASON)
    queue(desk)
    said = run("gate").stdout
    assert said.startswith("Sending is paused since ")
    assert "by cli:" in said
    assert said.endswith(f"{REASON}. 1 invoice waits, €123.00.\n")


def test_gate_as_json_is_one_object(desk):
    run("pause", "--reason", REASON)
    queue(desk)
    found = json.loads(run("gate", "--json").stdout)
    assert found.keys() == {"state", "since", "cause", "changed_by", "reason", "waiting"}
    assert (found["state"], found["cause"], found["reason"], found["waiting"]) == ("paused", "person", REASON, 1)
    assert datetime.fromisoformat(found["since"]).utcoffset() == timedelta(0)


def test_gate_tells_how_the_last_closing_ended(desk):
    run("pause", "--reason", REASON)
    waiting = queue(desk)
    run("resume")
    run("sync", waiting)
    assert "1 waited, 1 synced, 0 in doubt." in run("gate").stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(["pause"], 2, id="pause without a reason"),
        pytest.param(["pause", "--reason", "  "], REFUSED, id="pause with an empty reason"),
        pytest.param(["resume"], REFUSED, id="resume what is open"),
        pytest.param(["distrust"], 2, id="distrust without an instant"),
        pytest.param(["distrust", "--since", "yesterday"], 2, id="no instant"),
        pytest.param(["distrust", "--since", "2999-01-01 00:00"], REFUSED, id="an instant to come"),
    ],
)
def test_what_cannot_be_done_changes_nothing_and_says_so(desk, arguments, status):
    result = run(*arguments)
    assert result.exit_code == status
    assert result.output
    assert state(desk) == (GateState.OPEN, None)


def test_distrust_says_first_and_then_puts_in_doubt(desk):
    waiting, failed = queue(desk), queue(desk)
    with writing(desk.engine) as conn:
        conn.execute(sync_records.update().where(sync_records.c.invoice_id == failed).values(status=Status.FAILED))
    since = (clock.now() - timedelta(hours=1)).isoformat(timespec="seconds")
    rehearsed = run("distrust", "--since", since, "--dry-run")
    assert rehearsed.exit_code == 0
    assert sorted(rehearsed.stdout.splitlines()) == ["Failed: 1 invoice", "Waiting: 1 invoice"]
    assert (desk.statuses(), state(desk)[0]) == ({waiting: "queued", failed: "failed"}, GateState.OPEN)
    result = run("distrust", "--since", since)
    assert (result.exit_code, result.stdout) == (0, f"{wording_gate.distrusted_count(2)}\n")
    assert desk.statuses() == {waiting: "in_doubt", failed: "in_doubt"}
    assert state(desk)[0] == GateState.PAUSED


@pytest.mark.parametrize(
    ("until", "suspects"),
    [
        pytest.param("2026-11-20T10:31:00+01:00", "", id="with a zone: 09:31 UTC"),
        pytest.param("2026-11-20T10:29:59", "", id="without a zone: a moment before"),
        pytest.param("2026-11-20 10:30", "Waiting: 1 invoice\n", id="without a zone: UTC"),
        pytest.param("2026-11-20T10:30:00Z", "Waiting: 1 invoice\n", id="UTC by name"),
    ],
)
def test_an_instant_without_a_zone_is_utc(desk, monkeypatch, until, suspects):
    monkeypatch.setenv("TZ", "America/New_York")
    invoice_id = queue(desk)
    asked_at = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
    with writing(desk.engine) as conn:
        conn.execute(sync_records.update().where(sync_records.c.invoice_id == invoice_id).values(queued_at=asked_at))
    assert run("distrust", "--since", "2026-11-20 09:00", "--until", until, "--dry-run").stdout == suspects


@pytest.mark.parametrize("cause", [GateCause.OUTAGE, GateCause.CONFIGURATION])
def test_check_opens_a_gate_that_had_closed_by_itself_when_the_function_is_fine(desk, cause):
    close(desk, cause)
    desk.function.answer(None, BAD_KEY)
    assert run("check").exit_code == 1
    assert state(desk) == (GateState.CLOSED, cause)
    desk.function.answer(None, {"status": 200, "body": "ok"})
    result = run("check")
    assert result.exit_code == 0
    assert "✓ gate: It had closed by itself and is open again." in result.stdout
    assert state(desk) == (GateState.OPEN, None)


def test_check_leaves_a_pause_to_people(desk):
    run("pause", "--reason", REASON)
    desk.function.answer(None, {"status": 200, "body": "ok"})
    result = run("check")
    assert result.exit_code == 0
    assert "✓ gate: Sending is paused since" in result.stdout
    assert REASON in result.stdout
    assert state(desk) == (GateState.PAUSED, GateCause.PERSON)


def test_sync_says_that_an_earlier_date_goes_first(desk):
    queue(desk, invoice_date=datetime(2026, 11, 18, tzinfo=UTC).date())
    later = desk.add_invoice()
    result = run("sync", later)
    assert result.exit_code == REFUSED
    assert result.stdout.startswith(f"{later} queued It waits for its issuer's invoice of 18 Nov 2026")
