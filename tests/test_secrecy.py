"""Secrets that come back: blanked in every spelling, wherever an answer's words may go; what an answer means stays."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import streamlit as st
from click.testing import CliRunner
from sqlalchemy import MetaData, inspect, select
from streamlit.testing.v1 import AppTest

from pages.parts import activity_download, download, spreadsheet
from tests.billing_desk import Desk, billing_desk
from tests.postbox import Postbox
from tests.stand_in import StandIn
from toc_sync import runtime
from toc_sync.alarm import Alarm, AlarmRules
from toc_sync.channels import open_channels
from toc_sync.classify import classify
from toc_sync.cli import program
from toc_sync.console import blanked, keep_out_of_the_log
from toc_sync.figures import Figures
from toc_sync.model import Outcome, Reply, Status
from toc_sync.refusals import shipped_refusals
from toc_sync.runtime import open_runtime
from toc_sync.secrecy import MARK, Blanker
from toc_sync.settings import Settings, load_settings
from toc_sync.sync import STORED_BODY_BYTES
from toc_sync.tables import OUR_SCHEMA
from toc_sync.views import InvoiceFilter
from toc_sync.views_activity import ActivityFilter

FRAME = Path(__file__).parent.parent / "pages" / "_frame.py"
KEY = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"
PASSWORD = "pa/ss<w0rd>&x%12345ã"
_SIGNATURE = "q7Zk3Rr0Yw1sX9bVtM2nC8dE5fG6hJ4kL-_pQaSuIoz"
_PAYLOAD = (
    base64.urlsafe_b64encode(b'{"iss":"supabase","ref":"abcdefghijkl","role":"service_role"}').decode().rstrip("=")
)
JWT = f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{_PAYLOAD}.{_SIGNATURE}"
SECRETS = (KEY, PASSWORD, JWT)


def in_base64(before: str, secret: str, after: str = "") -> str:
    return base64.b64encode(f"{before}{secret}{after}".encode()).decode()


def wrapped(text: str, every: int, by: str) -> str:
    return by.join(text[begin : begin + every] for begin in range(0, len(text), every))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "bare": str,
    "after Bearer": lambda secret: f"Bearer {secret}",
    "in base64": lambda secret: in_base64("", secret),
    "in base64, behind one byte": lambda secret: in_base64("x", secret, "more"),
    "in base64, behind two bytes": lambda secret: in_base64("xy", secret, "mor"),
    "after Basic": lambda secret: "Basic " + in_base64("service:", secret),
    "in base64 for URLs": lambda secret: base64.urlsafe_b64encode(f">>>>{secret}".encode()).decode(),
    "in base64, wrapped": lambda secret: wrapped(in_base64("Bearer ", secret), 12, "\n"),
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded, every character": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "percent-encoded in small letters, twice": lambda secret: quote(
        "".join(f"%{byte:02x}" for byte in secret.encode()), safe=""
    ),
    "as JSON writes it": json.dumps,
    "as JSON may write it": lambda secret: secret.replace("/", "\\/"),
    "escaped for JSON, every character": lambda secret: "".join(f"\\u{ord(char):04x}" for char in secret),
    "in JSON within JSON": lambda secret: json.dumps(json.dumps({"authorization": f"Bearer {secret}"})),
    "escaped for HTML": html.escape,
    "escaped for HTML, every character": lambda secret: "".join(f"&#{ord(char)};" for char in secret),
    "escaped for HTML, every character in hex": lambda secret: "".join(f"&#x{ord(char):X};" for char in secret),
    "as Python shows bytes": lambda secret: "".join(f"\\x{byte:02x}" for byte in secret.encode()),
    "in hex": lambda secret: secret.encode().hex(),
    "in hex, large letters": lambda secret: secret.encode().hex().upper(),
    "in large letters": str.upper,
    "in small letters": str.lower,
    "wrapped": lambda secret: wrapped(secret, 8, "\r\n  "),
    "wrapped within JSON": lambda secret: wrapped(secret, 8, "\\n"),
    "wrapped for mail": lambda secret: wrapped(secret, 8, "=\r\n"),
    "in a header's line": lambda secret: f"apikey:{secret};",
    "in an address": lambda secret: f"postgresql://ana:{secret}@db.example.org/billing",
    "its first half": lambda secret: secret[: -(-len(secret) // 2)],
    "its last half": lambda secret: secret[len(secret) // 2 :],
}
_NOT_FOR_ALL = {"its first half", "its last half", "in large letters", "in small letters"}


def traces(secret: str) -> set[str]:
    """Returns what must not be left of a secret: any twelve characters of it, as it is and in the usual encodings."""
    spelled = [
        secret,
        secret.lower(),
        secret.upper(),
        secret.encode().hex(),
        *(in_base64(" " * n, secret) for n in range(3)),
    ]
    return {text[at : at + 12] for text in spelled for at in range(3, len(text) - 15)}


def left_of(secret: str, text: str) -> list[str]:
    return [trace for trace in traces(secret) if trace in text]


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("secret", SECRETS, ids=["key", "password", "JWT"])
def test_nothing_is_left_of_a_secret_however_it_is_spelled(secret: str, spell: Callable[[str], str]) -> None:
    spelled = spell(secret)
    if len(spelled) < 15:
        spelled = secret  # a part that short is found at an edge only
    text = Blanker(SECRETS).text(f"TOC failed. {spelled} was sent.")
    assert spelled not in text
    assert left_of(secret, text) == []
    assert MARK in text
    assert text.startswith("TOC failed. ")
    assert text.endswith("sent.")


@pytest.mark.parametrize("secret", SECRETS, ids=["key", "password", "JWT"])
@pytest.mark.parametrize("length", [12, 19, 27])
def test_a_rest_at_the_edge_of_a_text_that_was_cut_is_blanked(secret: str, length: int) -> None:
    blanker, words = Blanker((secret,)), "and the rest of a long sentence " * 4
    for spelled in (secret, in_base64("", secret), quote(secret, safe=""), secret.encode().hex()):
        assert blanker.text(f"{words}{spelled[:length]}").startswith(f"{words}{MARK}"), spelled
    for spelled in (secret, in_base64("", secret)):
        assert blanker.text(f"{spelled[-length:]} {words}") == f"{MARK} {words}", spelled


def test_a_short_text_was_not_cut_so_it_stays() -> None:
    """The name of one of our own markers begins as this key ends."""
    assert Blanker(("a-secret-key-of-the-function",)).text("function_host") == "function_host"


@pytest.mark.parametrize("part", JWT.split("."), ids=["header", "payload", "signature"])
def test_each_part_of_a_legacy_key_counts(part: str) -> None:
    assert Blanker((JWT,)).text(f"token {part} refused") == f"token {MARK} refused"


ORDINARY = (
    "O NIF português '285008413' não é válido!",
    'TOC sync failed: 400 {"error": "The document has more VAT exemptions than allowed"}',
    "Invalid JWT",
    "The function could not be reached: [Errno 111] Connection refused",
    '{"success": true, "toc_data": {"id": 7, "document_no": "FT 2026/7", "atcud": "ABCD1234-7"}}',
    "9f1c2d34-5678-4abc-9def-0123456789ab",
    'password authentication failed for user "postgres"',
)  # fmt: skip


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_stay(text: str) -> None:
    settings = (
        "sandbox",
        "k",
        "in_doubt",
        "not-synced",
        "postgres",
        "password",
        "document",
        "12345678",
        "a-secret-key-of-the-function",
    )
    assert Blanker((*SECRETS, *settings)).text(text) == text
    assert Blanker().text(text) == text


@pytest.mark.parametrize("weak", ["k3y", "postgres", "12345678", "Document", "in_doubt", "hush-hush"])
def test_a_key_that_is_short_or_a_plain_word_is_blanked_where_a_key_is_named(weak: str) -> None:
    blanker = Blanker((weak,))
    assert blanker.text(f"Authorization: Bearer {weak}") == f"Authorization: Bearer {MARK}"
    assert blanker.text(f'{{"apikey":"{weak}"}}') == f'{{"apikey":"{MARK}"}}'
    assert blanker.text(f"postgresql://ana:{weak}@db/x") == f"postgresql://ana:{MARK}@db/x"
    assert blanker.text(f"The {weak}s of 2026") == f"The {weak}s of 2026"


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_json_stays_json_and_names_what_it_named(spell: Callable[[str], str]) -> None:
    said = {"document_no": "FT 2026/7", "request": {spell(KEY): [spell(KEY), 12.5, None, True]}}
    found = json.loads(Blanker(SECRETS).json_text(json.dumps(said)))
    assert found["document_no"] == "FT 2026/7"
    ((_, values),) = found["request"].items()
    assert values[1:] == [12.5, None, True]
    assert left_of(KEY, json.dumps(found)) == []


COMMON = ("document", "success1", "FT 2026/7", "O NIF português", "already exists")
ANSWERS = (
    {"error": "O NIF português '285008413' não é válido!"},
    {"error": "The document already exists"},
    {"success": True, "document_no": "FT 2026/7"},
)


@pytest.mark.parametrize("body", ANSWERS, ids=["a refusal", "a document exists", "a success"])
def test_what_an_answer_means_is_read_before_anything_is_blanked(
    body: object, function: StandIn, founded_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these keys is a piece of what the answer says."""
    raw = json.dumps(body, ensure_ascii=False).encode()
    expected = classify(
        Reply(
            http_status=500 if "error" in raw.decode() else 200, headers={}, body=raw, truncated=False, duration_ms=1
        ),
        shipped_refusals(),
    )
    with billing_desk(founded_file, function) as desk:
        function.answer(None, {"status": expected.http_status, "body": raw})
        words = [*COMMON, "O NIF português '285008413'", "The document already", '"document_no": "FT 2026/7"']
        monkeypatch.setattr(Settings, "secrets", property(lambda _: tuple(words)))
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        opened = open_runtime(load_settings())
        invoice_id = desk.add_invoice()
        opened.send_now(invoice_id, actor="ana")
        outcome = {Outcome.SYNCED: Status.SYNCED, Outcome.FAILED: Status.FAILED, Outcome.IN_DOUBT: Status.IN_DOUBT}
        assert opened.states([invoice_id])[0].status is outcome[expected.outcome]
        opened.close()


