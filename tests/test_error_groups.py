"""Groups of errors: the same failure has the same key everywhere, and every failure and doubt belongs to a group."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import ISSUED, LONG_AGO, LOST, REFUSALS, REJECTED, TIMED_OUT, UNDELIVERED, WRONG_KEY, Desk
from tests.test_teaching import in_doubt, teach, withdraw
from toc_sync import adopting, outbox
from toc_sync.database import current_time, writing
from toc_sync.grouping import KEY_DIGITS, group_of
from toc_sync.model import ErrorKind, Verdict
from toc_sync.tables import error_groups, markers, sync_attempts, sync_records

NIF = "O NIF português '285008413' não é válido!"
FAILURE = {"success": False, "error": 'TOC sync failed: 500 {"error":"Falta a unidade \'Y\'"}'}


def key(kind: ErrorKind, error: str, refusal: str | None = None) -> str:
    group = group_of(kind, refusal, error)
    assert group is not None
    return group.key


def settled(desk: Desk, verdict: Verdict, **changes) -> int:
    invoice_id = desk.create(**changes)
    desk.settle(desk.claim(invoice_id), verdict)
    return invoice_id


def groups(desk: Desk) -> dict[str, dict]:
    return {row["key"]: row for row in desk._rows(error_groups, None)}


def group_older(desk: Desk) -> int:
    return adopting.group_older(desk.engine, REFUSALS, goes_on=lambda: True)


# Which are the same ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(("O NIF '285008413' é mau", None), ("o nif '500' e mau", None), True, id="another number"),
        pytest.param(("Falta a unidade", None), ("Falta a taxa", None), False, id="another word"),
        pytest.param(("O NIF é mau", "nif"), ("NIF inválido", "nif"), True, id="one refusal, two wordings"),
        pytest.param(("O NIF é mau", "nif"), ("O NIF é mau", None), False, id="recognised or not"),
        pytest.param(("error 400", None), ("error 504", None), False, id="another HTTP status"),
    ],
)
def test_what_went_wrong_makes_the_group(one, other, same):
    keys = [key(ErrorKind.REJECTED, error, refusal) for error, refusal in (one, other)]
    assert (keys[0] == keys[1]) is same


def test_the_kind_belongs_to_it_and_no_kind_is_no_group():
    assert key(ErrorKind.TIMEOUT, "No answer") != key(ErrorKind.LOST, "No answer")
    assert group_of(None, None, "whatever") is None


@given(st.sampled_from(ErrorKind), st.none() | st.text(max_size=20), st.none() | st.text(max_size=400))
def test_any_error_has_one_short_key_that_stays(kind, refusal, error):
    group, again = (group_of(kind, refusal, error) for _ in range(2))
    assert group == again
    assert len(group.key) == KEY_DIGITS
    assert set(group.key) <= set("0123456789abcdef")


# Where it is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "is_on_record"),
    [
        pytest.param(REJECTED, True, id="rejected"),
        pytest.param(WRONG_KEY, True, id="configuration"),
        pytest.param(TIMED_OUT, True, id="in doubt"),
        pytest.param(UNDELIVERED, False, id="undelivered and waiting"),
        pytest.param(ISSUED, None, id="synced"),
    ],
)
def test_an_attempt_keeps_its_group_and_a_record_while_it_needs_attention(desk, verdict, is_on_record):
    invoice_id = settled(desk, verdict)
    if is_on_record is None:
        assert (desk.record(invoice_id)["error_group"], desk.attempts(invoice_id)[0]["error_group"]) == (None, None)
        assert groups(desk) == {}
        return
    expected = key(verdict.error_kind, verdict.error)
    assert desk.attempts(invoice_id)[0]["error_group"] == expected
    assert desk.record(invoice_id)["error_group"] == (expected if is_on_record else None)
    (group,) = groups(desk).values()
    assert (group["key"], group["error_kind"], group["example"]) == (expected, verdict.error_kind, verdict.error)
    assert group["first_seen_at"] == desk.attempts(invoice_id)[0]["finished_at"]


def test_a_group_ends_with_the_failure_and_is_written_down_once(desk):
    first, second = settled(desk, REJECTED), settled(desk, REJECTED)
    assert desk.record(first)["error_group"] == desk.record(second)["error_group"]
    assert desk.retry(first).done
    assert desk.record(first)["error_group"] is None
    claimed = desk.claim(first)
    assert desk.record(first)["error_group"] is None
    desk.settle(claimed, ISSUED)
    assert desk.record(first)["error_group"] is None
    assert [attempt["error_group"] is None for attempt in desk.attempts(first)] == [False, True]
    assert len(groups(desk)) == 1


def test_a_lost_attempt_and_an_adopted_failure_have_groups_too(desk):
    lost, adopted = desk.create(), desk.adopted(api_response=FAILURE)
    desk.lose(lost)
    for invoice_id, kind in ((lost, "lost"), (adopted, "server_error")):
        record = desk.record(invoice_id)
        assert (record["error_kind"], record["error_group"] in groups(desk)) == (kind, True)


def test_teaching_and_withdrawing_change_the_group(desk):
    one, other = in_doubt(desk), in_doubt(desk)
    doubt = desk.record(one)["error_group"]
    assert desk.record(other)["error_group"] == doubt
    teach(desk, one)
    taught = desk.record(one)["error_group"]
    assert taught == desk.record(other)["error_group"] == key(ErrorKind.REJECTED, "", "inesperada")
    assert groups(desk)[taught]["refusal"] == "inesperada"
    withdraw(desk)
    assert desk.record(one)["error_group"] == desk.record(other)["error_group"] == doubt


def test_two_that_meet_the_same_new_error_at_once_write_one_group(desk):
    from tests.core import at_once

    claims = [desk.claim(desk.create()) for _ in range(6)]
    at_once(6, lambda number: desk.settle(claims[number], REJECTED))
    assert len(groups(desk)) == 1


# Failures of earlier versions -----------------------------------------------------------------------------------------


def forget_groups(desk: Desk, *, minutes_ago: float) -> None:
    """Puts everything back to before groups were known."""
    at = desk.now() - timedelta(minutes=minutes_ago)
    desk.execute(sync_records.update().values(error_group=None))
    desk.execute(sync_attempts.update().values(error_group=None, started_at=at, finished_at=at))
    desk.execute(error_groups.delete())
    desk.execute(markers.delete().where(markers.c.name == "attempts_grouped_to"))


def test_older_failures_get_the_groups_they_would_have_now(desk, monkeypatch):
    monkeypatch.setattr("toc_sync.outbox.groups.AT_ONCE", 2)
    known = desk.create()
    desk.function.answer(known, {"status": 500, "body": {"error": NIF}})
    desk.send(known)
    ids = [known, *(settled(desk, verdict) for verdict in (REJECTED, TIMED_OUT, LOST, ISSUED, WRONG_KEY, REJECTED))]
    desk.retry(ids[1])
    records = {each: desk.record(each)["error_group"] for each in ids}
    attempts = {each: desk.attempts(each)[0]["error_group"] for each in ids}
    known_groups = set(groups(desk))
    assert desk.record(known)["refusal"]

    forget_groups(desk, minutes_ago=60)
    assert group_older(desk) > 0

    assert {each: desk.record(each)["error_group"] for each in ids} == records
    assert {each: desk.attempts(each)[0]["error_group"] for each in ids} == attempts
    assert set(groups(desk)) == known_groups
    assert all(row["first_seen_at"] < desk.now() - timedelta(minutes=59) for row in groups(desk).values())
    assert group_older(desk) == 0


def test_an_attempt_that_may_still_be_open_is_looked_at_later(desk):
    invoice_id = settled(desk, REJECTED)
    forget_groups(desk, minutes_ago=5)
    group_older(desk)
    assert desk.record(invoice_id)["error_group"]
    assert desk.attempts(invoice_id)[0]["error_group"] is None
    desk.execute(sync_attempts.update().values(started_at=LONG_AGO))
    assert group_older(desk) == 1
    assert desk.attempts(invoice_id)[0]["error_group"] == desk.record(invoice_id)["error_group"]


def test_a_note_is_kept_with_who_and_when_and_taken_away_again(desk):
    group = desk.record(settled(desk, REJECTED))["error_group"]
    with writing(desk.engine) as conn:
        assert outbox.note_on_group(conn, group, "Ask Rui.", actor="ana", now=current_time(conn))
        assert not outbox.note_on_group(conn, "unknown", "x", actor="ana", now=current_time(conn))
    assert (groups(desk)[group]["note"], groups(desk)[group]["noted_by"]) == ("Ask Rui.", "ana")
    settled(desk, REJECTED)
    assert groups(desk)[group]["note"] == "Ask Rui."
    with writing(desk.engine) as conn:
        outbox.note_on_group(conn, group, None, actor="rui", now=current_time(conn))
    assert groups(desk)[group]["noted_at"] is None
