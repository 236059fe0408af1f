"""The commands that create, send, queue again and report: what they print, and the exit status that scripts rely on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner, Result

from tests.billing_desk import Desk, billing_desk
from tests.stand_in import StandIn
from toc_sync import outbox, wording
from toc_sync.cli import program
from toc_sync.database import current_time, writing
from toc_sync.sandbox import SandboxDocuments

ISSUED = {"status": 200, "body": {"success": True, "toc_data": {"document_no": "FT 2026/7"}}}
REFUSED = {"status": 500, "body": {"error": "O NIF português '285008413' não é válido!"}}
UNCLEAR = {"status": 500, "body": {"error": "Ocorreu uma situação inesperada"}}
NOT_STARTED = {"status": 503, "headers": {"sb-error-code": "BOOT_ERROR"}, "body": {"code": "BOOT_ERROR", "message": ""}}
STANDALONE = ("create", "--issuer", "1", "--payer", "2", "--subtotal", "100", "--vat", "23", "--total", "123")


@pytest.fixture
def function() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def desk(founded_url: str, function: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with billing_desk(founded_url, function) as desk:
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        yield desk


@pytest.fixture
def simple_desk(founded_file: str, function: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with billing_desk(founded_file, function) as desk:
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        yield desk


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(program, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def the_error(result: Result) -> str:
    """Returns the one sentence of a command that ended with an error, and nothing but that."""
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


@pytest.mark.parametrize("command", sorted(program.commands))
def test_every_command_explains_itself(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4


@pytest.mark.parametrize(
    ("answers", "exit_code"),
    [
        pytest.param([ISSUED], 0, id="synced"),
        pytest.param([ISSUED, ISSUED], 0, id="all synced"),
        pytest.param([UNCLEAR], 3, id="in doubt"),
        pytest.param([REFUSED], 4, id="failed"),
        pytest.param([NOT_STARTED], 5, id="still waiting"),
        pytest.param([REFUSED, UNCLEAR, ISSUED], 3, id="a doubt outweighs a failure"),
        pytest.param([NOT_STARTED, REFUSED], 4, id="a failure outweighs waiting"),
    ],
)
def test_sync_sends_now_and_its_exit_status_tells_the_worst(simple_desk, answers, exit_code):
    ids = [simple_desk.add_invoice() for _ in answers]
    for invoice_id, answer in zip(ids, answers, strict=True):
        simple_desk.function.answer(invoice_id, answer)
    result = run("sync", *ids)
    assert result.exit_code == exit_code
    assert [int(line.split()[0]) for line in result.stdout.splitlines()] == ids
    assert simple_desk.function.counts() == dict.fromkeys(ids, 1)


def test_sync_says_what_became_of_each_invoice(desk):
    synced, doubtful, cancelled = desk.add_invoice(), desk.add_invoice(), desk.add_invoice(status="cancelled")
    desk.function.answer(synced, ISSUED)
    desk.function.answer(doubtful, UNCLEAR)
    assert run("sync", synced, doubtful, cancelled, synced).stdout.splitlines() == [
        f"{synced} synced FT 2026/7",
        f"{doubtful} in_doubt Ocorreu uma situação inesperada",
        f"{cancelled} not_needed The invoice was cancelled in billing, so it is not sent.",
    ]
    assert desk.invoice(synced)["api_response"]["document_no"] == "FT 2026/7"


def test_sync_of_what_is_synced_already_sends_nothing_and_is_fine(simple_desk):
    invoice_id = simple_desk.add_invoice(api_response={"success": True, "toc_data": {"document_no": "FT 2026/1"}})
    result = run("sync", invoice_id)
    assert result.exit_code == 0
    assert "already in TOC Online" in result.stdout
    assert simple_desk.function.requests == []


@pytest.mark.parametrize("command", ["sync", "retry", "status"])
@pytest.mark.parametrize(
    "invoice_id",
    [
        pytest.param("abc", id="no number"),
        pytest.param("-5", id="negative"),
        pytest.param("0", id="zero"),
        pytest.param("1.5", id="a fraction"),
        pytest.param("9223372036854775808", id="beyond bigint"),
        pytest.param("4242", id="unknown"),
        pytest.param("1; DROP TABLE teams", id="SQL"),
    ],
)
def test_an_impossible_invoice_is_one_sentence_and_sends_nothing(simple_desk, command, invoice_id):
    known = simple_desk.add_invoice()
    assert invoice_id.split(";")[0].strip() in the_error(run(command, known, invoice_id))
    assert simple_desk.function.requests == []
    assert simple_desk.statuses() == {}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["sync"], id="sync without ids"),
        pytest.param(["sync", "--later", "1"], id="an unknown option"),
        pytest.param(["retry"], id="retry of nothing in particular"),
        pytest.param(["retry", "1", "--status", "failed"], id="retry of ids and of a filter"),
        pytest.param(["retry", "--since", "2026-13-01"], id="no date"),
        pytest.param(["retry", "--status", "lost"], id="an unknown status"),
        pytest.param(["retry", "--status", "failed", "--recover-since", "2026-11-22"], id="a filter and a recovery"),
        pytest.param(["retry", "--recover-until", "2026-11-22"], id="the end of no recovery"),
        pytest.param(["retry", "--status", "failed", "--json"], id="JSON of what is done"),
        pytest.param(["batch", "0"], id="no batch"),
        pytest.param(["worker", "--threads", "0"], id="no threads"),
        pytest.param(["create", "--order", "1", "--amount", "100"], id="an amount without its order"),
        pytest.param(["create", "--order", "1", "--amount", "1=5", "--amount", "1=6"], id="two amounts for one order"),
        pytest.param(["fly"], id="an unknown command"),
    ],
)
def test_wrong_usage_has_exit_status_2(simple_desk, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


@pytest.fixture
def failed(desk: Desk) -> dict[str, int]:
    """Four invoices: two failed (one of them in October), one in doubt, one synced."""
    ids = {
        "october": desk.add_invoice(invoice_date=date(2026, 10, 5)),
        "november": desk.add_invoice(invoice_date=date(2026, 11, 5)),
        "doubt": desk.add_invoice(),
        "synced": desk.add_invoice(),
    }
    answers = {"october": REFUSED, "november": REFUSED, "doubt": UNCLEAR, "synced": ISSUED}
    for name, invoice_id in ids.items():
        desk.function.answer(invoice_id, answers[name])
    run("sync", *ids.values())
    return ids


def test_retry_queues_and_sends_nothing(desk, failed):
    result = run("retry", failed["october"])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "1 invoice queued, 0 refused."
    assert desk.statuses()[failed["october"]] == "queued"
    assert desk.function.count(failed["october"]) == 1


@pytest.mark.parametrize("command", ["sync", "retry"])
def test_what_the_other_application_may_be_sending_goes_out_only_anyway(simple_desk, command):
    invoice_id = simple_desk.add_invoice(updated_at=None)
    asked = run(command, invoice_id)
    assert (asked.exit_code, wording.MAY_BE_SENDING in asked.stdout) == (5, True)
    assert simple_desk.function.count(invoice_id) == 0
    assert run(command, invoice_id, "--anyway").exit_code == 0
    assert simple_desk.statuses()[invoice_id] == ("synced" if command == "sync" else "queued")


def test_retry_refuses_what_may_not_be_sent_and_says_why(desk, failed):
    result = run("retry", failed["doubt"], failed["synced"], failed["october"])
    assert result.exit_code == 5
    doubt, synced, october, summary = result.stdout.splitlines()
    assert doubt == f"{failed['doubt']} refused: It may already be in TOC Online. Look it up there, then use Resolve."
    assert synced.startswith(f"{failed['synced']} refused: It is already in TOC Online.")
    assert october.startswith(f"{failed['october']} queued")
    assert summary == "1 invoice queued, 2 refused."


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        pytest.param(["--since", "2026-11-01"], {"november"}, id="since: failed ones only"),
        pytest.param(["--until", "2026-10-31"], {"october"}, id="until"),
        pytest.param(["--since", "2026-10-05", "--until", "2026-11-05"], {"october", "november"}, id="both ends"),
        pytest.param(["--error-kind", "rejected"], {"october", "november"}, id="kind of error"),
        pytest.param(["--status", "in_doubt"], {"doubt"}, id="status"),
        pytest.param(["--status", "in_doubt", "--status", "failed"], {"october", "november", "doubt"}, id="two"),
        pytest.param(["--error-kind", "timeout"], set(), id="nothing fits"),
    ],
)
def test_retry_finds_by_filter(desk, failed, arguments, found):
    foretold = json.loads(run("retry", *arguments, "--dry-run", "--json").stdout)
    may_be_sent = {failed[name] for name in found - {"doubt"}}
    assert (foretold["matching"], foretold["would_be_sent"]) == (len(found), len(may_be_sent))
    run("retry", *arguments)
    assert {each for each, status in desk.statuses().items() if status == "queued"} == may_be_sent


def test_a_dry_run_foretells_and_changes_nothing(desk, failed):
    before = desk.statuses()
    foretold = run("retry", "--status", "failed", "--status", "in_doubt", "--dry-run")
    assert desk.statuses() == before
    done = run("retry", "--status", "failed", "--status", "in_doubt")
    assert foretold.exit_code == done.exit_code == 5
    assert foretold.stdout.splitlines()[-1] == "2 invoices would be queued, 1 refused."
    assert done.stdout.splitlines()[-1] == "2 invoices queued, 1 refused."
    refusals = [line for line in foretold.stdout.splitlines() if " refused: " in line]
    assert refusals
    assert set(refusals) <= set(done.stdout.splitlines())


def test_status_as_json_has_exactly_the_promised_fields(desk, failed):
    state = json.loads(run("status", failed["synced"], "--json").stdout)
    assert list(state) == [
        "invoice_id",
        "status",
        "synced",
        "synced_at",
        "error",
        "error_kind",
        "attempts",
        "not_before",
        "document_no",
    ]
    assert (state["status"], state["synced"], state["document_no"]) == ("synced", True, "FT 2026/7")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", state["synced_at"])


def test_status_of_several_is_a_list_in_the_order_asked(desk, failed):
    unseen = desk.add_invoice()
    states = json.loads(run("status", unseen, failed["doubt"], "--json").stdout)
    assert [(state["invoice_id"], state["status"], state["error_kind"]) for state in states] == [
        (unseen, "not_synced", None),
        (failed["doubt"], "in_doubt", "server_error"),
    ]
    assert unseen not in desk.statuses(), "reading must not write"


def test_status_without_ids_counts(desk, failed):
    counts = json.loads(run("status", "--json").stdout)
    assert {name: count for name, count in counts.items() if count} == {"synced": 1, "failed": 2, "in_doubt": 1}
    assert re.search(r"^failed +2 +€246\.00$", run("status").stdout, re.MULTILINE)


def test_create_prints_the_id_and_leaves_the_sending_to_a_worker(desk):
    result = run(*STANDALONE, "--number", "A 1", "--date", "2026-11-20", "--notes", "Olá")
    assert result.exit_code == 0
    invoice = desk.invoice(int(result.stdout))
    assert (invoice["invoice_number"], invoice["total_amount"], invoice["notes"]) == ("A 1", Decimal("123.00"), "Olá")
    assert desk.statuses() == {invoice["id"]: "queued"}
    assert desk.function.requests == []


def test_create_with_sync_sends_at_once(desk):
    desk.function.answer(None, REFUSED)
    result = run(*STANDALONE, "--sync")
    assert result.exit_code == 4
    number, line = result.stdout.splitlines()
    assert line == f"{number} failed O NIF português '285008413' não é válido!"


def test_create_from_orders_takes_what_remains_or_the_amount_given(desk):
    whole, part = desk.add_order(), desk.add_order("500.00", "30.00")
    result = run("create", "--order", whole, "--order", part, "--amount", f"{part}=100")
    invoice = desk.invoice(int(result.stdout))
    assert (invoice["subtotal_amount"], invoice["vat_amount"]) == (Decimal("1100.00"), Decimal("236.00"))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        pytest.param(["--issuer", "1"], ["--payer", "--subtotal", "--vat", "--total"], id="missing"),
        pytest.param([*STANDALONE[1:], "--payer", "1"], ["--payer"], id="payer is issuer"),
        pytest.param([*STANDALONE[1:], "--subtotal", "NaN"], ["--subtotal"], id="not a number"),
        pytest.param([*STANDALONE[1:], "--total", "Infinity"], ["--total"], id="infinite"),
        pytest.param([*STANDALONE[1:], "--vat", "22"], ["--total"], id="does not add up"),
        pytest.param([*STANDALONE[1:], "--date", "20/11/2026"], ["--date"], id="date"),
        pytest.param([*STANDALONE[1:], "--currency", "EURO"], ["--currency"], id="currency"),
        pytest.param([*STANDALONE[1:], "--issuer", "99"], ["--issuer"], id="unknown team"),
        pytest.param([*STANDALONE[1:], "--notes", "x" * 10_000], ["--notes"], id="too long"),
        pytest.param(["--order", "77"], ["--order"], id="unknown order"),
        pytest.param(["--order", "1", "--amount", "1=5000"], ["--amount"], id="more than remains"),
        pytest.param(["--order", "1", "--amount", "2=5"], ["--amount"], id="an amount for another order"),
    ],
)
def test_create_names_the_option_of_each_mistake_and_writes_nothing(simple_desk, arguments, options):
    simple_desk.add_order()
    result = run("create", *arguments)
    assert result.exit_code == 1
    lines = result.stderr.removeprefix("Error: ").splitlines()
    assert [line.partition(":")[0] for line in lines] == options
    assert simple_desk.statuses() == {}


def test_an_answer_can_be_rehearsed_in_the_sandbox_only(simple_desk, monkeypatch):
    assert run(*STANDALONE, "--answer", "refuse_series").exit_code == 2
    assert simple_desk.statuses() == {}
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "true")
    result = run(*STANDALONE, "--answer", "refuse_series", "--sync")
    assert result.exit_code == 4
    assert "ainda não foi comunicada" in result.stdout


def test_the_sandbox_takes_its_place_when_nothing_is_set(tmp_path):
    result = run("sync", run(*STANDALONE).stdout.strip())
    assert result.exit_code == 0
    assert len(SandboxDocuments(tmp_path / "data" / "sandbox.db").documents()) == 1


def test_actions_are_logged_with_the_user_of_the_machine(desk, failed):
    run("retry", failed["october"])
    with desk.engine.connect() as conn:
        prefix = "toc_sync." if conn.dialect.name == "postgresql" else ""
        actors = conn.exec_driver_sql(f"SELECT DISTINCT actor FROM {prefix}sync_actions").scalars().all()
    assert actors
    assert all(re.fullmatch(r"cli:.+", actor) for actor in actors)


def test_workers_lists_who_sends(desk):
    assert run("workers").stdout == "Nothing is sending: no worker is alive.\n"
    assert json.loads(run("workers", "--json").stdout) == []
    with writing(desk.engine) as conn:
        now = current_time(conn)
        outbox.announce(conn, name="one-1-1", host="one", version="1.1.0", threads=4, now=now)
        outbox.announce(conn, name="two-1-1", host="two", version="1.0.9", threads=8, now=now - timedelta(minutes=1))
    first, _, alive, silent = run("workers").stdout.splitlines()
    assert first == "1 worker alive on 1 machine, 4 threads."
    assert re.fullmatch(r"alive +one +1\.1\.0 +4  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", alive)
    assert re.fullmatch(r"silent +two +1\.0\.9 +8  .*", silent)
    facts = json.loads(run("workers", "--json").stdout)
    assert [(row["host"], row["version"], row["threads"], row["alive"]) for row in facts] == [
        ("one", "1.1.0", 4, True),
        ("two", "1.0.9", 8, False),
    ]