def test_looking_costs_little() -> None:
    """A body is stored up to 64 KiB; what was found to be clean, as nearly everything is, costs no more than this."""
    blanker = Blanker(SECRETS)
    row = {"number": "FT 2026/7", "payer": "Café Tulipa", "address": "https://example.org/a/b", "amount": 12.5}
    body = json.dumps([row] * 12_000, ensure_ascii=False)[: 1024 * 1024]
    costs = []
    for _ in range(3):
        began = time.process_time()
        assert not blanker.finds(body)
        costs.append(time.process_time() - began)
    print(f"1 MiB: {1000 * min(costs):.1f} ms")
    assert min(costs) < 0.25, "a hundred times more than it should would be noticed on any machine"


# What is secret in the settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "secret"),
    [
        pytest.param({"TOC_FUNCTION_KEY": KEY}, KEY, id="the key"),
        pytest.param({"DATABASE_URL": "postgresql://u:s3cr3t-pass@h/d"}, "s3cr3t-pass", id="the password"),
        pytest.param({"DATABASE_URL": "postgresql://u:s3cr3t%2Fpass@h/d"}, "s3cr3t/pass", id="decoded"),
        pytest.param({"DATABASE_URL": "postgresql://u:s3cr3t@pass@h/d"}, "s3cr3t@pass", id="with an @ in it"),
        pytest.param({"DATABASE_URL": "postgresql://h/d?user=u&password=s3cr3t-pass"}, "s3cr3t-pass", id="behind ?"),
        pytest.param({"TOC_SYNC_ALERT_URLS": "mailto://ana:hush-hush1@example.org"}, "hush-hush1", id="of a mailbox"),
        pytest.param({"TOC_SYNC_ALERT_URLS": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}, "TIiajkdnlazkcOXrIdevi7FQ", id="a token"),
        pytest.param({"TOC_SYNC_ALERT_URLS": "json://example.org/hook?token=abcdef12345"}, "abcdef12345", id="a token behind ?"),
    ],
)  # fmt: skip
def test_the_settings_know_what_is_secret_in_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], secret: str
) -> None:
    complete = {"TOC_FUNCTION_URL": "http://127.0.0.1:9/f", "TOC_FUNCTION_KEY": "k"}
    for name, value in (complete | variables).items():
        monkeypatch.setenv(name, value)
    secrets = load_settings().secrets
    assert secret in secrets
    assert not {"example.org", "h", "d", "postgresql", "slack", "mailto"} & set(secrets)


