"""Turns: an issuer's invoices go out in the order of their dates, and no more of them at once than allowed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select

from tests.core import ISSUED, ISSUER, OTHER_PAYER, PAYER, REJECTED, TIMED_OUT, UNDELIVERED, Desk, at_once, open_desk
from tests.live_app import wait_until
from tests.stand_in import StandIn
from toc_sync import outbox
from toc_sync.database import current_time, reading
from toc_sync.model import Claim, Status, Verdict
from toc_sync.tables import sync_records

LATENCY_S = 0.05
MONDAY, TUESDAY, WEDNESDAY = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18)

KEEP_SENDING = """
import sys, threading
from toc_sync import outbox, sync
from toc_sync.engines import open_engine
from toc_sync.edge import Edge
from toc_sync.refusals import shipped_refusals

rules = sync.Rules(
    refusals=shipped_refusals(), waits_s=(), lease_s=60.0, idempotent=False, turns=outbox.Turns(per_issuer=int(sys.argv[3]))
)
edge = Edge(url=sys.argv[2], key="key", deadline_s=8)
sender = sync.Sender(engine=open_engine(sys.argv[1]), edge=edge, rules=rules, name="p", pause=lambda _: False)

def send():
    while True:
        sync.run_one(sender) or threading.Event().wait(0.005)

threads = [threading.Thread(target=send, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
sys.stdin.read()
"""


def with_turns(desk: Desk, **turns: Any) -> Desk:
    """Returns the same desk with other rules about turns."""
    rules = replace(desk.sender.rules, turns=outbox.Turns(**turns))
    return replace(desk, sender=replace(desk.sender, rules=rules))


def queued(desk: Desk, day: date | None, issuer: int | None = ISSUER) -> int:
    """Returns an invoice of the other application that a person has just asked to send."""
    invoice_id = desk.adopted(invoice_date=day, issuer_team_id=issuer, payer_team_id=OTHER_PAYER)
    assert desk.retry(invoice_id).done
    return invoice_id


def claim_all(desk: Desk) -> set[int]:
    """Claims whatever can be had."""
    claimed = set()
    while isinstance(found := desk.try_claim(), Claim):
        claimed.add(found.invoice_id)
    return claimed


def count_due(desk: Desk) -> int:
    with reading(desk.engine) as conn:
        return outbox.count_due(conn, turns=desk.sender.rules.turns, now=current_time(conn), at_most=100)


def is_over(desk: Desk) -> bool:
    """Tells whether everything is synced."""
    with reading(desk.engine) as conn:
        return set(conn.execute(select(sync_records.c.status)).scalars()) == {Status.SYNCED}


def send_all(desk: Desk, threads: int) -> None:
    def keep_sending(_: int) -> None:
        wait_until(lambda: not desk.send() and is_over(desk), within_s=40, every_s=0.005)

    at_once(threads, keep_sending)


def arrivals(desk: Desk, function: StandIn) -> dict[int | None, list[tuple[datetime, date]]]:
    """Returns when each issuer's requests arrived and which date each invoice has, in the order of arrival."""
    found: dict[int | None, list[tuple[datetime, date]]] = {}
    for request in function.requests:
        assert request.invoice_id is not None
        record = desk.record(request.invoice_id)
        found.setdefault(record["issuer_team_id"], []).append((request.at, record["invoice_date"]))
    return found


def most_at_once(times: Sequence[datetime]) -> int:
    """Returns how many requests were on the wire together: each stays there at least as long as the latency."""
    stay = timedelta(seconds=LATENCY_S)
    return max(sum(start <= other < start + stay for other in times) for start in times)


@pytest.fixture
def slow_function() -> Iterator[StandIn]:
    """A function that takes its time, so that what overlaps is seen."""
    with StandIn(latency_s=LATENCY_S) as stand_in:
        yield stand_in


# The order of dates ---------------------------------------------------------------------------------------------------


def test_a_later_date_waits_while_an_earlier_one_of_its_issuer_is_being_sent(desk: Desk) -> None:
    later, earlier = queued(desk, TUESDAY), queued(desk, MONDAY)
    assert count_due(desk) == 1
    claimed = desk.claim()
    assert claimed.invoice_id == earlier
    assert (desk.try_claim(), desk.try_claim(later), count_due(desk)) == (None, None, 0)
    desk.settle(claimed, ISSUED)
    assert count_due(desk) == 1
    assert desk.claim().invoice_id == later


def test_a_later_date_that_is_asked_for_by_name_waits_while_an_earlier_one_is_due(desk: Desk) -> None:
    earlier, later = queued(desk, MONDAY), queued(desk, TUESDAY)
    assert desk.try_claim(later) is None
    desk.settle(desk.claim(earlier), ISSUED)
    assert desk.claim(later).invoice_id == later


def test_an_earlier_date_that_is_asked_for_late_does_not_wait_for_the_later_one(desk: Desk) -> None:
    desk.claim(queued(desk, TUESDAY))
    earlier = queued(desk, MONDAY)
    assert desk.claim().invoice_id == earlier


def test_invoices_of_the_same_day_go_in_parallel(desk: Desk) -> None:
    monday = {queued(desk, MONDAY) for _ in range(4)}
    queued(desk, TUESDAY)
    assert count_due(desk) == 4
    assert (claim_all(desk), count_due(desk)) == (monday, 0)


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(REJECTED, id="failed"),
        pytest.param(TIMED_OUT, id="in doubt"),
        pytest.param(UNDELIVERED, id="waiting for a later retry"),
        pytest.param(ISSUED, id="synced"),
    ],
)
def test_what_is_not_about_to_be_sent_holds_nobody_up(desk: Desk, verdict: Verdict) -> None:
    desk.settle(desk.claim(queued(desk, MONDAY)), verdict)
    later = queued(desk, TUESDAY)
    assert count_due(desk) == 1
    assert (claim_all(desk), count_due(desk)) == ({later}, 0)


