"""The morning after an outage, in a real browser: 500 invoices, few clicks, and only data fixes remain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import Connection

from tests.live_app import Program, live_app
from tests.office import ISSUER, PAYER, Office, environment_of, open_office
from toc_sync import creation, outbox, wording
from toc_sync.classify import classify
from toc_sync.database import current_time, writing
from toc_sync.model import Claim, ErrorKind, NoReply, Reply, Status, Unsent
from toc_sync.new_invoice import parse_payload
from toc_sync.sandbox import Behaviour, SandboxDocuments
from toc_sync.sandbox.answers import Answer, from_function
from toc_sync.sandbox.behaviours import COURSES
from toc_sync.sync import evidence_of

SHORTLY_MS, SENDING_MS = 60_000, 180_000
MOST_CLICKS = 16
AGO = timedelta(hours=1)
SETTINGS = {"TOC_SYNC_THREADS": "16", "TOC_SYNC_TIMEOUT_SECONDS": "60"}
REASON = "TOC Online's support says that these are checked before anything is issued"

UNIT = "A unidade de medida da linha 1 tem de ser preenchida."
POST_CODE = "O código postal tem de ter o formato NNNN-NNN."


def reply(answer: Answer) -> Reply:
    """Returns what the edge would hand over for one of the sandbox's answers."""
    response = answer.as_response()
    headers = dict(response.headers)
    return Reply(
        http_status=answer.http_status, headers=headers, body=bytes(response.body), truncated=False, duration_ms=640
    )


def no_reply(why: Unsent, error: str) -> NoReply:
    return NoReply(why=why, error=error, duration_ms=150_000)


REFUSED_NIF = COURSES[Behaviour.REFUSE_TAX_NUMBER].ending
assert isinstance(REFUSED_NIF, Answer)

OUTAGE: Mapping[str, tuple[int, Reply | NoReply]] = {
    "UNREACHED": (420, no_reply(Unsent.UNDELIVERED, "The function could not be reached: Connection refused")),
    "NIF": (14, reply(REFUSED_NIF)),
    "UNIT": (13, reply(from_function(500, {"error": UNIT}))),
    "POST CODE": (13, reply(from_function(500, {"error": POST_CODE}))),
    "TIMEOUT": (25, no_reply(Unsent.TIMEOUT, "No complete answer came in time (150 s)")),
    "LOST": (15, no_reply(Unsent.LOST, "The connection broke before the answer was complete")),
}
"""What came of how many invoices, an hour ago."""


@dataclass(kw_only=True)
class Person:
    """Somebody at the dashboard whose clicks and typing are counted."""

    page: Page
    clicks: int = 0
    typed: list[str] = field(default_factory=list)

    def click(self, what: Locator) -> None:
        what.click(timeout=SHORTLY_MS)
        self.clicks += 1

    def ticks_all(self, table: Locator) -> None:
        """Clicks the box in the heading, which ticks every row."""
        expect(table.get_by_test_id("glide-cell-1-0")).to_be_attached(timeout=SHORTLY_MS)
        table.click(position={"x": 18, "y": 18})
        self.clicks += 1

    def types(self, text: str, into: Locator) -> None:
        """Clicks the field, which counts, and types."""
        self.click(into)
        self.page.keyboard.type(text)
        self.typed.append(text)


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in (environment_of(tmp_path) | SETTINGS).items():
        monkeypatch.setenv(name, value)
    opened = open_office()
    suffer(opened)
    yield opened
    opened.runtime.close()


@pytest.fixture
def app(office, tmp_path) -> Program:
    with live_app(tmp_path, environment_of(tmp_path) | SETTINGS) as program:
        yield program


def suffer(office: Office) -> None:
    """Lets the outage happen: each invoice is created, claimed and settled as the worker would have, an hour ago."""
    with writing(office.runtime.engine) as conn:
        for name, (count, answer) in OUTAGE.items():
            for number in range(count):
                attempt(conn, office, f"{name} {number}", answer)
        outbox.forget_place(conn)  # no sender sent these, so no witness knows them