def test_a_password_that_breaks_its_address_is_not_told_when_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATABASE_URL": "postgresql://ana:s3cr3t@pass-w0rd@127.0.0.1:1/billing?connect_timeout=1",
        "TOC_FUNCTION_URL": "http://127.0.0.1:9/f",
        "TOC_FUNCTION_KEY": KEY,
    }.items():
        monkeypatch.setenv(name, value)
    for command in ("check", "status", "worker", "init-db"):
        result = CliRunner().invoke(program, [command])
        told = result.output + "".join(traceback.format_exception(result.exception)) * (result.exit_code not in (0, 1))
        assert result.exit_code == 1, told
        assert "s3cr3t" not in told
        assert "pass-w0rd" not in told


# Everywhere -----------------------------------------------------------------------------------------------------------


def echoes() -> dict[str, dict[str, Any]]:
    """Returns answers that repeat the key: each spelling in an error, a success, a header, cut, and more."""
    found: dict[str, dict[str, Any]] = {}
    for name, spell in SPELLINGS.items():
        said = spell(KEY)
        found[f"an error: {name}"] = {
            "status": 500,
            "body": {"error": f"TOC refused {said}", "request": {"headers": [said]}},
        }
        found[f"plain text: {name}"] = {"status": 400, "body": f"Rejected: {said}"}
        found[f"a success: {name}"] = {
            "status": 200,
            "body": {"success": True, "toc_data": {"document_no": "FT 2026/1", "echo": {said: said}}},
        }
    long = "x" * 3000
    found |= {
        "a header": {"status": 500, "headers": {"sb-request-id": KEY, "cf-ray": in_base64("a", KEY)}, "body": "{}"},
        "a document number": {"status": 200, "body": {"success": True, "document_no": f"FT {KEY}"}},
        "a success of another status": {"status": 202, "body": {"authorization": f"Bearer {KEY}"}},
        "a wrong key": {"status": 401, "body": {"code": "UNAUTHORIZED_X", "message": f"Invalid JWT {KEY}"}},
        "broken JSON": {"status": 500, "body": '{"headers": {"authorization": "Bearer ' + KEY},
        "markup": {"status": 502, "body": f"<html><pre>Authorization: Bearer {html.escape(KEY)}</pre></html>"},
        **{f"an error cut at {2000 + n}": {"status": 500, "body": {"error": (long[: 1990 - n] + " " + KEY + long)}} for n in (0, 5, 25)},
        **{
            f"a body cut {n} bytes on": {"status": 500, "body": " " * (STORED_BODY_BYTES - n) + KEY + long}
            for n in (9, 20, 33)
        },
    }  # fmt: skip
    return found


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, by whomever, as a console would show it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    loggers = (logging.getLogger(), logging.getLogger("toc_sync"))
    level = loggers[1].level
    loggers[1].setLevel(logging.INFO)
    for each in loggers:
        each.addHandler(handler)
    yield written
    for each in loggers:
        each.removeHandler(handler)
    loggers[1].setLevel(level)


