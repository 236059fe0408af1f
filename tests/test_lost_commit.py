"""After a lost COMMIT nobody is told to try again blindly: the sentence says what is safe, and a token makes it so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner

import toc_sync
from tests.broken_wire import BrokenWire, Unnoticed
from tests.core import REFUSALS, TIMED_OUT, Desk, standalone
from toc_sync import runtime
from toc_sync.cli import program
from toc_sync.engines import open_engine
from toc_sync.model import CommitUncertain, DatabaseUnavailable
from toc_sync.runtime import Runtime
from toc_sync.settings import Settings
from toc_sync.tables import issued_client_invoices

CREATED = b"sync_records"
TOKEN = "order-118"


@pytest.fixture
def wire(postgres_desk: Desk) -> Iterator[BrokenWire]:
    with BrokenWire(postgres_desk.engine.url.render_as_string(hide_password=False)) as broken:
        yield broken


@pytest.fixture
def script(wire: BrokenWire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """This process's runtime, behind the wire; after a cut it goes on."""
    desk = Runtime(Settings(), open_engine(wire.url), REFUSALS)
    monkeypatch.setattr(runtime, "_current", desk)
    yield desk
    desk.close()


def count(desk: Desk) -> int:
    return desk.count(issued_client_invoices)


CUTS = [
    pytest.param(False, None, 0, id="the commit was lost"),
    pytest.param(True, None, 1, id="it happened, its answer was lost"),
    pytest.param(True, Unnoticed.BY_BOTH, 1, id="it happened, and then there was silence"),
]


@pytest.mark.parametrize(("answered", "unnoticed", "made"), CUTS)
def test_a_script_with_a_token_asks_again_and_makes_one_invoice(
    postgres_desk: Desk, wire: BrokenWire, script: Runtime, answered: bool, unnoticed: Unnoticed | None, made: int
) -> None:
    payload = standalone()
    wire.cut_at(b"COMMIT", answered=answered, after=CREATED, unnoticed=unnoticed)
    with pytest.raises(CommitUncertain) as said:
        toc_sync.create_and_issue_invoice_rpc(payload, token=TOKEN)
    assert count(postgres_desk) == made
    assert f"“{TOKEN}”" in str(said.value)
    assert "may have been created, or not" in str(said.value)
    toc_sync.create_and_issue_invoice_rpc(payload, token=TOKEN)
    assert count(postgres_desk) == 1


def test_a_script_without_one_is_told_to_look_first_and_how_to_be_safe(
    postgres_desk: Desk, wire: BrokenWire, script: Runtime
) -> None:
    wire.cut_at(b"COMMIT", answered=True, after=CREATED)
    with pytest.raises(CommitUncertain) as said:
        toc_sync.create_and_issue_invoice_rpc(standalone())
    assert "Look for it" in str(said.value)
    assert "--token" in str(said.value)
    assert "try again" not in str(said.value).lower()


def test_the_command_line_has_a_token_and_names_it(postgres_desk: Desk, wire: BrokenWire, script: Runtime) -> None:
    arguments = ["create", "--issuer", "1", "--payer", "2", "--subtotal", "100", "--vat", "23", "--total", "123"]
    wire.cut_at(b"COMMIT", answered=True, after=CREATED)
    first = CliRunner().invoke(program, [*arguments, "--token", TOKEN])
    assert first.exit_code == 1
    assert TOKEN in first.output
    runtime._current = Runtime(Settings(), open_engine(wire.url), REFUSALS)  # the command had closed its own
    again = CliRunner().invoke(program, [*arguments, "--token", TOKEN])
    assert (again.exit_code, again.output.strip()) == (0, "1")
    assert count(postgres_desk) == 1


def test_what_was_lost_before_the_commit_may_be_tried_again(
    postgres_desk: Desk, wire: BrokenWire, script: Runtime
) -> None:
    wire.cut_at(b"INSERT INTO issued_client_invoices", answered=True)
    with pytest.raises(DatabaseUnavailable) as said:
        toc_sync.create_and_issue_invoice_rpc(standalone())
    assert type(said.value) is DatabaseUnavailable
    assert "Nothing was changed: try again" in str(said.value)
    assert count(postgres_desk) == 0


def test_any_other_verb_says_that_it_is_unknown_and_to_look(
    postgres_desk: Desk, wire: BrokenWire, script: Runtime
) -> None:
    invoice_id = postgres_desk.adopted()
    wire.cut_at(b"COMMIT", answered=True, after=b"sync_actions")
    with pytest.raises(CommitUncertain) as said:
        toc_sync.retry_sync_invoice_with_toc(invoice_id)
    assert "not known" in str(said.value)
    assert "Look at how it stands" in str(said.value)
    assert postgres_desk.record(invoice_id)["status"] == "queued"


def test_what_takes_several_steps_says_that_a_part_is_done(
    postgres_desk: Desk, wire: BrokenWire, script: Runtime
) -> None:
    postgres_desk.settle(postgres_desk.claim(postgres_desk.create()), TIMED_OUT)
    postgres_desk.create()
    wire.cut_at(b"COMMIT", answered=False, skip=2)
    with pytest.raises(DatabaseUnavailable) as said:
        script.gate.distrust(since=postgres_desk.now().replace(year=2020), until=postgres_desk.now(), actor="ana")
    assert "A part of this is done" in str(said.value)