def attempt(conn: Connection, office: Office, number: str, answer: Reply | NoReply) -> None:
    runtime, at = office.runtime, current_time(conn) - AGO
    payload = {
        "p_issuer_team_id": ISSUER,
        "p_payer_team_id": PAYER,
        "p_currency_code": "EUR",
        "p_invoice_number": number,
        "p_header_subtotal": "100.00",
        "p_header_vat": "23.00",
        "p_header_total": "123.00",
    }
    invoice = creation.create(conn, parse_payload(payload), now=at, today=runtime.today())
    outbox.enqueue(conn, invoice, actor="the office", now=at)
    claimed = outbox.claim(
        conn,
        worker="before",
        lease_s=200,
        refusals=runtime.refusals,
        turns=runtime.turns,
        now=at,
        invoice_id=invoice.invoice_id,
    )
    assert isinstance(claimed, Claim)
    verdict = classify(answer, runtime.refusals)
    outbox.settle(conn, claimed, verdict, evidence_of(answer), waits_s=(), jitter=0, now=at)  # the last try of all


def stands(office: Office) -> dict[tuple[Status, ErrorKind | None], int]:
    """Counts the invoices by where they stand and why."""
    found = office.runtime.states(range(1, sum(count for count, _ in OUTAGE.values()) + 1))
    return dict(Counter((state.status, state.error_kind) for state in found))


def group(page: Page, name: str) -> Locator:
    """Finds the row of what went wrong that is called so, or repeats these words."""
    return page.locator("[class*=st-key-group_]").filter(has_text=name)


def teach(person: Person, sentence: str) -> Locator:
    """Opens what an answer means."""
    person.click(group(person.page, sentence).get_by_role("button", name="Teach…"))
    dialog = person.page.get_by_role("dialog")
    expect(dialog.get_by_text(sentence)).to_be_visible(timeout=SHORTLY_MS)
    return dialog


def send_again(person: Person, name: str, count: int) -> None:
    """Says of all of a group that they are not in TOC Online: opens the list, ticks all, says why, and sends."""
    person.click(group(person.page, name).get_by_role("button", name="Not in TOC Online…"))
    dialog = person.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Send 0 again")).to_be_disabled(timeout=SHORTLY_MS)
    person.ticks_all(dialog.get_by_test_id("stDataFrame"))
    person.click(dialog.get_by_text(wording.LOOKED_UP))
    person.click(dialog.get_by_role("button", name=f"Send {count} again"))
    expect(dialog).to_have_count(0, timeout=SHORTLY_MS)


def test_after_an_outage_a_few_clicks_and_one_typed_reason_leave_only_data_fixes(page, app, office):
    assert stands(office) == {
        (Status.FAILED, ErrorKind.UNREACHABLE): 420,
        (Status.FAILED, ErrorKind.REJECTED): 14,
        (Status.IN_DOUBT, ErrorKind.SERVER_ERROR): 26,
        (Status.IN_DOUBT, ErrorKind.TIMEOUT): 25,
        (Status.IN_DOUBT, ErrorKind.LOST): 15,
    }
    person = Person(page=page)
    page.goto(app.url)
    expect(page.locator(".st-key-answer")).to_contain_text("500 invoices need attention", timeout=SHORTLY_MS)
    expect(page.get_by_text("Only data fixes remain")).to_have_count(0)

    person.click(page.get_by_role("button", name="Retry 420"))
    dialog = page.get_by_role("dialog")
    person.click(dialog.get_by_role("button", name="Retry 420 invoices"))
    expect(dialog).to_have_count(0, timeout=SHORTLY_MS)

    unit = teach(person, UNIT)
    person.types(REASON, unit.get_by_label("How do you know that nothing was issued?"))
    person.click(unit.get_by_role("button", name="Teach and make 13 invoices retryable"))
    expect(unit).to_have_count(0, timeout=SHORTLY_MS)
    post_code = teach(person, POST_CODE)
    expect(post_code.get_by_label("How do you know that nothing was issued?")).to_have_value(REASON)
    person.click(post_code.get_by_role("button", name="Teach and make 13 invoices retryable"))
    expect(post_code).to_have_count(0, timeout=SHORTLY_MS)

    send_again(person, "No answer in time", 25)
    send_again(person, "Connection lost", 15)

    expect(page.get_by_text("Only data fixes remain: 40 invoices.")).to_be_visible(timeout=SENDING_MS)
    expect(page.locator("[class*=st-key-group_]")).to_have_count(3)
    for name in ("Tax number invalid", "Unidade medida", "Codigo postal"):
        expect(group(page, name).get_by_text("Finance", exact=True).first).to_be_visible()
    assert person.clicks <= MOST_CLICKS
    assert person.typed == [REASON]
    assert stands(office) == {(Status.SYNCED, None): 460, (Status.FAILED, ErrorKind.REJECTED): 40}
    issued = Counter(
        document.invoice_id for document in SandboxDocuments(office.runtime.function.sandbox_file).documents()
    )
    assert (len(issued), set(issued.values())) == (460, {1})