@pytest.fixture
def desk(founded_url: str, function: StandIn, monkeypatch: pytest.MonkeyPatch, postbox: Postbox) -> Iterator[Desk]:
    st.cache_data.clear()
    with billing_desk(founded_url, function) as desk:
        for name, value in {**desk.environment, "TOC_FUNCTION_KEY": KEY, "TOC_SYNC_ALERT_URLS": postbox.url}.items():
            monkeypatch.setenv(name, value)
        yield desk
        runtime.close_current()
        keep_out_of_the_log(Blanker())


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with Postbox() as box:
        yield box


def everything_stored(desk: Desk) -> str:
    """Returns every table's every column as text, one value a line, with JSON written plainly."""
    schemas = [None] if desk.engine.dialect.name == "sqlite" else ["public", OUR_SCHEMA]
    lines = []
    with desk.engine.connect() as conn:
        for schema in schemas:
            for name in inspect(conn).get_table_names(schema=schema):
                metadata = MetaData(schema=schema)
                metadata.reflect(conn, only=[name], resolve_fks=False)
                for row in conn.execute(select(next(iter(metadata.tables.values())))):
                    lines += [json.dumps(v, ensure_ascii=False) if isinstance(v, dict | list) else str(v) for v in row]
    return "\n".join(lines)


def shown(address: dict[str, str], page: str) -> str:
    at = AppTest.from_file(str(FRAME), default_timeout=60).run()
    for name, value in address.items():
        at.query_params[name] = value
    at.switch_page(page).run()
    assert not at.exception
    frames = " ".join(frame.value.to_csv() for frame in at.dataframe)
    kinds = (
        at.title,
        at.subheader,
        at.markdown,
        at.caption,
        at.error,
        at.warning,
        at.success,
        at.info,
        at.code,
        at.toast,
    )
    return frames + "\n".join(str(element.value) for kind in kinds for element in kind) + repr(at.main)


