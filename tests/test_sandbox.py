"""What the sandbox answers and issues, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from toc_sync import clock
from toc_sync.sandbox import Behaviour, Sandbox


def series() -> str:
    return f"FT {clock.now().year}"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "sandbox.db", delay_s=(0, 0))
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    origin = sandbox.start().removesuffix("/functions/v1/toc_invoice")
    with httpx.Client(base_url=origin, trust_env=False, timeout=10) as client:
        yield client


def post(client: httpx.Client, invoice_id: object, timeout: float = 10) -> httpx.Response:
    headers = {"authorization": "Bearer sandbox"}
    return client.post("/functions/v1/toc_invoice", json={"invoice_id": invoice_id}, headers=headers, timeout=timeout)


ANSWERED = [
    pytest.param(Behaviour.ISSUE_FLAT, 200, 1, '"document_no": "FT ', id="issues it"),
    pytest.param(Behaviour.ISSUE_JSONAPI, 200, 1, '"type": "commercial_sales_documents"', id="JSON:API"),
    pytest.param(Behaviour.ALREADY_ISSUED, 200, 1, '"already_issued": true', id="already issued"),
    pytest.param(Behaviour.ACCEPTED, 202, 1, '{"message": "accepted"}', id="accepted"),
    pytest.param(Behaviour.TIMEOUT, 504, 0, '"code": "IDLE_TIMEOUT"', id="platform time-out"),
    pytest.param(Behaviour.REFUSE_TAX_NUMBER, 400, 0, "O NIF português '285008413' não é válido!", id="tax number"),
    pytest.param(Behaviour.REFUSE_SERIES, 500, 0, "ainda não foi comunicada", id="series"),
    pytest.param(Behaviour.REFUSE_PAYMENT, 500, 0, "O meio de pagamento (", id="payment"),
    pytest.param(Behaviour.REFUSE_DATE, 500, 0, "anterior à data do último documento", id="date"),
    pytest.param(Behaviour.REFUSE_EXEMPTION, 500, 0, "motivo de isenção", id="exemption"),
    pytest.param(Behaviour.REFUSE_CUSTOMER_EXISTS, 500, 0, "Já existe o cliente", id="customer exists"),
    pytest.param(Behaviour.BOOT_ERROR, 503, 0, '"code": "BOOT_ERROR"', id="boot error"),
    pytest.param(Behaviour.CRASH, 500, 0, "Internal Server Error", id="crash"),
    pytest.param(Behaviour.RESOURCE_LIMIT, 546, 0, '"code": "WORKER_RESOURCE_LIMIT"', id="resource limit"),
    pytest.param(Behaviour.HTML, 502, 0, "<html>", id="gateway page"),
    pytest.param(Behaviour.UNKNOWN_ERROR, 500, 0, '{"error": "Ocorreu', id="unknown error"),
]
UNANSWERED = [
    pytest.param(Behaviour.ISSUE_THEN_SILENCE, httpx.ReadTimeout, id="silence"),
    pytest.param(Behaviour.ISSUE_THEN_CUT, httpx.RemoteProtocolError, id="cut"),
]


@pytest.mark.parametrize(("behaviour", "http_status", "issued", "words"), ANSWERED)
def test_each_behaviour_answers_and_issues_as_it_says(
    sandbox: Sandbox, client: httpx.Client, behaviour: Behaviour, http_status: int, issued: int, words: str
) -> None:
    sandbox.documents.plan(5, behaviour)
    answer = post(client, 5)
    assert (answer.status_code, len(sandbox.documents.documents(5))) == (http_status, issued)
    assert words in answer.text
    [seen] = sandbox.documents.requests()
    assert (seen.behaviour, seen.answered_status) == (behaviour, http_status)


@pytest.mark.parametrize(("behaviour", "error"), UNANSWERED)
def test_a_behaviour_without_an_answer_issues_first(
    sandbox: Sandbox, client: httpx.Client, behaviour: Behaviour, error: type[httpx.RequestError]
) -> None:
    sandbox.documents.plan(5, behaviour)
    with pytest.raises(error):
        post(client, 5, timeout=0.5)
    assert len(sandbox.documents.documents(5)) == 1
    [seen] = sandbox.documents.requests()
    assert (seen.behaviour, seen.answered_status) == (behaviour, None)


def test_the_two_tables_above_name_every_behaviour() -> None:
    named = [row.values[0] for row in (*ANSWERED, *UNANSWERED)]
    assert sorted(named, key=str) == sorted(Behaviour)


def test_every_behaviour_has_a_label_of_its_own() -> None:
    labels = {behaviour.label for behaviour in Behaviour}
    assert len(labels) == len(Behaviour)
    assert Behaviour.ISSUE_FLAT.label == "Issues it"


def test_the_flat_answer_carries_the_document_under_toc_data(sandbox: Sandbox, client: httpx.Client) -> None:
    answer = post(client, 5).json()
    [document] = sandbox.documents.documents()
    assert answer == {
        "success": True,
        "toc_data": {
            "id": document.id,
            "document_no": f"{series()}/1",
            "gross_total": 123.0,
            "document_hash_sum": document.document_hash_sum,
            "atcud": "SANDBOX-1",
        },
    }


def test_the_jsonapi_answer_carries_the_number_among_the_attributes(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.documents.plan(5, Behaviour.ISSUE_JSONAPI)
    resource = post(client, 5).json()["toc_data"]["data"]
    assert resource["id"] == str(sandbox.documents.documents()[0].id)
    assert resource["attributes"]["document_no"] == f"{series()}/1"


def test_an_invoice_that_is_already_issued_is_answered_with_its_first_document(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    first = post(client, 5).json()
    post(client, 5)
    sandbox.documents.plan(5, Behaviour.ALREADY_ISSUED)
    assert post(client, 5).json() == {**first, "already_issued": True}
    assert len(sandbox.documents.documents(5)) == 2


def test_the_tax_number_refusal_comes_as_jsonapi_errors(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.documents.plan(5, Behaviour.REFUSE_TAX_NUMBER)
    [error] = post(client, 5).json()["errors"]
    assert error["code"] == "JA000"


@pytest.mark.parametrize(
    ("behaviour", "execution", "error_code", "content_type"),
    [
        pytest.param(Behaviour.ISSUE_FLAT, True, None, "application/json", id="success of the function"),
        pytest.param(Behaviour.REFUSE_TAX_NUMBER, True, None, "application/json", id="4xx of the function"),
        pytest.param(
            Behaviour.REFUSE_SERIES, True, "EDGE_FUNCTION_ERROR", "application/json", id="5xx of the function"
        ),
        pytest.param(Behaviour.CRASH, True, "EDGE_FUNCTION_ERROR", "text/plain; charset=utf-8", id="crash"),
        pytest.param(Behaviour.BOOT_ERROR, False, "BOOT_ERROR", "application/json", id="boot error"),
        pytest.param(Behaviour.TIMEOUT, False, "IDLE_TIMEOUT", "application/json", id="platform time-out"),
        pytest.param(Behaviour.HTML, False, None, "text/html; charset=utf-8", id="gateway page"),
    ],
)
def test_the_headers_tell_who_spoke(
    sandbox: Sandbox,
    client: httpx.Client,
    behaviour: Behaviour,
    execution: bool,
    error_code: str | None,
    content_type: str,
) -> None:
    sandbox.documents.plan(5, behaviour)
    headers = post(client, 5).headers
    assert ("x-deno-execution-id" in headers) is execution
    assert headers.get("sb-error-code") == error_code
    assert headers["content-type"] == content_type
    assert ("sb-request-id" in headers) is not (behaviour is Behaviour.HTML)


def test_a_plan_ends_after_its_times_and_only_concerns_its_invoice(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.documents.plan(5, Behaviour.BOOT_ERROR, times=2)
    assert post(client, 6).status_code == 200
    assert [post(client, 5).status_code for _ in range(4)] == [503, 503, 200, 200]


def test_a_plan_without_an_end_lasts_until_another_plan_takes_its_place(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.documents.plan(5, Behaviour.CRASH, times=None)
    assert [post(client, 5).status_code for _ in range(3)] == [500, 500, 500]
    sandbox.documents.plan(5, Behaviour.HTML)
    assert [post(client, 5).status_code for _ in range(2)] == [502, 200]


def test_a_plan_for_no_post_at_all_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="one POST or more"):
        sandbox.documents.plan(5, Behaviour.CRASH, times=0)


def test_a_script_plans_over_http(client: httpx.Client) -> None:
    once = client.post("/sandbox/plans", json={"invoice_id": 5, "behaviour": "html"})
    always = client.post("/sandbox/plans", json={"invoice_id": 6, "behaviour": "crash", "times": None})
    assert once.json() == {"invoice_id": 5, "behaviour": "html", "times": 1}
    assert always.json() == {"invoice_id": 6, "behaviour": "crash", "times": None}
    assert [post(client, 5).status_code for _ in range(2)] == [502, 200]
    assert [post(client, 6).status_code for _ in range(2)] == [500, 500]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        pytest.param([], "invoice_id", id="no object"),
        pytest.param({"behaviour": "html"}, "invoice_id", id="no invoice"),
        pytest.param({"invoice_id": 5}, "issue_flat, issue_jsonapi", id="no behaviour"),
        pytest.param({"invoice_id": 5, "behaviour": "explode"}, "issue_flat, issue_jsonapi", id="unknown behaviour"),
        pytest.param({"invoice_id": 5, "behaviour": ["html"]}, "issue_flat, issue_jsonapi", id="list of behaviours"),
        pytest.param({"invoice_id": 5, "behaviour": "html", "times": 0}, "times", id="zero times"),
        pytest.param({"invoice_id": 5, "behaviour": "html", "times": True}, "times", id="times is no number"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_a_sentence(client: httpx.Client, wish: object, words: str) -> None:
    answer = client.post("/sandbox/plans", json=wish)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert post(client, 5).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code", "message"),
    [
        pytest.param({}, "UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header", id="no header"),
        pytest.param({"apikey": "sandbox"}, "UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header", id="apikey"),
        pytest.param(
            {"authorization": "Bearer other"}, "UNAUTHORIZED_INVALID_JWT_FORMAT", "Invalid JWT", id="wrong key"
        ),
        pytest.param({"authorization": "sandbox"}, "UNAUTHORIZED_INVALID_JWT_FORMAT", "Invalid JWT", id="no bearer"),
    ],
)
def test_the_platform_turns_a_wrong_key_away_before_the_function(
    sandbox: Sandbox, client: httpx.Client, headers: dict[str, str], code: str, message: str
) -> None:
    sandbox.documents.plan(5, Behaviour.HTML)
    answer = client.post("/functions/v1/toc_invoice", json={"invoice_id": 5}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"code": code, "message": message})
    assert answer.headers["sb-error-code"] == code
    [seen] = sandbox.documents.requests()
    assert (seen.invoice_id, seen.behaviour, seen.answered_status) == (5, None, 401)
    assert post(client, 5).status_code == 502, "the plan is still there"


def test_the_platform_knows_no_other_function(sandbox: Sandbox, client: httpx.Client) -> None:
    answer = client.post("/functions/v1/toc_invoices", json={"invoice_id": 5})
    assert answer.status_code == 404
    assert answer.json() == {"code": "NOT_FOUND", "message": "Requested function was not found"}
    assert "x-deno-execution-id" not in answer.headers
    assert sandbox.documents.documents() == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[5]", id="no object"),
        pytest.param(b"{}", id="missing"),
        pytest.param(b'{"invoice_id": null}', id="null"),
        pytest.param(b'{"invoice_id": "5"}', id="text"),
        pytest.param(b'{"invoice_id": 5.0}', id="fraction"),
        pytest.param(b'{"invoice_id": true}', id="boolean"),
        pytest.param(b'{"invoice_id": 0}', id="zero"),
        pytest.param(b'{"invoice_id": 9223372036854775808}', id="beyond bigint"),
    ],
)
def test_the_function_refuses_a_body_without_an_invoice_id(sandbox: Sandbox, client: httpx.Client, body: bytes) -> None:
    answer = client.post("/functions/v1/toc_invoice", content=body, headers={"authorization": "Bearer sandbox"})
    assert (answer.status_code, answer.json()) == (400, {"error": "invoice_id is required"})
    assert "x-deno-execution-id" in answer.headers
    assert sandbox.documents.documents() == []
    [seen] = sandbox.documents.requests()
    assert (seen.invoice_id, seen.answered_status) == (None, 400)


def test_every_post_is_kept_with_its_ids(sandbox: Sandbox, client: httpx.Client) -> None:
    headers = {"authorization": "Bearer sandbox", "x-request-id": "r-1", "idempotency-key": "toc-invoice-5"}
    before = clock.now()
    client.post("/functions/v1/toc_invoice", json={"invoice_id": 5}, headers=headers)
    post(client, 6)
    first, second = sandbox.documents.requests()
    assert (first.request_id, first.idempotency_key) == ("r-1", "toc-invoice-5")
    assert (second.request_id, second.idempotency_key) == (None, None)
    assert before <= first.at <= second.at <= before + timedelta(seconds=10)
    assert sandbox.documents.requests(6) == [second]


def test_scripts_read_documents_and_requests_over_http(sandbox: Sandbox, client: httpx.Client) -> None:
    post(client, 5)
    post(client, 6)
    document = sandbox.documents.documents(6)[0]
    assert [row["invoice_id"] for row in client.get("/sandbox/documents").json()] == [5, 6]
    assert client.get("/sandbox/documents?invoice_id=6").json() == [
        {
            "id": document.id,
            "invoice_id": 6,
            "series": series(),
            "number": 2,
            "document_no": f"{series()}/2",
            "document_hash_sum": document.document_hash_sum,
            "atcud": "SANDBOX-2",
            "issued_at": document.issued_at.isoformat(),
        }
    ]
    requests = client.get("/sandbox/requests").json()
    assert [(row["invoice_id"], row["behaviour"], row["answered_status"]) for row in requests] == [
        (5, "issue_flat", 200),
        (6, "issue_flat", 200),
    ]
    assert client.get("/sandbox/requests?invoice_id=6").json() == requests[1:]


def test_a_list_for_something_that_is_no_invoice_id_is_refused(client: httpx.Client) -> None:
    answer = client.get("/sandbox/documents?invoice_id=five")
    assert answer.status_code == 400
    assert "“five” is not an invoice id" in answer.json()["error"]


def test_the_front_page_says_that_nothing_here_is_legal(client: httpx.Client) -> None:
    assert client.get("/").json() == "This is the sandbox of TOC Invoice Sync: nothing here is a legal document."


def test_a_second_post_for_one_invoice_issues_a_second_document(sandbox: Sandbox, client: httpx.Client) -> None:
    numbers = [post(client, 5).json()["toc_data"]["document_no"] for _ in range(2)]
    assert numbers == [f"{series()}/1", f"{series()}/2"]
    assert [document.invoice_id for document in sandbox.documents.documents()] == [5, 5]


def test_numbers_have_no_gaps_with_two_listeners_and_eight_threads(sandbox: Sandbox, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "sandbox.db", delay_s=(0, 0))
    urls = [sandbox.start(), other.start()]
    for invoice_id in range(1, 41, 4):
        sandbox.documents.plan(invoice_id, Behaviour.REFUSE_DATE)

    def send(invoice_id: int) -> int:
        headers = {"authorization": "Bearer sandbox"}
        url = urls[invoice_id % 2]
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.post(url, json={"invoice_id": invoice_id}, headers=headers).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(send, range(1, 41)))
    other.stop()
    documents = sandbox.documents.documents()
    assert sorted(statuses) == [200] * 30 + [500] * 10
    assert [document.number for document in documents] == list(range(1, 31))
    assert len({document.invoice_id for document in documents}) == 30
    assert len(sandbox.documents.requests()) == 40
