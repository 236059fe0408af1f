"""Sample data: believable, the same every time, and exactly what really sending would have left behind."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, delete, event, null, select, update

from toc_sync import billing, clock, installation, outbox, samples, status, sync
from toc_sync.classify import classify
from toc_sync.database import current_time, reading, writing
from toc_sync.engines import open_engine
from toc_sync.model import ErrorKind, NoReply, Outcome, Reply, Status, Trigger, Unsent
from toc_sync.new_invoice import parse_payload
from toc_sync.refusals import shipped_refusals
from toc_sync.samples.chronicle import JITTER, WAITS_S
from toc_sync.sandbox import Behaviour
from toc_sync.tables import (
    error_groups,
    invoice_orders,
    issued_client_invoices,
    issued_invoice_orders,
    projects,
    sync_actions,
    sync_attempts,
    sync_records,
    teams,
)
from toc_sync.views import InvoiceFilter, OrderFilter
from toc_sync.views_health import RangeAsked

REFUSALS = shipped_refusals()
NOT_COMPARED = {"claim_id", "claimed_by", "api_fingerprint", "sent_fingerprint"}


def seeded(url: str, invoices: int = 60, *, now: datetime | None = None) -> Engine:
    engine = open_engine(url)
    with writing(engine) as conn:
        installation.prepare(conn, may_create_billing=True)
        samples.seed(conn, now=now or current_time(conn), invoices=invoices)
    return engine


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = seeded(database_url)
    yield engine
    engine.dispose()


def rows_of(engine: Engine, table, *order) -> list[dict]:
    with reading(engine) as conn:
        return [dict(row) for row in conn.execute(select(table).order_by(*(order or table.primary_key))).mappings()]


def swept(engine: Engine, now: datetime) -> int:
    """Returns how many records a whole sweep changes."""
    after_id, changed, complete = 0, 0, False
    while not complete:
        with writing(engine) as conn:
            step = outbox.sweep(conn, REFUSALS, after_id=after_id, now=now, batch=50)
        after_id, changed, complete = step.last_id, changed + step.changed, step.complete
    return changed


def test_every_status_and_every_kind_of_error_is_there(engine):
    records = rows_of(engine, sync_records)
    assert {record["status"] for record in records} == set(Status) - {Status.SYNCING}
    assert {record["error_kind"] for record in records} == {None, *ErrorKind}
    counts = Counter(record["status"] for record in records)
    assert counts[Status.SYNCED] > len(records) / 2
    assert len({record["refusal"] for record in records if record["refusal"]}) >= 3


def test_observation_finds_nothing_to_change(engine):
    with writing(engine) as conn:
        now = current_time(conn)
        assert outbox.observe_recent(conn, REFUSALS, now=now) == []
        assert outbox.count_missing(conn) == 0
    assert swept(engine, now) == 0


def test_a_sweep_notices_a_sample_that_somebody_changed(engine):
    with writing(engine) as conn:
        conn.execute(issued_client_invoices.update().where(issued_client_invoices.c.id == 7).values(notes="x"))
        conn.execute(issued_client_invoices.update().where(issued_client_invoices.c.id == 7).values(invoice_number="x"))
        now = current_time(conn)
    assert swept(engine, now) == 1


def test_really_sending_would_have_left_the_same_behind(engine):
    attempts = defaultdict(list)
    for attempt in rows_of(engine, sync_attempts, sync_attempts.c.invoice_id, sync_attempts.c.number):
        attempts[attempt["invoice_id"]].append(attempt)
    seeded_records = {record["invoice_id"]: record for record in rows_of(engine, sync_records)}
    seeded_invoices = rows_of(engine, issued_client_invoices)
    seeded_actions = rows_of(engine, sync_actions)
    seeded_groups = groups_of(engine)
    with writing(engine) as conn:
        for table in (sync_records, sync_attempts, sync_actions, error_groups):
            conn.execute(delete(table))
        sent_here = issued_client_invoices.c.id.in_(attempts)
        conn.execute(update(issued_client_invoices).where(sent_here).values(api_response=null()))
        for invoice_id, record in seeded_records.items():
            replay(conn, record, attempts[invoice_id])
    replayed_records = {record["invoice_id"]: record for record in rows_of(engine, sync_records)}
    for invoice_id, record in seeded_records.items():
        assert comparable(replayed_records[invoice_id]) == comparable(record), invoice_id
    assert rows_of(engine, issued_client_invoices) == seeded_invoices
    assert actions_of(rows_of(engine, sync_actions)) == actions_of(seeded_actions)
    assert groups_of(engine) == seeded_groups
    groups = {attempt["request_id"]: attempt["error_group"] for each in attempts.values() for attempt in each}
    seeded_of = sorted(str(group) for group in groups.values())
    assert sorted(str(attempt["error_group"]) for attempt in rows_of(engine, sync_attempts)) == seeded_of


def groups_of(engine: Engine) -> set[tuple]:
    return {
        (row["key"], row["error_kind"], row["refusal"], row["normal_form"]) for row in rows_of(engine, error_groups)
    }


def replay(conn, record: dict, attempts: list[dict]) -> None:
    """Lives through one invoice's history with the outbox itself, each step at its time."""
    invoice_id = record["invoice_id"]
    invoice = billing.read_invoice(conn, invoice_id)
    if not attempts:
        outbox.adopt(conn, invoice, REFUSALS, now=record["created_at"])
        return
    outbox.enqueue(conn, invoice, actor=attempts[0]["requested_by"], now=record["created_at"])
    for attempt in attempts:
        ask(conn, attempt)
        claimed = outbox.claim(
            conn,
            worker=attempt["worker"],
            lease_s=200,
            refusals=REFUSALS,
            turns=outbox.Turns(date_order=False),  # each story is told by itself
            now=attempt["started_at"],
            invoice_id=invoice_id,
        )
        evidence = outbox.Evidence(
            headers=attempt["response_headers"], body=attempt["response_body"], duration_ms=attempt["duration_ms"]
        )
        verdict = classify(answer_of(attempt), REFUSALS)
        assert (verdict.outcome, verdict.error_kind, verdict.error) == (
            attempt["outcome"],
            attempt["error_kind"],
            attempt["error"],
        )
        outbox.settle(conn, claimed, verdict, evidence, waits_s=WAITS_S, jitter=JITTER, now=attempt["finished_at"])
    if record["declared_by"]:
        outbox.resolve_as_synced(
            conn,
            billing.read_invoice(conn, invoice_id),
            invoice_id,
            record["document_no"],
            actor=record["declared_by"],
            reason="Found it in TOC Online.",
            now=record["updated_at"],
        )