def test_a_key_that_is_echoed_in_every_way_is_found_nowhere(
    desk: Desk, function: StandIn, postbox: Postbox, log: io.StringIO
) -> None:
    opened = runtime.current()
    ways = echoes()
    assert len(ways) >= 20
    sent = {name: desk.add_invoice(invoice_number=f"E {number}") for number, name in enumerate(ways)}
    for name, invoice_id in sent.items():
        function.answer(invoice_id, ways[name])
        opened.gate.resume(actor="ana")
        opened.send_now(invoice_id, actor="ana")
    assert all(function.count(invoice_id) == 1 for invoice_id in sent.values()), "each was answered with an echo"

    found = {"database": everything_stored(desk), "log": log.getvalue()}
    rules = AlarmRules(label="Production", waiting_limit=timedelta(minutes=30))
    Alarm(opened.engine, open_channels([postbox.url]), rules).look()
    found["alerts"] = "\n".join(letter.title + letter.body for letter in postbox.letters)
    found["metrics"] = Figures(opened.engine).as_text().decode()
    everything = list(opened.activity.export(ActivityFilter()))
    found["CSV"] = download.as_csv(opened.export_invoices(InvoiceFilter())).decode()
    found["activity as CSV"] = spreadsheet.as_csv(
        activity_download.HEADINGS, activity_download.table(everything)
    ).decode()
    failed, doubt = sent["an error: bare"], sent["broken JSON"]
    success = sent["a success: bare"]
    for page, address in {
        "overview.py": {},
        "activity.py": {"attempt": "1"},
        "invoices.py": {"invoice": str(failed)},
        "invoices.py ": {"invoice": str(doubt)},
        " invoices.py": {"invoice": str(success)},
    }.items():
        found[f"{page} {address}"] = shown(address, page.strip())
    for command in (
        ["status", "--json"],
        ["status", str(failed), str(doubt), "--json"],
        ["activity", "--json"],
        ["check"],
    ):
        function.answer(None, ways["a wrong key"])
        result = CliRunner().invoke(program, command)
        found[" ".join(command)] = result.output
    assert found["alerts"], "something was told"
    assert MARK in found["database"]
    assert MARK in found["log"]
    for place, text in found.items():
        assert left_of(KEY, text) == [], place
        for name, spell in SPELLINGS.items():
            if name not in _NOT_FOR_ALL:
                assert spell(KEY) not in text, (place, name)


def test_what_the_other_application_wrote_is_shown_without_the_key(desk: Desk) -> None:
    opened = runtime.current()
    invoice_id = desk.add_invoice(
        api_response={"error": f"TOC sync failed: 500 Bearer {KEY}", "failed_at": "2026-01-01"}
    )
    assert left_of(KEY, repr(opened.states([invoice_id])) + repr(opened.invoice_detail(invoice_id))) == []
    opened.retry(invoice_id, actor="ana")
    assert left_of(KEY, repr(opened.invoice_detail(invoice_id))) == []


def test_what_people_write_is_stored_without_the_key(desk: Desk) -> None:
    runtime.current().gate.pause(actor="ana", reason=f"The new key is {KEY}.")
    assert left_of(KEY, everything_stored(desk)) == []
    assert runtime.current().sending().gate.reason == f"The new key is {MARK}"


def test_tracebacks_and_other_peoples_log_lines_are_blanked_too(log: io.StringIO) -> None:
    keep_out_of_the_log(Blanker(SECRETS))
    try:
        int(f"connection to postgresql://ana:{quote(PASSWORD)}@db failed")
    except ValueError:
        logging.getLogger("streamlit.anything").exception("failed step=%s", KEY)
    logging.getLogger("somebody.else").warning(
        '%s - "%s %s HTTP/%s" %d', "127.0.0.1", "GET", f"/?key={KEY}", "1.1", 200
    )
    keep_out_of_the_log(Blanker())
    assert left_of(KEY, log.getvalue()) == []
    assert left_of(PASSWORD, log.getvalue()) == []
    assert "ValueError" in log.getvalue()
    assert '"GET' in log.getvalue()
    assert blanked(KEY) == KEY, "nothing is kept from one test to the next"
