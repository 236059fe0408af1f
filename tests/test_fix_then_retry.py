"""Pressing Retry on a refused invoice: asked once where nothing about it changed, and never where we cannot know."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.core import ISSUER, PAYER, REJECTED, TIMED_OUT, UNDELIVERED, WRONG_KEY, Desk
from tests.test_error_groups import settled
from toc_sync import sync
from toc_sync import wording_groups as words
from toc_sync.model import Confirmed, Result, Status
from toc_sync.tables import teams

FAILURE = {"success": False, "error": 'TOC sync failed: 400 {"error":"O NIF português \'285008413\' não é válido!"}'}


def ask(desk: Desk, invoice_id: int, *, although_unchanged: bool = False) -> Result:
    confirmed = Confirmed.UNCHANGED if although_unchanged else Confirmed.NOTHING
    return sync.request_send(desk.engine, invoice_id, desk.sender.rules, actor="ana", confirmed=confirmed)


def from_order(desk: Desk) -> int:
    invoice_id = desk.create_from_orders(desk.order(), issuer_team_id=ISSUER, payer_team_id=PAYER, currency_code="EUR")
    desk.settle(desk.claim(invoice_id), REJECTED)
    return invoice_id


def test_a_refused_invoice_that_nobody_corrected_is_asked_about_once(desk):
    invoice_id = settled(desk, REJECTED)
    asked = ask(desk, invoice_id)
    assert (asked.done, asked.needs_confirmation, asked.message) == (False, True, words.UNCHANGED)
    assert desk.record(invoice_id)["status"] == Status.FAILED
    assert not desk.actions(invoice_id)[-1]["done"]
    anyway = ask(desk, invoice_id, although_unchanged=True)
    assert (anyway.done, anyway.message.endswith(words.UNCHANGED)) == (True, True)
    assert desk.record(invoice_id)["status"] == Status.QUEUED


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda desk, each: desk.change_invoice(each, notes="corrected"), id="its notes"),
        pytest.param(lambda desk, each: desk.change_invoice(each, vat_amount=Decimal("22.00")), id="an amount"),
        pytest.param(lambda desk, each: desk._update(teams, teams.c.id == PAYER, {"title": "New"}), id="the payer"),
        pytest.param(lambda desk, each: desk._update(teams, teams.c.id == ISSUER, {"title": "New"}), id="the issuer"),
    ],
)
def test_whatever_was_corrected_nothing_is_asked(desk, change):
    invoice_id = from_order(desk)
    assert ask(desk, invoice_id).needs_confirmation
    change(desk, invoice_id)
    result = ask(desk, invoice_id)
    assert (result.done, words.UNCHANGED in result.message) == (True, False)


def test_a_column_that_we_do_not_know_counts_too(postgres_desk):
    desk = postgres_desk
    desk.execute(text("ALTER TABLE teams ADD COLUMN nif text"))
    invoice_id = settled(desk, REJECTED)
    assert ask(desk, invoice_id).needs_confirmation
    desk.execute(text(f"UPDATE teams SET nif = '508111222' WHERE id = {PAYER}"))
    assert ask(desk, invoice_id).done
    desk.execute(text("ALTER TABLE teams DROP COLUMN nif"))


def test_what_moves_by_itself_is_no_correction(desk):
    invoice_id = settled(desk, REJECTED)
    desk.change_invoice(invoice_id, pdf_path="a.pdf", updated_at=desk.now(), api_response=FAILURE)
    assert ask(desk, invoice_id).needs_confirmation


@pytest.mark.parametrize(
    "verdict", [pytest.param(WRONG_KEY, id="set-up"), pytest.param(UNDELIVERED, id="never delivered")]
)
def test_where_nobody_here_can_look_nothing_is_asked(desk, verdict):
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), verdict, waits_s=())
    assert desk.record(invoice_id)["status"] == Status.FAILED
    result = ask(desk, invoice_id)
    assert (result.done, words.UNCHANGED in result.message) == (True, False)


def test_what_others_sent_is_not_asked_about(desk):
    invoice_id = desk.adopted(api_response=FAILURE)
    assert desk.record(invoice_id)["error_kind"] == "rejected"
    assert ask(desk, invoice_id).done


def test_a_doubt_is_refused_for_its_own_reason(desk):
    result = ask(desk, settled(desk, TIMED_OUT))
    assert (result.done, result.needs_confirmation) == (False, False)


def test_after_another_refusal_it_is_asked_about_what_was_sent_then(desk):
    invoice_id = settled(desk, REJECTED)
    desk.change_invoice(invoice_id, notes="corrected, but not well")
    assert ask(desk, invoice_id).done
    desk.settle(desk.claim(invoice_id), REJECTED)
    assert ask(desk, invoice_id).needs_confirmation
