"""What an answer means: the thirteen rules, and that nothing unforeseen is ever taken for "certainly not issued"."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.catalogue import CASES
from toc_sync.classify import MAX_ERROR, MAX_SPEECH, classify, classify_text
from toc_sync.model import ErrorKind, NoReply, Outcome, Reply, Unsent
from toc_sync.refusals import shipped_refusals

REFUSALS = shipped_refusals()
ANSWERED = [pytest.param(case, id=case["name"]) for case in CASES if "status" in case["answer"]]
NIF = "O NIF português '285008413' não é válido!"
RAN = {"x-deno-execution-id": "e1"}
DOCUMENT = {"document_no": "FT 2026/3"}

SYNCED = (Outcome.SYNCED, None)
REJECTED = (Outcome.FAILED, ErrorKind.REJECTED)
CONFIGURATION = (Outcome.FAILED, ErrorKind.CONFIGURATION)
UNDELIVERED = (Outcome.UNDELIVERED, ErrorKind.UNREACHABLE)
SERVER_ERROR = (Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR)
UNREADABLE = (Outcome.IN_DOUBT, ErrorKind.UNREADABLE)
TIMEOUT = (Outcome.IN_DOUBT, ErrorKind.TIMEOUT)
LOST = (Outcome.IN_DOUBT, ErrorKind.LOST)
ACCEPTED = (Outcome.IN_DOUBT, ErrorKind.ACCEPTED)


def _encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()


def _read(status: int, body: Any, headers: dict[str, str] | None = None, *, truncated: bool = False):
    reply = Reply(http_status=status, headers=headers or {}, body=_encoded(body), truncated=truncated, duration_ms=5)
    return classify(reply, REFUSALS)


def _meaning(verdict):
    return verdict.outcome, verdict.error_kind


@pytest.mark.parametrize("case", ANSWERED)
def test_every_answer_of_the_catalogue_means_what_it_says(case):
    answer = case["answer"]
    verdict = _read(answer["status"], answer["body"], answer["headers"])
    assert _meaning(verdict) == (case["outcome"], case["error_kind"])
    assert (verdict.outcome is Outcome.UNDELIVERED) == case["auto_retry"]
    assert verdict.http_status == answer["status"]


@pytest.mark.parametrize(
    ("why", "meaning"),
    [
        pytest.param(Unsent.CONFIGURATION, CONFIGURATION, id="nothing can be sent"),
        pytest.param(Unsent.UNDELIVERED, UNDELIVERED, id="nothing was sent"),
        pytest.param(Unsent.HELD_BACK, UNDELIVERED, id="held back by this program"),
        pytest.param(Unsent.TIMEOUT, TIMEOUT, id="time ran out"),
        pytest.param(Unsent.LOST, LOST, id="connection broke"),
    ],
)
def test_without_an_answer_it_counts_whether_a_byte_may_have_left(why, meaning):
    verdict = classify(NoReply(why=why, error="peer\x00 closed\n connection", duration_ms=3, http_status=200), REFUSALS)
    assert _meaning(verdict) == meaning
    assert verdict.error == "peer closed connection"
    assert verdict.http_status == 200


@pytest.mark.parametrize(
    ("body", "number"),
    [
        pytest.param(DOCUMENT, "FT 2026/3", id="flat at the top"),
        pytest.param({"toc_data": DOCUMENT}, "FT 2026/3", id="flat under toc_data"),
        pytest.param({"data": DOCUMENT}, "FT 2026/3", id="flat under data"),
        pytest.param({"data": {"attributes": DOCUMENT}}, "FT 2026/3", id="JSON:API at the top"),
        pytest.param({"toc_data": {"data": {"attributes": DOCUMENT}}}, "FT 2026/3", id="JSON:API under toc_data"),
        pytest.param({"toc_data": {"attributes": DOCUMENT}}, "FT 2026/3", id="JSON:API without its data"),
        pytest.param({"toc_data": json.dumps(DOCUMENT)}, "FT 2026/3", id="toc_data is text that holds JSON"),
        pytest.param(json.dumps({"toc_data": DOCUMENT}), "FT 2026/3", id="as bytes"),
        pytest.param(json.dumps(json.dumps({"toc_data": DOCUMENT})), "FT 2026/3", id="JSON encoded twice"),
        pytest.param({"success": False, "error": NIF, "toc_data": DOCUMENT}, "FT 2026/3", id="beside an error"),
        pytest.param({"toc_data": {"document_no": " FT 1/2\x00 "}}, "FT 1/2", id="cleaned"),
        pytest.param('{"id": 1, "id": 2, "document_no": "FT 7"}', "FT 7", id="beside a repeated key of no matter"),
        pytest.param({"toc_data": DOCUMENT, "document_no": "FT 9"}, "FT 9", id="the top before toc_data"),
    ],
)
def test_a_document_number_makes_a_2xx_synced_wherever_it_may_lie(body, number):
    verdict = _read(201, body)
    assert (_meaning(verdict), verdict.document_no, verdict.error) == (SYNCED, number, None)


@pytest.mark.parametrize("status", [301, 400, 401, 402, 404, 405, 409, 422, 500, 503, 504, 540, 546])
def test_a_document_number_beside_an_error_status_is_in_doubt_and_shown(status):
    verdict = _read(status, {"code": "BOOT_ERROR", "error": NIF, "toc_data": DOCUMENT})
    assert _meaning(verdict) == SERVER_ERROR
    assert verdict.document_no == "FT 2026/3"
    assert "FT 2026/3" in verdict.error


@pytest.mark.parametrize(
    "number",
    [
        None, "", "  ", "\x00", 3, 2026.3, True, ["FT 1"], {"no": "FT 1"}, "F" * 101,
        "undefined", "null", "-", "—", "N/A", "Rascunho", "Rascunho FT 2026/3", "draft 5", "pendente", "12345678Z",
        "501964843", "PF 2026/3", "RC 2026/1", "GT 2026/9", "<b>FT 1</b>",
    ],
)  # fmt: skip
def test_only_what_can_be_the_number_of_an_invoice_is_one(number):
    verdict = _read(200, {"success": True, "toc_data": {"document_no": number}})
    assert (_meaning(verdict), verdict.document_no) == (SERVER_ERROR, None)
    assert _meaning(_read(200, {"success": False, "toc_data": {"document_no": number}})) == SERVER_ERROR


@pytest.mark.parametrize(
    ("body", "toc_data"),
    [
        pytest.param({"success": True, "toc_data": {"id": 1}}, {"id": 1}, id="under toc_data"),
        pytest.param({"id": 7, **DOCUMENT}, {"id": 7, **DOCUMENT}, id="the document itself"),
        pytest.param({"success": True}, None, id="none"),
        pytest.param({"success": True, "toc_data": None}, None, id="null"),
    ],
)
def test_toc_data_is_what_the_function_returned(body, toc_data):
    assert _read(200, body).toc_data == toc_data


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        pytest.param({}, SERVER_ERROR, id="nothing said at all"),
        pytest.param({"already_issued": True}, SYNCED, id="already issued is a success"),
        pytest.param(
            {"success": True, "type": "note", "data": {"type": "customers"}}, SERVER_ERROR, id="of a customer"
        ),
        pytest.param(
            {"success": True, "log": "x" * MAX_SPEECH}, SERVER_ERROR, id="too long to be searched for a failure"
        ),
        pytest.param(
            {"success": True, "detail": "Já existe o cliente 'X'"}, SERVER_ERROR, id="a refusal beside success"
        ),
        pytest.param({"success": 1}, SYNCED, id="success 1"),
        pytest.param({"success": "true"}, SYNCED, id="success as text"),
        pytest.param({"success": True, "error": None, "errors": []}, SYNCED, id="empty errors"),
        pytest.param({"success": True, "already_issued": True}, SYNCED, id="already issued"),
        pytest.param({"success": True, "message": "Invoice already issued"}, SYNCED, id="already issued, in words"),
        pytest.param({"success": False}, SERVER_ERROR, id="success false"),
        pytest.param({"success": None}, SERVER_ERROR, id="success null"),
        pytest.param({"success": "false"}, SERVER_ERROR, id="success is the text false"),
        pytest.param({"success": True, "error": "odd"}, SERVER_ERROR, id="an error beside success"),
        pytest.param({"success": True, "errors": [{}]}, SERVER_ERROR, id="errors beside success"),
        pytest.param('{"success": true, "success": false}', SERVER_ERROR, id="two answers in one"),
        pytest.param('{"success": NaN}', SERVER_ERROR, id="NaN is no yes"),
        pytest.param('{"toc_data": 1, "toc_data": 2}', SERVER_ERROR, id="two documents in one"),
        pytest.param('{"document_no": "FT 1", "document_no": "FT 2"}', SERVER_ERROR, id="two numbers in one"),
        pytest.param('{"success": true, "success": true}', SYNCED, id="twice the same"),
        pytest.param("[" * 100_000, UNREADABLE, id="nested without end"),
        pytest.param('{"a":' * 300 + "1" + "}" * 300, UNREADABLE, id="nested too deep"),
        pytest.param('{"success": true, "id": %s}' % ("9" * 5000), SYNCED, id="more digits than Python converts"),
        pytest.param('{"success": true, "id": 1e999}', SYNCED, id="beyond every float"),
        pytest.param(b"\xef\xbb\xbf" + b'{"success": true}', SYNCED, id="byte order mark"),
        pytest.param(b'{"success": true, "name": "\xff"}', SYNCED, id="no UTF-8 in a text"),
        pytest.param(b"\xff\xfe\x00", UNREADABLE, id="no text at all"),
        pytest.param('{"success": true} trailing', UNREADABLE, id="JSON and more"),
        pytest.param('"ok"', UNREADABLE, id="a JSON text"),
        pytest.param("null", UNREADABLE, id="null"),
        pytest.param(json.dumps(NIF), REJECTED, id="a refusal that is a JSON text"),
    ],
)
def test_a_2xx_without_a_number_is_synced_only_if_it_says_so_and_nothing_else(body, meaning):
    assert _meaning(_read(200, body)) == meaning


@pytest.mark.parametrize(
    ("status", "body", "headers", "meaning"),
    [
        pytest.param(202, {"toc_data": DOCUMENT}, {}, ACCEPTED, id="202 before everything"),
        pytest.param(401, {"msg": "Error: Missing authorization header"}, {}, CONFIGURATION, id="401 local"),
        pytest.param(401, "Invalid JWT", {}, CONFIGURATION, id="401 as text"),
        pytest.param(401, "", {"SB-Error-Code": "UNAUTHORIZED_LEGACY_JWT"}, CONFIGURATION, id="401 by header"),
        pytest.param(401, {"error": "Unauthorized"}, RAN, SERVER_ERROR, id="401 of somebody"),
        pytest.param(401, {"error": 'TOC: {"message": "Invalid JWT"}'}, RAN, SERVER_ERROR, id="401 passed on"),
        pytest.param(404, "Function not found", {}, CONFIGURATION, id="404 local"),
        pytest.param(404, {"code": "NOT_FOUND_FUNCTION_BLOB"}, {}, CONFIGURATION, id="404 blob"),
        pytest.param(404, {"code": "NOT_FOUND"}, RAN, SERVER_ERROR, id="404 of the function"),
        pytest.param(404, {"error": "Document not found."}, {}, SERVER_ERROR, id="404 of TOC Online"),
        pytest.param(404, "<html>Not found</html>", {}, SERVER_ERROR, id="404 page"),
        pytest.param(405, "", {}, CONFIGURATION, id="405"),
        pytest.param(540, "<html>paused</html>", {}, CONFIGURATION, id="540"),
        pytest.param(502, {"code": "LOAD_FUNCTION_TIMEOUT"}, {}, UNDELIVERED, id="function not loaded"),
        pytest.param(503, {"code": "BOOT_ERROR"}, {}, UNDELIVERED, id="boot error without header"),
        pytest.param(503, {"code": "BOOT_ERROR"}, RAN, SERVER_ERROR, id="boot error passed on by the function"),
        pytest.param(
            503, {"code": "BOOT_ERROR"}, {"sb-error-code": "EDGE_FUNCTION_ERROR"}, SERVER_ERROR, id="header disagrees"
        ),
        pytest.param(503, "oops", {"sb-error-code": "BOOT_ERROR"}, SERVER_ERROR, id="only the header says so"),
        pytest.param(500, {"code": "BOOT_ERROR"}, {}, SERVER_ERROR, id="boot error with another status"),
        pytest.param(400, {"code": "LOAD_FUNCTION_X"}, {}, SERVER_ERROR, id="load error that is no 5xx"),
        pytest.param(500, NIF, {}, REJECTED, id="refusal as plain text"),
        pytest.param(504, {"error": NIF}, {}, REJECTED, id="refusal before time-out"),
        pytest.param(400, {"error": "access_denied"}, {}, CONFIGURATION, id="TOC Online's log-in"),
        pytest.param(500, {"errors": ["access_denied", NIF]}, {}, REJECTED, id="rejected before configuration"),
        pytest.param(500, f"<html><body>{NIF}</body></html>", {}, SERVER_ERROR, id="a page that says it"),
        pytest.param(500, {"error": f"<html><body>{NIF}</body>"}, {}, SERVER_ERROR, id="a page inside JSON"),
        pytest.param(500, f'{{"error": "{NIF}", ', {}, SERVER_ERROR, id="broken JSON"),
        pytest.param(500, f'{{"error": "{NIF}", "error": "odd"}}', {}, SERVER_ERROR, id="two errors in one"),
        pytest.param(402, '{"document_no": "FT 1"', {}, SERVER_ERROR, id="402 with half a document"),
        pytest.param(500, {"error": NIF + " x" * 2_000}, {}, SERVER_ERROR, id="longer than a sentence"),
        pytest.param(524, "<html></html>", {}, TIMEOUT, id="524"),
        pytest.param(409, {"error": "Já existe o documento FT 2026/3"}, {}, SERVER_ERROR, id="document exists"),
        pytest.param(
            500, {"errors": [NIF, "Document already exists"]}, {}, SERVER_ERROR, id="refusal, but document exists"
        ),
        pytest.param(
            422, {"error": NIF, "last": {"document_no": "FT 2"}}, {}, SERVER_ERROR, id="somebody's document number"
        ),
        pytest.param(422, {"error": f'{NIF} {{"document_no": "FT 2"}}'}, {}, SERVER_ERROR, id="number inside a text"),
        pytest.param(418, {"error": "?"}, {}, SERVER_ERROR, id="418"),
        pytest.param(302, "", {"location": "/x"}, SERVER_ERROR, id="redirect"),
        pytest.param(0, "", {}, SERVER_ERROR, id="no status that exists"),
    ],
)
def test_the_first_rule_that_fits_decides(status, body, headers, meaning):
    assert _meaning(_read(status, body, headers)) == meaning


@pytest.mark.parametrize(
    ("status", "meaning"), [(200, UNREADABLE), (402, SERVER_ERROR), (500, SERVER_ERROR), (504, TIMEOUT)]
)
def test_of_a_truncated_answer_nothing_is_believed(status, meaning):
    assert _meaning(_read(status, {"success": True, "error": NIF, **DOCUMENT}, truncated=True)) == meaning


@pytest.mark.parametrize(("status", "body"), [(402, ""), (500, NIF), (503, {"code": "BOOT_ERROR"})])
def test_a_truncated_answer_never_says_that_nothing_was_issued(status, body):
    assert _meaning(_read(status, body, truncated=True)) == SERVER_ERROR


def test_a_refusal_inside_text_inside_json_is_recognised():
    toc = json.dumps({"errors": [{"code": "JA000", "detail": NIF}]})
    inner = json.dumps({"message": f"TOC API error: 400 {toc}"})
    verdict = _read(500, {"error": inner})
    assert (_meaning(verdict), verdict.refusal) == (REJECTED, "tax_number_invalid")


@pytest.mark.parametrize(
    "request_id",
    [
        "fc031fb8-6a1d-4f58-a40b-91ac3cb5ae64",
        "3eb0d729-95f8-fc6a-9f94-f843d7f1946b",
        "ABCDEF12-3456-4F58-A40B-91AC3CB5AE64",
        "00-84c1fd4063c38d9f3900d06e56542d48-fc85d1-00",
        "req_01hxyz98765abc",
    ],
)
def test_an_id_of_the_request_is_no_number_of_a_document(request_id):
    assert _meaning(_read(400, {"error": NIF, "request_id": request_id}, RAN)) == REJECTED


def test_a_refusal_in_a_very_long_body_is_not_looked_for():
    assert _meaning(_read(500, {"error": NIF, "log": "x" * MAX_SPEECH})) == SERVER_ERROR


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(500, {"error": {"message": "odd\n thing"}}, "odd thing", id="nested object"),
        pytest.param(500, {"errors": [{"detail": "odd"}]}, "odd", id="JSON:API"),
        pytest.param(500, {"error": json.dumps({"error": "odd"})}, "odd", id="JSON inside text"),
        pytest.param(500, "Internal Server Error", "Internal Server Error", id="plain text"),
        pytest.param(502, "<html>bad</html>", "HTTP 502 without a readable body", id="page"),
        pytest.param(500, {"id": 1}, "HTTP 500 without an explanation", id="no message"),
        pytest.param(500, {"error": "a\x00b\ud800c"}, "abc", id="what PostgreSQL refuses"),
    ],
)
def test_the_error_is_one_readable_line(status, body, error):
    assert _read(status, body).error == error


def test_the_error_is_cut():
    assert len(_read(500, {"error": "odd " * 2_000}).error) == MAX_ERROR
    assert len(_read(500, {"error": "odd " * 2_000, **DOCUMENT}).error) == MAX_ERROR


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[" * 1_000_000, id="brackets"),
        pytest.param(json.dumps({"error": "[" * 1_000_000}), id="brackets in a text"),
        pytest.param(json.dumps(["x[{" * 3] * 100_000), id="brackets in many texts"),
        *(
            pytest.param(json.dumps({"error": (word * 60_000)[:60_000]}), id=f"{word.strip()} repeated")
            for word in (
                "nif ",
                "data ",
                "invoice 1-",
                "1-",
                "missing the ",
                "documento ",
                "falta ",
                "a ",
                " ",
                "invoice_id is ",
            )
        ),
    ],
)
def test_no_body_takes_long_to_read(body):
    began = time.process_time()
    _read(500, body)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        pytest.param("Failed to fetch", LOST, id="browser lost it"),
        pytest.param("TypeError: Failed to fetch", LOST, id="with the error's name"),
        pytest.param("TOC sync failed: Failed to fetch", LOST, id="with the other application's prefix"),
        pytest.param("NetworkError when attempting to fetch resource.", LOST, id="Firefox"),
        pytest.param("Load failed", LOST, id="Safari"),
        pytest.param("No access token available", CONFIGURATION, id="no token"),
        pytest.param("Missing NEXT_PUBLIC_SUPABASE_URL", CONFIGURATION, id="no address"),
        pytest.param("TOC sync failed: 500 No access token available", SERVER_ERROR, id="no token, says the function"),
        pytest.param("TOC sync failed: 504 ", TIMEOUT, id="time-out"),
        pytest.param("TOC sync failed: 504", TIMEOUT, id="time-out without a body"),
        pytest.param(f"Error: TOC sync failed: 500 {json.dumps({'error': NIF})}", REJECTED, id="refusal"),
        pytest.param(f"TOC sync failed: 500 {json.dumps({'error': NIF})[:-20]}", SERVER_ERROR, id="cut short"),
        pytest.param("TOC sync failed: 5000", SERVER_ERROR, id="no status"),
        pytest.param(f"TOC sync failed: {NIF}", REJECTED, id="refusal without a status"),
        pytest.param(f'{{"error": "{NIF}", "document_no": "FT 1"}}', SERVER_ERROR, id="refusal and a number"),
        pytest.param("The operation was aborted", SERVER_ERROR, id="unknown"),
        pytest.param("", SERVER_ERROR, id="empty"),
    ],
)
def test_an_old_error_text_means_what_it_says(text, meaning):
    verdict = classify_text(text, REFUSALS)
    assert _meaning(verdict) == meaning
    assert verdict.error


@pytest.mark.parametrize("case", ANSWERED)
def test_an_old_error_text_is_read_as_that_answer_would_be(case):
    answer = case["answer"]
    body = _encoded(answer["body"]).decode()
    assert classify_text(f"TOC sync failed: {answer['status']} {body}", REFUSALS) == _read(answer["status"], body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([NIF, "access_denied", "{", '"']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["success", "error", "errors", "code", "message", "toc_data", "data", "attributes"]) | st.text(),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
statuses = st.sampled_from([200, 202, 204, 301, 400, 401, 402, 404, 405, 422, 500, 503, 504, 540, 546]) | st.integers()
codes = st.sampled_from(["BOOT_ERROR", "LOAD_FUNCTION_X", "NOT_FOUND", "UNAUTHORIZED_X", "EDGE_FUNCTION_ERROR"])
headers = st.fixed_dictionaries(
    {}, optional={"sb-error-code": codes, "x-deno-execution-id": st.just("e"), "content-type": st.text()}
)
bodies = st.binary() | json_values.map(lambda value: json.dumps(value).encode()) | st.text().map(
    lambda text: text.encode("utf-8", "surrogatepass")
)  # fmt: skip


@given(status=statuses, body=bodies, headers=headers, truncated=st.booleans())
def test_no_answer_breaks_the_reading(status, body, headers, truncated):
    verdict = _read(status, body, headers, truncated=truncated)
    assert (verdict.error is None) == (verdict.outcome is Outcome.SYNCED)
    if verdict.outcome is Outcome.SYNCED:
        assert 200 <= status <= 299


@given(text=st.text(st.characters()))
def test_no_old_text_breaks_the_reading(text):
    assert classify_text(text, REFUSALS).error


places = st.sampled_from(
    [
        lambda number: {"document_no": number},
        lambda number: {"toc_data": {"document_no": number}},
        lambda number: {"data": {"document_no": number}},
        lambda number: {"data": {"attributes": {"document_no": number}}},
        lambda number: {"toc_data": {"data": {"attributes": {"document_no": number}}}},
        lambda number: {"toc_data": json.dumps({"document_no": number})},
    ]
)


@given(
    rest=st.dictionaries(st.sampled_from(["success", "error", "errors", "code", "message"]), json_values),
    place=places,
    number=st.from_regex(r"FT [0-9]{4}/[0-9]{1,6}", fullmatch=True),
    status=statuses,
    headers=headers,
)
def test_an_answer_that_carries_a_document_number_is_never_called_not_issued(rest, place, number, status, headers):
    verdict = _read(status, rest | place(number), headers)
    assert verdict.outcome in (Outcome.SYNCED, Outcome.IN_DOUBT)
    assert verdict.document_no == number
    assert (verdict.outcome is Outcome.SYNCED) == (200 <= status <= 299 and status != 202)
