"""The column that two applications share: whatever stands in it can be read, and what we write keeps its shape."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toc_sync import api_response
from toc_sync.model import ErrorKind, Outcome, Verdict
from toc_sync.refusals import shipped_refusals

REFUSALS = shipped_refusals()
AT = datetime(2026, 11, 20, 10, 15, 30, 123_999, tzinfo=UTC)
WRITTEN_AT = "2026-11-20T10:15:30.123Z"
NIF = "O NIF português '1' não é válido!"
THEIR_SUCCESS = {"success": True, "synced_at": WRITTEN_AT, "toc_data": {"document_no": "FT 2026/3"}}

UNREADABLE = (Outcome.IN_DOUBT, ErrorKind.UNREADABLE, None)
SERVER_ERROR = (Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR, None)


def _meaning(verdict):
    return verdict and (verdict.outcome, verdict.error_kind, verdict.document_no)


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        pytest.param(None, None, id="null"),
        pytest.param(THEIR_SUCCESS, (Outcome.SYNCED, None, "FT 2026/3"), id="their success"),
        pytest.param({"success": 1}, (Outcome.SYNCED, None, None), id="truthy success"),
        pytest.param({"id": 7, "document_no": "FT 1"}, (Outcome.SYNCED, None, "FT 1"), id="a raw document"),
        pytest.param(
            {"data": {"attributes": {"document_no": "FT 1"}}}, (Outcome.SYNCED, None, "FT 1"), id="a raw JSON:API document"
        ),
        pytest.param(
            {"success": False, "error": "x", "document_no": "FT 1"}, (Outcome.SYNCED, None, "FT 1"), id="failure with number"
        ),
        pytest.param(json.dumps(THEIR_SUCCESS), (Outcome.SYNCED, None, "FT 2026/3"), id="text that holds a success"),
        pytest.param(json.dumps(json.dumps(THEIR_SUCCESS)), (Outcome.SYNCED, None, "FT 2026/3"), id="text in text"),
        pytest.param(
            {"success": False, "error": f"TOC sync failed: 500 {NIF}"}, (Outcome.FAILED, ErrorKind.REJECTED, None),
            id="their failure",
        ),
        pytest.param({"error": "Failed to fetch"}, (Outcome.IN_DOUBT, ErrorKind.LOST, None), id="lost"),
        pytest.param(
            {"success": False, "error": "TOC sync failed: 504 x"}, (Outcome.IN_DOUBT, ErrorKind.TIMEOUT, None), id="time-out"
        ),
        pytest.param(
            {"error": "No access token available"}, (Outcome.FAILED, ErrorKind.CONFIGURATION, None), id="never sent"
        ),
        pytest.param({"success": False, "error": "odd"}, SERVER_ERROR, id="unknown failure"),
        pytest.param({"in_doubt": True, "error": NIF}, SERVER_ERROR, id="a doubt"),
        pytest.param({}, UNREADABLE, id="empty object"),
        pytest.param([], UNREADABLE, id="empty list"),
        pytest.param([THEIR_SUCCESS], UNREADABLE, id="list"),
        pytest.param(0, UNREADABLE, id="zero"),
        pytest.param(True, UNREADABLE, id="true"),
        pytest.param("", UNREADABLE, id="empty text"),
        pytest.param("null", UNREADABLE, id="the text null"),
        pytest.param("synced", UNREADABLE, id="text"),
        pytest.param('{"success": true, "success": false}', UNREADABLE, id="text that contradicts itself"),
        pytest.param({"success": False}, UNREADABLE, id="no error text"),
        pytest.param({"success": False, "error": " \x00"}, UNREADABLE, id="blank error text"),
        pytest.param({"success": False, "error": {"message": NIF}}, UNREADABLE, id="error is no text"),
        pytest.param({"success": "false"}, UNREADABLE, id="success is the text false"),
        pytest.param({"toc_data": None, "document_no": 5}, UNREADABLE, id="wrong types"),
    ],
)  # fmt: skip
def test_an_old_value_is_read_as_what_is_certain_in_it(value, meaning):
    verdict = api_response.read(value, REFUSALS)
    assert _meaning(verdict) == meaning
    assert api_response.is_success(value) == (verdict is not None and verdict.outcome is Outcome.SYNCED)


def test_a_doubt_of_ours_stays_one_whatever_it_says():
    verdict = Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.TIMEOUT, error=NIF, http_status=504)
    written = api_response.in_doubt(verdict, at=AT, attempt=2)
    found = api_response.read(written, REFUSALS)
    assert _meaning(found) == (Outcome.IN_DOUBT, ErrorKind.TIMEOUT, None)
    assert found.error == NIF
    assert _meaning(api_response.read({"error": written["error"]}, REFUSALS)) == SERVER_ERROR


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        pytest.param({"synced_at": WRITTEN_AT}, AT.replace(microsecond=123_000), id="as written"),
        pytest.param(json.dumps({"synced_at": WRITTEN_AT}), AT.replace(microsecond=123_000), id="inside text"),
        pytest.param({"synced_at": "2026-11-20T11:15:30+01:00"}, AT.replace(microsecond=0), id="another zone"),
        pytest.param({"synced_at": "2026-11-20 10:15:30"}, AT.replace(microsecond=0), id="without a zone"),
        pytest.param({"synced_at": "yesterday"}, None, id="words"),
        pytest.param({"synced_at": "0001-01-01T00:00:00+14:00"}, None, id="before time"),
        pytest.param({"synced_at": 1_795_000_000}, None, id="number"),
        pytest.param({}, None, id="missing"),
        pytest.param(None, None, id="null"),
    ],
)
def test_instants_are_read_where_they_can_be(value, instant):
    assert api_response.synced_at(value) == instant


def test_a_failure_says_when():
    assert api_response.failed_at({"failed_at": WRITTEN_AT}) == AT.replace(microsecond=123_000)
    assert api_response.failed_at({"synced_at": WRITTEN_AT}) is None


SYNCED = Verdict(outcome=Outcome.SYNCED, http_status=200, document_no="FT 1", toc_data={"document_no": "FT 1"})


def test_a_success_is_written_in_the_shape_the_other_application_reads():
    in_lisbon = AT.astimezone(timezone(timedelta(hours=1)))
    assert api_response.synced(SYNCED, at=in_lisbon, attempt=3, duration_ms=812, previous=None) == {
        "success": True,
        "synced_at": WRITTEN_AT,
        "toc_data": {"document_no": "FT 1"},
        "document_no": "FT 1",
        "attempt": 3,
        "http_status": 200,
        "duration_ms": 812,
    }


@pytest.mark.parametrize(
    ("previous", "toc_data", "number"),
    [
        pytest.param(THEIR_SUCCESS, {"document_no": "FT 2026/3"}, "FT 2026/3", id="a success keeps its toc_data"),
        pytest.param(
            {"success": True, "toc_data": {"id": 5}}, {"id": 5}, "FT 1", id="the new number where there was none"
        ),
        pytest.param({"success": True, "document_no": "FT 9"}, {"document_no": "FT 1"}, "FT 1", id="nothing to keep"),
        pytest.param({"success": False, "toc_data": {"id": 5}}, {"document_no": "FT 1"}, "FT 1", id="no success"),
    ],
)
def test_a_success_that_is_already_there_keeps_its_document(previous, toc_data, number):
    written = api_response.synced(SYNCED, at=AT, attempt=1, duration_ms=1, previous=previous)
    assert (written["toc_data"], written["document_no"]) == (toc_data, number)


def test_a_success_without_a_number_keeps_the_one_that_was_declared():
    bare = Verdict(outcome=Outcome.SYNCED, http_status=200)
    earlier = api_response.declared("FT 9", at=AT, by="ana", reason="seen", previous=None)
    assert api_response.synced(bare, at=AT, attempt=1, duration_ms=1, previous=earlier)["document_no"] == "FT 9"


def test_failures_are_written_in_the_shape_the_other_application_reads():
    verdict = Verdict(outcome=Outcome.FAILED, error_kind=ErrorKind.REJECTED, error=NIF, http_status=500)
    failed = {
        "success": False,
        "error": NIF,
        "failed_at": WRITTEN_AT,
        "status": "failed",
        "error_kind": "rejected",
        "http_status": 500,
        "attempt": 2,
    }
    assert api_response.failed(verdict, at=AT, attempt=2) == failed
    assert api_response.waiting(verdict, at=AT, attempt=2, next_attempt_at=AT) == failed | {
        "status": "queued",
        "next_attempt_at": WRITTEN_AT,
    }
    assert api_response.in_doubt(verdict, at=AT, attempt=2) == failed | {
        "status": "in_doubt",
        "in_doubt": True,
        "error": f"May already be issued in TOC Online: do not retry. {NIF}",
    }


def test_a_doubt_with_a_document_number_is_not_taken_for_a_success():
    verdict = Verdict(
        outcome=Outcome.IN_DOUBT,
        error_kind=ErrorKind.SERVER_ERROR,
        error="odd",
        document_no="FT 1",
        toc_data={"document_no": "FT 1"},
    )
    assert not api_response.is_success(api_response.in_doubt(verdict, at=AT, attempt=1))


def test_what_a_person_declares_names_the_person_and_the_reason():
    written = api_response.declared("FT 7", at=AT, by="ana", reason="seen\x00 there", previous=THEIR_SUCCESS)
    assert api_response.document_no(written) == "FT 7"
    assert written == {
        "success": True,
        "synced_at": WRITTEN_AT,
        "toc_data": {"document_no": "FT 2026/3"},
        "document_no": "FT 7",
        "declared_by": "ana",
        "reason": "seen there",
    }


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        pytest.param("a\x00b\ud800c 😀", "abc 😀", id="text"),
        pytest.param({"a\x00": {"\ud800": ["\x00"]}}, {"a": {"": [""]}}, id="keys and depth"),
        pytest.param([float("nan"), float("inf"), 1.5, True, None], [None, None, 1.5, True, None], id="numbers"),
        pytest.param(2**63, str(2**63), id="beyond bigint"),
        pytest.param(10**5000, hex(10**5000), id="more digits than Python writes"),
        pytest.param(Decimal("12.30"), "12.30", id="decimal"),
        pytest.param({1: (2,)}, {"1": [2]}, id="key that is no text"),
        pytest.param(AT, "2026-11-20 10:15:30.123999+00:00", id="anything else"),
    ],
)
def test_cleaning_leaves_only_what_jsonb_takes(value, cleaned):
    assert api_response.clean(value) == cleaned


def test_cleaning_ends_depth_without_end():
    endless: list[object] = []
    endless.append(endless)
    assert len(json.dumps(api_response.clean(endless))) < 1_000


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.decimals() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["success", "error", "toc_data", "document_no", "synced_at"]) | st.text(st.characters()),
            inner,
        )
    ),
    max_leaves=15,
)


@given(value=anything)
def test_no_value_breaks_reading_or_cleaning(value):
    api_response.read(value, REFUSALS)
    api_response.synced_at(value)
    stored = json.dumps(api_response.clean(value), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in stored.replace("\\\\", "")
    assert stored.encode("utf-8")