def ask(conn, attempt: dict) -> None:
    """Asks for an attempt as the person did who wanted it."""
    invoice = billing.read_invoice(conn, attempt["invoice_id"])
    person, now = attempt["requested_by"], attempt["started_at"]
    if attempt["trigger"] == Trigger.RETRY:
        # They had corrected something; a story does not tell what.
        this = sync_records.c.invoice_id == attempt["invoice_id"]
        conn.execute(sync_records.update().where(this).values(sent_fingerprint=None))
        assert outbox.request_send(conn, invoice, actor=person, now=now).done
    elif attempt["trigger"] == Trigger.SEND_AGAIN:
        reason = "Looked it up in TOC Online: it is not there."
        assert outbox.resolve_send_again(conn, invoice, invoice.invoice_id, actor=person, reason=reason, now=now).done


def answer_of(attempt: dict) -> Reply | NoReply:
    if attempt["http_status"] is None:
        why = {"timeout": Unsent.TIMEOUT, "lost": Unsent.LOST, "unreachable": Unsent.UNDELIVERED}
        return NoReply(why=why[attempt["error_kind"]], error=attempt["error"], duration_ms=attempt["duration_ms"])
    return Reply(
        http_status=attempt["http_status"],
        headers=attempt["response_headers"],
        body=attempt["response_body"].encode(),
        truncated=False,
        duration_ms=attempt["duration_ms"],
    )