def test_issuers_do_not_wait_for_each_other(desk: Desk) -> None:
    firsts = {queued(desk, MONDAY, ISSUER), queued(desk, TUESDAY, PAYER), queued(desk, WEDNESDAY, None)}
    for issuer in (ISSUER, PAYER, None):
        queued(desk, WEDNESDAY + timedelta(days=1), issuer)
    assert count_due(desk) == 3
    assert (claim_all(desk), count_due(desk)) == (firsts, 0)


def test_an_invoice_without_a_date_is_held_up_by_nobody_and_holds_nobody_up(desk: Desk) -> None:
    free = {queued(desk, None), queued(desk, MONDAY), queued(desk, None)}
    queued(desk, TUESDAY)
    assert (claim_all(desk), count_due(desk)) == (free, 0)


def test_an_installation_without_date_order_sends_everything_at_once(desk: Desk) -> None:
    everything = {queued(desk, day) for day in (TUESDAY, MONDAY, WEDNESDAY)}
    anyhow = with_turns(desk, date_order=False)
    assert count_due(anyhow) == 3
    assert (claim_all(anyhow), count_due(anyhow)) == (everything, 0)


def test_many_threads_keep_to_the_order_of_dates(desk: Desk, slow_function: StandIn) -> None:
    desk = open_desk(desk.engine, slow_function)
    for number in range(24):
        issuer = (ISSUER, PAYER)[number % 2]
        desk.create(invoice_date=f"2026-11-{20 - number % 3}", issuer_team_id=issuer, payer_team_id=OTHER_PAYER)
    send_all(desk, 6)
    assert len(slow_function.requests) == 24
    for found in arrivals(desk, slow_function).values():
        days = [day for _, day in found]
        assert days == sorted(days)
        steps = [after[0] - before[0] for before, after in pairwise(found) if before[1] < after[1]]
        assert len(steps) == 2
        assert min(steps) >= timedelta(seconds=LATENCY_S)  # the answer to the last of the day before was awaited
        assert most_at_once([at for at, _ in found]) > 1  # and the day itself went in parallel


# The limit per issuer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("issuer", [ISSUER, None])
def test_no_more_of_an_issuer_than_allowed_are_in_flight(desk: Desk, issuer: int | None) -> None:
    desk = with_turns(desk, per_issuer=2)
    ids = [queued(desk, MONDAY, issuer) for _ in range(4)]
    other = queued(desk, TUESDAY, PAYER)
    first, *_ = claims = [desk.claim() for _ in range(3)]
    assert [claim.invoice_id for claim in claims] == [*ids[:2], other]
    assert (desk.try_claim(), desk.try_claim(ids[2]), count_due(desk)) == (None, None, 0)
    desk.settle(first, TIMED_OUT)
    assert (claim_all(desk), count_due(desk)) == ({ids[2]}, 0)


@pytest.mark.parametrize("limit", [1, 3])
def test_eight_threads_never_exceed_the_limit_of_an_issuer(desk: Desk, slow_function: StandIn, limit: int) -> None:
    desk = with_turns(open_desk(desk.engine, slow_function), per_issuer=limit)
    for number in range(60):
        issuer, payer = ((ISSUER, PAYER), (PAYER, ISSUER), (OTHER_PAYER, ISSUER))[number % 3]
        desk.create(issuer_team_id=issuer, payer_team_id=payer)
    send_all(desk, 8)
    assert len(slow_function.requests) == 60
    for found in arrivals(desk, slow_function).values():
        assert len(found) == 20
        assert most_at_once([at for at, _ in found]) <= limit
    assert most_at_once([request.at for request in slow_function.requests]) > limit  # issuers do go in parallel


@pytest.mark.processes
def test_three_machines_together_never_exceed_the_limit_of_an_issuer(
    postgres_desk: Desk, slow_function: StandIn
) -> None:
    for number in range(36):
        issuer, payer = ((ISSUER, PAYER), (PAYER, ISSUER))[number % 2]
        postgres_desk.create(invoice_date=f"2026-11-{20 - number % 3}", issuer_team_id=issuer, payer_team_id=payer)
    with machines(postgres_desk, slow_function, 3, limit=2):
        wait_until(lambda: is_over(postgres_desk), within_s=40)
    assert len(slow_function.requests) == 36
    for found in arrivals(postgres_desk, slow_function).values():
        assert [day for _, day in found] == sorted(day for _, day in found)
        assert most_at_once([at for at, _ in found]) <= 2


