"""What is read about groups of errors: counts that equal the list behind them, money, times, trend, and who can fix it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core import ISSUED, LOST, REFUSALS, REJECTED, TIMED_OUT, UNDELIVERED, WRONG_KEY, Desk
from tests.test_error_groups import NIF, settled
from tests.test_teaching import in_doubt, teach
from toc_sync import status
from toc_sync import wording_groups as words
from toc_sync.database import reading
from toc_sync.model import ErrorKind, Fixer, Outcome, Status, Verdict
from toc_sync.outbox import known_refusals
from toc_sync.tables import sync_attempts, sync_records
from toc_sync.verbs.groups import GroupVerbs
from toc_sync.views_groups import ErrorGroup

NIF_REFUSED = Verdict(
    outcome=Outcome.FAILED, error_kind=ErrorKind.REJECTED, error=NIF, http_status=400, refusal="tax_number_invalid"
)
PAYMENT_REFUSED = replace(NIF_REFUSED, error="O meio de pagamento não é reconhecido.", refusal="payment_method_unknown")
VERDICTS = (REJECTED, NIF_REFUSED, WRONG_KEY, TIMED_OUT, LOST, UNDELIVERED, ISSUED)


def read(desk: Desk) -> tuple[ErrorGroup, ...]:
    with reading(desk.engine) as conn:
        return status.read_groups(conn, known_refusals(conn, REFUSALS), now=desk.now())


def test_a_group_tells_what_went_wrong_what_it_is_worth_and_what_to_do(desk):
    larger = {"header_subtotal": Decimal(200), "header_vat": Decimal(46), "header_total": Decimal(246)}
    settled(desk, NIF_REFUSED)
    settled(desk, NIF_REFUSED, currency_code="USD", **larger)
    settled(desk, TIMED_OUT)
    settled(desk, ISSUED)
    nif, timed_out = read(desk)
    assert (nif.name, nif.fixer, nif.advice[:44]) == (
        "Tax number invalid", Fixer.FINANCE, "The customer's tax number (NIF) is not valid",
    )  # fmt: skip
    assert (nif.count, nif.failed, nif.in_doubt, nif.newest_doubt) == (2, 2, 0, None)
    assert nif.amounts == {"EUR": Decimal("123.00"), "USD": Decimal("246.00")}
    assert nif.vat == {"EUR": Decimal("23.00"), "USD": Decimal("46.00")}
    assert (timed_out.name, timed_out.failed, timed_out.in_doubt) == ("No answer in time: No answer in time.", 0, 1)
    assert timed_out.advice.endswith(words.LOOK_UP)
    assert nif.first_seen_at <= nif.last_seen_at + timedelta(minutes=1)


def test_a_group_is_gone_with_its_last_invoice(desk):
    invoice_id = settled(desk, REJECTED)
    assert len(read(desk)) == 1
    desk.retry(invoice_id)
    assert read(desk) == ()
    desk.settle(desk.claim(invoice_id), ISSUED)
    assert read(desk) == ()


def test_those_with_most_invoices_come_first_then_those_worth_most(desk):
    settled(desk, TIMED_OUT)
    for _ in range(2):
        settled(desk, WRONG_KEY)
    settled(desk, LOST, header_subtotal=Decimal(900), header_vat=Decimal(207), header_total=Decimal(1107))
    assert [group.error_kind for group in read(desk)] == ["configuration", "lost", "timeout"]
    assert read(desk)[0].fixer is Fixer.ADMINISTRATOR


def test_the_trend_counts_a_week_of_attempts_in_steps(desk):
    ids = [settled(desk, REJECTED) for _ in range(4)]
    hours = dict(zip(ids, (1, 2, 61, 24 * 8), strict=True))
    for invoice_id, ago in hours.items():
        at = desk.now() - timedelta(hours=ago)
        desk.execute(sync_attempts.update().where(sync_attempts.c.invoice_id == invoice_id).values(finished_at=at))
    (group,) = read(desk)
    assert (len(group.trend), sum(group.trend), group.trend[-1], group.trend[-11]) == (28, 3, 2, 1)
    assert group.count == 4


def test_an_unclear_answer_names_the_invoice_that_can_teach_it_and_then_what_was_taught(desk):
    in_doubt(desk)
    newest = in_doubt(desk)
    (group,) = read(desk)
    assert (group.newest_doubt, group.in_doubt) == (newest, 2)
    teach(desk, newest)
    (group,) = read(desk)
    assert (group.name, group.fixer, group.advice) == ("Inesperada", Fixer.TOC_ONLINE, "Ask TOC Online.")
    assert (group.failed, group.newest_doubt) == (2, None)
    assert group.first_seen_at <= group.last_seen_at


def test_a_note_is_shown_with_who_wrote_it_and_logged(desk):
    settled(desk, REJECTED)
    (group,) = read(desk)
    changes = []
    verbs = GroupVerbs(desk.engine, lambda: changes.append(1))
    assert verbs.note(group.key, " Ask\nRui. ", "ana").message == words.NOTED
    (noted,) = read(desk)
    assert (noted.note, noted.noted_by) == ("Ask Rui.", "ana")
    assert noted.noted_at is not None
    assert not verbs.note("unknown", "x", "ana").done
    assert verbs.note(group.key, " ", "rui").message == words.NOTE_REMOVED
    assert read(desk)[0].note is None
    assert len(changes) == 3


@pytest.mark.parametrize(
    ("verdicts", "waiting", "said"),
    [
        pytest.param([], 0, "", id="nothing went wrong"),
        pytest.param([ISSUED, NIF_REFUSED, REJECTED], 0, "Only data fixes remain: 2 invoices.", id="refused data"),
        pytest.param([NIF_REFUSED], 0, "Only data fixes remain: 1 invoice.", id="one of them"),
        pytest.param([NIF_REFUSED, LOST], 0, "", id="a doubt"),
        pytest.param([NIF_REFUSED, WRONG_KEY], 0, "", id="the administrator's"),
        pytest.param([NIF_REFUSED, PAYMENT_REFUSED], 0, "", id="refused for the set-up"),
        pytest.param([NIF_REFUSED], 1, "", id="one is on its way"),
    ],
)
def test_only_data_fixes_remain_where_finance_can_correct_all_the_rest(sqlite_desk, verdicts, waiting, said):
    for verdict in verdicts:
        settled(sqlite_desk, verdict)
    for _ in range(waiting):
        sqlite_desk.create()
    with reading(sqlite_desk.engine) as conn:
        sums = status.read_overview(conn, now=sqlite_desk.now()).sums
    assert words.only_data_fixes(read(sqlite_desk), sums) == said


@pytest.mark.parametrize("seed", [pytest.param(number, id=f"seed {number}") for number in range(2)])
def test_every_count_equals_the_list_behind_it(desk, seed):
    check_counts(desk, [VERDICTS[(seed + 3 * number) % len(VERDICTS)] for number in range(12)])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(VERDICTS), max_size=10))
def test_every_count_equals_the_list_behind_it_whatever_happened(sqlite_desk, verdicts):
    check_counts(sqlite_desk, verdicts)


def check_counts(desk: Desk, verdicts: list[Verdict]) -> None:
    for number, verdict in enumerate(verdicts):
        invoice_id = settled(desk, verdict)
        if number % 4 == 3 and desk.record(invoice_id)["status"] == "failed":
            desk.retry(invoice_id)
    found = read(desk)
    for group in found:
        page = desk.page(error_group=group.key)
        counted = Counter(row.status for row in page.rows)
        assert (page.total, counted[Status.FAILED], counted[Status.IN_DOUBT]) == (
            group.count, group.failed, group.in_doubt,
        )  # fmt: skip
        assert sum(row.total_amount for row in page.rows) == group.worth
        assert desk.page(error_group=group.key, statuses=(Status.FAILED,)).total == group.failed
    attention = desk.page(statuses=(Status.FAILED, Status.IN_DOUBT)).total
    assert sum(group.count for group in found) == attention
    with reading(desk.engine) as conn:
        assert not conn.execute(
            sync_records.select().where(
                sync_records.c.error_group.is_not(None), sync_records.c.status.not_in(("failed", "in_doubt"))
            )
        ).first()


@pytest.mark.parametrize(
    ("error", "named"),
    [
        pytest.param(NIF, ("285008413",), id="in quotation marks"),
        pytest.param("O contribuinte 508111222 não existe", ("508111222",), id="a tax number"),
        pytest.param("Cliente “Café Sol” com o NIF 500000000", ("Café Sol", "500000000"), id="both"),
        pytest.param("Total 1234567890 errado", (), id="a longer number"),
        pytest.param(None, (), id="nothing"),
    ],
)
def test_the_very_thing_to_correct_is_named(error, named):
    assert words.named_in(error) == named