def comparable(record: dict) -> dict:
    return {name: value for name, value in record.items() if name not in NOT_COMPARED}


def actions_of(actions: list[dict]) -> list[tuple]:
    return sorted((each["invoice_id"], each["at"], each["action"], each["actor"], each["result"]) for each in actions)


def test_the_other_application_reads_the_same(engine):
    invoices = {row["id"]: row["api_response"] for row in rows_of(engine, issued_client_invoices)}
    for record in rows_of(engine, sync_records):
        value = invoices[record["invoice_id"]]
        assert bool(value and value["success"]) == (record["status"] == Status.SYNCED)
        if record["status"] == Status.IN_DOUBT:
            assert value["error"].startswith("May already be issued")


def test_attempts_are_closed_numbered_and_in_the_past(engine):
    records = {record["invoice_id"]: record for record in rows_of(engine, sync_records)}
    now = clock.now()
    by_invoice = defaultdict(list)
    for attempt in rows_of(engine, sync_attempts, sync_attempts.c.invoice_id, sync_attempts.c.number):
        by_invoice[attempt["invoice_id"]].append(attempt)
    for invoice_id, attempts in by_invoice.items():
        assert [attempt["number"] for attempt in attempts] == list(range(1, len(attempts) + 1))
        assert records[invoice_id]["attempt_count"] == len(attempts)
        times = [instant for attempt in attempts for instant in (attempt["started_at"], attempt["finished_at"])]
        assert times == sorted(times)
        assert times[-1] <= now


def test_the_hourly_chart_of_the_last_day_looks_alive(engine):
    with reading(engine) as conn:
        health = status.read_health(conn, RangeAsked(), now=current_time(conn))
    assert len({count.slot for count in health.attempts}) >= 12
    assert {count.outcome for count in health.attempts} == set(Outcome)


def test_document_numbers_have_no_gaps_follow_time_and_are_not_the_sandbox_s(engine):
    series = defaultdict(list)
    for record in sorted(
        rows_of(engine, sync_records), key=lambda record: record["synced_at"] or datetime.max.replace(tzinfo=UTC)
    ):
        if record["document_no"]:
            name, _, number = record["document_no"].partition("/")
            series[name].append(int(number))
    assert len(series) >= 2
    assert not any(re.fullmatch(r"FT \d+", name) for name in series)
    for numbers in series.values():
        assert numbers == list(range(1, len(numbers) + 1))


def test_invoice_numbers_are_unique_per_issuer_and_amounts_add_up(engine):
    invoices = rows_of(engine, issued_client_invoices)
    assert len({(row["issuer_team_id"], row["invoice_number"]) for row in invoices}) == len(invoices)
    for row in invoices:
        assert row["subtotal_amount"] + row["vat_amount"] == row["total_amount"]
        percent = row["vat_amount"] / row["subtotal_amount"] * 100
        assert min(abs(percent - rate) for rate in (23, 13, 6)) < Decimal("0.1")
    assert len(rows_of(engine, teams)) == 12
    assert len(rows_of(engine, projects)) == 8
    now = clock.now()
    assert all(timedelta(0) < now - row["created_at"] < timedelta(days=91) for row in invoices)


def test_orders_have_every_status_and_what_remains_fits_their_invoices(engine):
    with reading(engine) as conn:
        orders = status.list_orders(conn, OrderFilter(), page=1).rows
    assert {order.status for order in orders} == {"draft", "sent", "issued", "paid", "cancelled"}
    assert sum(0 < order.remaining < order.subtotal for order in orders) >= 3
    for order in orders:
        assert order.remaining >= 0
        assert (order.remaining == 0) == (order.status in ("issued", "paid"))
    invoices = {row["id"]: row for row in rows_of(engine, issued_client_invoices)}
    known = {row["id"]: row for row in rows_of(engine, invoice_orders)}
    for line in rows_of(engine, issued_invoice_orders):
        assert line["amount_override_subtotal"] == invoices[line["issued_invoice_id"]]["subtotal_amount"]
        assert line["amount_override_total"] == invoices[line["issued_invoice_id"]]["total_amount"]
        assert known[line["invoice_order_id"]]["project_id"] is not None