@contextmanager
def machines(desk: Desk, function: StandIn, count: int, *, limit: int) -> Iterator[None]:
    """Runs several programs that send whatever has its turn, until the end of the block."""
    url = desk.engine.url.render_as_string(hide_password=False)
    arguments = [sys.executable, "-c", KEEP_SENDING, url, function.url, str(limit)]
    with ExitStack() as stack:
        for _ in range(count):
            program = stack.enter_context(subprocess.Popen(arguments, stdin=subprocess.PIPE))
            stack.callback(program.kill)
        yield


def test_an_issuer_whose_limit_somebody_else_is_checking_is_passed_over_and_not_waited_for(postgres_desk: Desk) -> None:
    desk = with_turns(postgres_desk, per_issuer=1)
    queued(desk, MONDAY)
    other = queued(desk, TUESDAY, PAYER)
    with desk.engine.connect() as elsewhere, elsewhere.begin():
        assert outbox.turns.take_place(elsewhere, ISSUER, desk.sender.rules.turns)
        assert claim_all(desk) == {other}
    assert desk.claim().invoice_id != other


# What a person is told ------------------------------------------------------------------------------------------------


def test_retrying_an_invoice_dated_before_a_document_of_its_issuer_says_so(desk: Desk) -> None:
    old = queued(desk, MONDAY)
    desk.settle(desk.claim(old), REJECTED)
    desk.settle(desk.claim(queued(desk, WEDNESDAY)), replace(ISSUED, document_no="FT 2026/9"))
    caution = "It is dated before FT 2026/9 of 18 Nov 2026, which this issuer already has: TOC Online may refuse it."
    detail = desk.detail(old)
    assert detail is not None
    assert detail.caution == caution
    desk.change_invoice(old, notes="corrected")
    result = desk.retry(old)
    assert (result.done, result.message) == (True, f"It is on its way to TOC Online. {caution}")
    assert desk.actions(old)[-1]["result"] == result.message


@pytest.mark.parametrize(
    ("day", "issuer", "verdict"),
    [
        pytest.param(MONDAY, ISSUER, ISSUED, id="a document of the same day"),
        pytest.param(TUESDAY, PAYER, ISSUED, id="another issuer's document"),
        pytest.param(TUESDAY, None, ISSUED, id="nobody's document"),
        pytest.param(TUESDAY, ISSUER, REJECTED, id="no document"),
    ],
)
def test_what_is_in_the_order_of_dates_is_sent_without_a_caution(
    desk: Desk, day: date, issuer: int | None, verdict: Verdict
) -> None:
    old = queued(desk, MONDAY)
    desk.settle(desk.claim(old), REJECTED)
    desk.settle(desk.claim(queued(desk, day, issuer)), verdict)
    detail = desk.detail(old)
    assert detail is not None
    assert detail.row.can_retry
    assert detail.caution is None
    desk.change_invoice(old, notes="corrected")
    assert desk.retry(old).message == "It is on its way to TOC Online."


def test_what_is_synced_is_shown_without_a_caution(desk: Desk) -> None:
    old = queued(desk, MONDAY)
    desk.settle(desk.claim(old), ISSUED)
    desk.settle(desk.claim(queued(desk, TUESDAY)), replace(ISSUED, document_no="FT 2026/9"))
    detail = desk.detail(old)
    assert detail is not None
    assert detail.caution is None


@pytest.mark.parametrize(
    ("earlier", "turns", "says"),
    [
        pytest.param({}, {}, True, id="an earlier date is due"),
        pytest.param({"status": Status.SYNCING}, {}, True, id="an earlier date is in flight"),
        pytest.param({}, {"date_order": False}, False, id="dates do not matter here"),
        pytest.param({"issuer_team_id": PAYER}, {}, False, id="of another issuer"),
        pytest.param({"not_before": date.max}, {}, False, id="the earlier one waits for its retry"),
        pytest.param({"status": Status.FAILED}, {}, False, id="the earlier one failed"),
        pytest.param({"invoice_date": TUESDAY}, {}, False, id="of the same day"),
    ],
)
@pytest.mark.parametrize("issuer", [ISSUER, None])
def test_an_invoice_says_that_an_earlier_one_goes_first(
    desk: Desk, earlier: dict[str, Any], turns: dict[str, Any], says: bool, issuer: int | None
) -> None:
    desk = with_turns(desk, **turns)
    first, waiting = queued(desk, MONDAY, issuer), queued(desk, TUESDAY, issuer)
    if "not_before" in earlier:
        earlier = {"not_before": desk.now() + timedelta(hours=1)}
    if earlier:
        desk.change_record(first, **earlier)
    detail = desk.detail(waiting)
    assert detail is not None
    expected = (
        "It waits for its issuer's invoice of 16 Nov 2026: an issuer's invoices go out in the order of their dates."
    )
    assert detail.obstacle == (expected if says else None)
    assert (desk.try_claim(waiting) is None) == says, "what is said is what a claim does"
