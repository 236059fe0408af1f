"""Distrust: what may have been sent in an interval that the database lost is put in doubt instead of being sent."""

from __future__ import annotations

from datetime import timedelta

from tests.core import ISSUED, LONG_AGO, REJECTED, TIMED_OUT, UNDELIVERED, Desk, ago
from tests.test_outbox_gate import gate_of, verbs
from toc_sync import outbox, status
from toc_sync.database import current_time, reading, writing
from toc_sync.model import ErrorKind, GateState, Status, Verdict
from toc_sync.tables import gate as gate_table


def ended(desk: Desk, verdict: Verdict) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), verdict)
    return invoice_id


def test_what_waits_and_what_failed_is_in_doubt_afterwards_and_nothing_leaves(desk: Desk) -> None:
    synced, failed, doubtful = (ended(desk, verdict) for verdict in (ISSUED, REJECTED, TIMED_OUT))
    unreached = ended(desk, UNDELIVERED)
    waiting, never_sent = desk.create(), desk.adopted()
    result = verbs(desk).distrust(since=ago(desk, 60), actor="ana")
    assert (result.done, result.message[:10]) == (True, "3 invoices")
    found = {each: desk.record(each)["status"] for each in (synced, failed, doubtful, unreached, waiting, never_sent)}
    assert found == {
        synced: Status.SYNCED,
        failed: Status.IN_DOUBT,
        doubtful: Status.IN_DOUBT,
        unreached: Status.IN_DOUBT,
        waiting: Status.IN_DOUBT,
        never_sent: Status.NOT_SYNCED,
    }
    assert gate_of(desk).state is GateState.PAUSED
    assert not desk.send()
    assert desk.record(doubtful)["error_kind"] == ErrorKind.TIMEOUT


def test_the_other_application_is_warned_too_and_the_log_says_why(desk: Desk) -> None:
    invoice_id = desk.create()
    verbs(desk).distrust(since=ago(desk, 60), actor="ana")
    assert desk.api_response(invoice_id)["in_doubt"] is True
    (action,) = desk.actions(invoice_id)
    assert (action["actor"], action["action"]) == ("ana", "distrust")
    with reading(desk.engine) as conn:
        assert [proof.sentence for proof in status.prove(conn, now=current_time(conn)) if proof.invoice_ids] == []


def test_a_success_that_stands_in_billing_is_believed(desk: Desk) -> None:
    invoice_id = desk.create()
    success = {"success": True, "document_no": "FT 2026/9"}
    desk.change_invoice(invoice_id, api_response=success)
    verbs(desk).distrust(since=ago(desk, 60), actor="ana")
    assert desk.api_response(invoice_id) == success
    assert desk.record(invoice_id)["status"] == Status.SYNCED


def test_sending_one_again_waits_until_the_platform_can_no_longer_be_working_on_it(desk: Desk) -> None:
    invoice_id = desk.create()
    verbs(desk).distrust(since=ago(desk, 60), actor="ana")
    detail = desk.detail(invoice_id)
    assert detail is not None
    assert (detail.row.can_resolve, detail.can_send_again) == (True, False)


def test_what_was_asked_for_after_the_change_was_noticed_is_no_suspect(desk: Desk) -> None:
    before = desk.create()
    desk.change_record(before, queued_at=ago(desk, 120))
    noticed = ago(desk, 60)
    desk.execute(gate_table.update().values(state="paused", cause="database", since=noticed))
    after = desk.create()
    assert verbs(desk).suspects() == {Status.QUEUED: 1}
    assert verbs(desk).distrust(since=noticed - timedelta(hours=1), actor="ana").done
    assert (desk.record(before)["status"], desk.record(after)["status"]) == (Status.IN_DOUBT, Status.QUEUED)


def test_an_interval_that_is_none_is_refused_and_changes_nothing(desk: Desk) -> None:
    invoice_id = desk.create()
    for since, until in ((ago(desk, -60), None), (ago(desk, 10), ago(desk, 20)), (LONG_AGO, ago(desk, -99))):
        assert not verbs(desk).distrust(since=since, until=until, actor="ana").done
    assert (desk.record(invoice_id)["status"], gate_of(desk).is_open) == (Status.QUEUED, True)


def test_many_are_taken_in_batches(desk: Desk) -> None:
    invoice_ids = [desk.create() for _ in range(5)]
    with writing(desk.engine) as conn:
        now = current_time(conn)
        assert outbox.distrust(conn, since=LONG_AGO, until=now, actor="ana", now=now, at_most=3) == 3
    assert [desk.record(each)["status"] for each in invoice_ids] == [Status.IN_DOUBT] * 3 + [Status.QUEUED] * 2