def test_what_people_may_do_with_samples_is_what_they_are_there_for(engine):
    with reading(engine) as conn:
        now = current_time(conn)
        rows = list(status.export_invoices(conn, InvoiceFilter(), now=now))
        doubts = [
            status.read_detail(conn, row.invoice_id, REFUSALS, turns=outbox.Turns(), now=now)
            for row in rows
            if row.status is Status.IN_DOUBT
        ]
    assert all(row.can_retry for row in rows if row.status is Status.FAILED)
    may_send_again = {detail.row.error_kind for detail in doubts if detail.can_send_again}
    assert may_send_again == set(ErrorKind) - {ErrorKind.REJECTED, ErrorKind.CONFIGURATION, ErrorKind.UNREACHABLE}
    assert any(not detail.can_send_again for detail in doubts)
    locked = [row for row in rows if row.status is Status.NOT_SYNCED and not row.can_retry]
    assert any("may still be sending" in row.why_not for row in locked)
    (waiting,) = (row for row in rows if row.status is Status.QUEUED)
    assert timedelta(minutes=15) < waiting.not_before - now < timedelta(minutes=25)


def test_the_planned_answers_are_the_sandbox_s_and_belong_to_doubts(database_url):
    engine = open_engine(database_url)
    with writing(engine) as conn:
        installation.prepare(conn, may_create_billing=True)
        plans = samples.seed(conn, now=current_time(conn))
        found = status.read_states(conn, list(plans), REFUSALS)
    engine.dispose()
    assert set(plans.values()) == {Behaviour.ALREADY_ISSUED}
    assert {state.status for state in found.values()} == {Status.IN_DOUBT}


def test_the_same_time_gives_the_same_samples(sqlite_url, postgres_url):
    now = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
    engines = [seeded(url, now=now) for url in (sqlite_url, postgres_url)]
    for table in (teams, projects, invoice_orders, issued_client_invoices, issued_invoice_orders, sync_attempts):
        one, other = (rows_of(engine, table) for engine in engines)
        assert one == other
    one, other = ([comparable(row) for row in rows_of(engine, sync_records)] for engine in engines)
    assert one == other
    for engine in engines:
        engine.dispose()


def test_an_invoice_created_afterwards_gets_the_next_id(engine):
    payload = {
        "p_issuer_team_id": 1,
        "p_payer_team_id": 3,
        "p_currency_code": "EUR",
        "p_header_subtotal": "10",
        "p_header_vat": "2.30",
        "p_header_total": "12.30",
    }
    new = parse_payload(payload)
    assert sync.create_invoice(engine, new, actor="test", today=date(2026, 11, 22)) == 61


@pytest.mark.parametrize(
    "invoices", [pytest.param(1, id="one"), pytest.param(7, id="a few"), pytest.param(400, id="many")]
)
def test_any_number_of_invoices_can_be_had(sqlite_url, invoices):
    engine = seeded(sqlite_url, invoices)
    assert len(rows_of(engine, issued_client_invoices)) == len(rows_of(engine, sync_records)) == invoices
    assert swept(engine, clock.now()) == 0
    engine.dispose()


def test_among_many_about_one_in_twelve_needs_attention(sqlite_url):
    engine = seeded(sqlite_url, 3_000)
    records = rows_of(engine, sync_records)
    share = sum(record["status"] in (Status.FAILED, Status.IN_DOUBT) for record in records) / len(records)
    assert 0.05 < share < 0.11
    engine.dispose()


def test_many_invoices_take_no_more_statements_than_few(database_url):
    engine = open_engine(database_url)
    with writing(engine) as conn:
        installation.prepare(conn, may_create_billing=True)
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    with writing(engine) as conn:
        samples.seed(conn, now=current_time(conn), invoices=1_000)
    engine.dispose()
    assert 0 < len(statements) < 40
