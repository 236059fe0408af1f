"""The alarm on real databases and a real channel: told once, by one machine, reminded, over; and it holds nobody up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from tests.core import (
    ISSUED,
    REJECTED,
    TIMED_OUT,
    Desk,
    ago,
    at_once,
)
from tests.days import day
from tests.live_app import wait_until
from tests.postbox import Postbox
from toc_sync import alarm as alarm_room
from toc_sync import outbox
from toc_sync.alarm import Alarm, AlarmRules
from toc_sync.channels import open_channels
from toc_sync.database import current_time, writing
from toc_sync.deadlines import working_days_after
from toc_sync.model import Status
from toc_sync.tables import error_groups, incidents, sync_workers
from toc_sync.worker import Worker


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with Postbox() as found:
        yield found


@pytest.fixture
def other() -> Iterator[Postbox]:
    with Postbox() as found:
        yield found


def new_alarm(desk: Desk, *boxes: Postbox, limit_s: float = 5.0) -> Alarm:
    rules = AlarmRules(
        label="Test",
        waiting_limit=timedelta(minutes=30),
        channel_limit_s=limit_s,
    )
    return Alarm(desk.engine, open_channels([box.url for box in boxes]), rules)


@pytest.fixture
def alarm(desk: Desk, postbox: Postbox) -> Alarm:
    watched(desk)
    return new_alarm(desk, postbox)


def watched(desk: Desk) -> None:
    """Somebody sends, now and for days to come."""
    seen = {"threads": 4, "started_at": desk.now(), "last_seen_at": desk.now() + timedelta(days=30)}
    desk.execute(sync_workers.insert().values(name="somebody", **seen))


def pause(desk: Desk) -> None:
    with writing(desk.engine) as conn:
        outbox.pause(conn, actor="ana", reason="New key.", now=current_time(conn))


def resume(desk: Desk, *, now: datetime | None = None) -> None:
    with writing(desk.engine) as conn:
        outbox.resume(conn, actor="ana", reason=None, now=now or current_time(conn))


def stored(desk: Desk) -> list[str]:
    with desk.engine.connect() as conn:
        return list(conn.execute(select(incidents.c.subject).order_by(incidents.c.id)).scalars())


def test_nothing_is_told_while_all_is_well(desk: Desk, alarm: Alarm, postbox: Postbox) -> None:
    desk.send(desk.create())
    assert alarm.look() == 0
    assert (postbox.letters, stored(desk)) == ([], [])


@pytest.mark.hard_days
def test_it_is_told_once_reminded_after_a_day_and_told_when_it_is_over(
    desk: Desk, alarm: Alarm, postbox: Postbox
) -> None:
    now = desk.now()
    pause(desk)
    assert [alarm.look(now=now + timedelta(seconds=15 * number)) for number in range(3)] == [1, 0, 0]
    assert alarm.look(now=now + timedelta(hours=23, minutes=59)) == 0
    desk.create()
    assert alarm.look(now=now + timedelta(hours=24, minutes=1)) == 1
    assert alarm.look(now=now + timedelta(hours=25)) == 0
    resume(desk, now=now + timedelta(hours=25))
    assert alarm.look(now=now + timedelta(hours=25, minutes=4)) == 0, "an invoice that had waited is not sent yet"
    assert alarm.look(now=now + timedelta(hours=25, minutes=5)) == 1
    desk.send()
    assert alarm.look(now=now + timedelta(hours=50)) == 0
    subject = "Nothing is sent to TOC Online"
    assert postbox.titles == [f"[Test] {subject}", f"[Test] Still: {subject}", f"[Test] Over: {subject}"]
    first, reminder, over = (letter.body for letter in postbox.letters)
    assert "by ana. New key. 0 invoices wait." in first
    assert "1 invoice waits, €123.00." in reminder, "in the words of that day"
    assert over.startswith("Invoices may leave again. Paused ")


@pytest.mark.hard_days
def test_a_failure_an_old_doubt_and_a_near_deadline_are_told_with_their_amounts(
    desk: Desk, alarm: Alarm, postbox: Postbox
) -> None:
    refused, doubted = desk.create(), desk.create()
    desk.settle(desk.claim(refused), REJECTED)
    desk.settle(desk.claim(doubted), TIMED_OUT)
    desk.change_record(doubted, doubt_since=ago(desk, 16 * 60))
    desk.change_record(refused, issue_deadline=working_days_after(day(), 1))
    assert alarm.look() == 4
    assert sorted(postbox.titles) == [
        "[Test] Invoices are in doubt",
        "[Test] Something new goes wrong",
        "[Test] Something new goes wrong",
        "[Test] The legal deadline is near",
    ]
    bodies = " ".join(letter.body for letter in postbox.letters)
    assert "Refused: 1 invoice, €123.00. Correct" in bodies
    assert "1 invoice is in doubt, €123.00, for 16 min" in bodies
    assert "1 invoice, €123.00, is not in TOC Online yet" in bodies
    assert "Wrong tax number" not in bodies, "what TOC Online said may name people"


def test_the_last_invoice_of_a_group_ends_it(desk: Desk, alarm: Alarm, postbox: Postbox) -> None:
    invoice_ids = [desk.create(), desk.create()]
    for invoice_id in invoice_ids:
        desk.settle(desk.claim(invoice_id), REJECTED)
    assert alarm.look() == 1
    for invoice_id in invoice_ids:
        assert desk.retry(invoice_id).done
        desk.settle(desk.claim(invoice_id), ISSUED)
    assert alarm.look() == 1
    assert postbox.titles[-1] == "[Test] Over: Something new goes wrong"


def test_the_ledger_of_groups_says_when_one_was_first_seen(desk: Desk, alarm: Alarm, postbox: Postbox) -> None:
    for key, days in (("old", 2), ("new", 0)):
        invoice_id = desk.create(header_total=Decimal("123.00"))
        desk.settle(desk.claim(invoice_id), REJECTED)
        desk.change_record(invoice_id, error_group=key)
        desk.execute(error_groups.delete().where(error_groups.c.key == key))
        seen_at = desk.now() - timedelta(days=days)
        values = {"error_kind": "rejected", "example": "…", "normal_form": "…", "first_seen_at": seen_at}
        desk.execute(error_groups.insert().values(key=key, **values))
    alarm.look()
    assert [subject for subject in stored(desk) if subject in ("group:old", "group:new")] == ["group:new"]


def test_the_good_news_about_the_gate_waits_for_its_proof(desk: Desk, alarm: Alarm, postbox: Postbox) -> None:
    invoice_id = desk.create()
    pause(desk)
    alarm.look()
    resume(desk)
    assert alarm.look() == 0, "what had waited is not sent yet"
    assert desk.send(invoice_id)
    assert alarm.look() == 1
    assert postbox.letters[-1].body.endswith("1 waited, 1 synced, 0 in doubt.")


def test_no_worker_is_told_when_it_lasts_and_never_when_it_was_a_restart(desk: Desk, postbox: Postbox) -> None:
    alarm, now = new_alarm(desk, postbox), desk.now()
    assert alarm.look(now=now) == 0
    assert alarm.look(now=now + timedelta(seconds=59)) == 0
    watched(desk)
    assert alarm.look(now=now + timedelta(seconds=70)) == 0, "it was over before anybody was told"
    desk.execute(sync_workers.delete())
    assert [alarm.look(now=now + timedelta(seconds=seconds)) for seconds in (80, 141)] == [0, 1]
    assert postbox.titles == ["[Test] No worker is running"]


def test_invoices_that_wait_too_long_are_told_with_the_configured_limit(
    desk: Desk, alarm: Alarm, postbox: Postbox
) -> None:
    invoice_id, now = desk.create(), desk.now()
    assert alarm.look(now=now + timedelta(minutes=29)) == 0
    assert alarm.look(now=now + timedelta(minutes=31)) == 1
    desk.settle(desk.claim(invoice_id), ISSUED)
    assert alarm.look(now=now + timedelta(minutes=32)) == 1
    assert postbox.titles == ["[Test] Invoices wait too long", "[Test] Over: Invoices wait too long"]


def test_a_channel_that_refuses_loses_no_message(
    desk: Desk, alarm: Alarm, postbox: Postbox, caplog: pytest.LogCaptureFixture
) -> None:
    pause(desk)
    postbox.refuses = True
    with caplog.at_level(logging.DEBUG):
        assert alarm.look() == 0
        assert alarm.look() == 0
    assert postbox.asked == 2
    assert [record.message for record in caplog.records if "not-told" in record.message] == [
        "not-told channel='json 1' error=NotAccepted"
    ] * 2
    assert "hush-hush" not in caplog.text
    assert "secret-path" not in caplog.text
    postbox.refuses = False
    assert alarm.look() == 1
    resume(desk)
    postbox.refuses = True
    assert alarm.look() == 0
    postbox.refuses = False
    assert alarm.look() == 1
    assert [title.startswith("[Test] Over: ") for title in postbox.titles] == [False, True]


def test_a_refused_reminder_is_due_again_at_once_and_a_broken_channel_is_asked_ever_less(
    desk: Desk, alarm: Alarm, postbox: Postbox
) -> None:
    pause(desk)
    now = desk.now()
    assert alarm.look(now=now) == 1
    postbox.refuses = True
    later = now + timedelta(hours=25)
    pauses = []
    for _ in range(8):
        assert alarm.look(now=later) == 0
        pauses.append(alarm._pause_s())
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]
    postbox.refuses = False
    assert alarm.look(now=later) == 1
    assert alarm._pause_s() == alarm_room.LOOK_EVERY_S


def test_what_one_channel_accepted_is_not_told_again_on_the_other(desk: Desk, postbox: Postbox, other: Postbox) -> None:
    watched(desk)
    alarm = new_alarm(desk, postbox, other)
    postbox.refuses = True
    pause(desk)
    assert (alarm.look(), alarm.look()) == (1, 0)
    assert (postbox.asked, len(other.letters)) == (1, 1)


def test_several_machines_send_one_message(desk: Desk) -> None:
    watched(desk)
    pause(desk)
    with ExitStack() as opened:
        boxes = [opened.enter_context(Postbox()) for _ in range(6)]
        alarms = [new_alarm(desk, box) for box in boxes]
        for look in range(3):
            at_once(len(alarms), lambda number: alarms[number].look())
            assert sum(len(box.letters) for box in boxes) == 1, f"after look {look}"


def test_two_running_alarms_send_one_message(
    postgres_desk: Desk, postbox: Postbox, other: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_room, "LOOK_EVERY_S", 0.05)
    watched(postgres_desk)
    pause(postgres_desk)
    running = [new_alarm(postgres_desk, postbox), new_alarm(postgres_desk, other)]
    for each in running:
        each.start()
    wait_until(lambda: postbox.letters + other.letters)
    resume(postgres_desk)
    wait_until(lambda: len(postbox.letters + other.letters) == 2)
    for each in running:
        each.stop()
    assert sorted(postbox.titles + other.titles) == [
        "[Test] Nothing is sent to TOC Online",
        "[Test] Over: Nothing is sent to TOC Online",
    ]


def test_a_channel_that_hangs_delays_neither_sending_nor_the_end(
    desk: Desk, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_room, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(alarm_room, "STOPS_WITHIN_S", 0.2)
    postbox.hang()
    refused = desk.create()
    desk.settle(desk.claim(refused), REJECTED)
    alarm, worker = new_alarm(desk, postbox, limit_s=30), Worker(desk.sender, threads=1, on_change=lambda: None)
    alarm.start()
    wait_until(lambda: postbox.asked)
    worker.start()
    sent = desk.create()
    worker.wake()
    wait_until(lambda: desk.record(sent)["status"] == Status.SYNCED, within_s=5)
    worker.stop()
    started = time.monotonic()
    alarm.stop()
    assert time.monotonic() - started < 2
    assert [thread.daemon for thread in threading.enumerate() if thread.name.startswith("toc-")] != []
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("toc-"))
    assert postbox.letters == []


def test_a_channel_that_hangs_is_given_up_after_its_limit(desk: Desk, postbox: Postbox) -> None:
    watched(desk)
    pause(desk)
    postbox.hang()
    alarm = new_alarm(desk, postbox, limit_s=0.2)
    started = time.monotonic()
    assert alarm.look() == 0
    assert time.monotonic() - started < 3
    with desk.engine.connect() as conn:
        assert conn.execute(select(incidents.c.told_at)).scalar_one() is None, "another round tells it"


def test_only_invoices_that_are_missing_have_a_deadline(desk: Desk, alarm: Alarm, postbox: Postbox) -> None:
    today = day()
    synced, waiting, long_ago = desk.create(), desk.create(), desk.create()
    desk.settle(desk.claim(synced), ISSUED)
    for invoice_id, deadline in ((synced, today), (waiting, today), (long_ago, day(-60))):
        desk.change_record(invoice_id, issue_deadline=deadline)
    assert alarm.look() == 1
    assert postbox.letters[0].body.startswith("1 invoice, €123.00, is not in TOC Online yet")


def test_amounts_of_several_currencies_and_causes_are_added_up(desk: Desk, alarm: Alarm, postbox: Postbox) -> None:
    for currency in ("EUR", "USD", "EUR"):
        invoice_id = desk.create(currency_code=currency)
        desk.settle(desk.claim(invoice_id), REJECTED)
    assert alarm.look() == 1
    assert "Refused: 3 invoices, €246.00 + 123.00 USD." in postbox.letters[0].body
