"""The commands that teach what an answer means, list that, and take it back."""

from __future__ import annotations

import json

import pytest

from tests.billing_desk import billing_desk
from tests.stand_in import StandIn
from tests.test_cli import run

ANSWER = {"status": 500, "body": {"error": "A unidade 17 não existe no artigo"}}
SAID = ("--name", "unit", "--remedy", "Correct the unit.", "--reason", "They told us.")


@pytest.fixture
def desk(founded_file, monkeypatch):
    with StandIn() as function, billing_desk(founded_file, function) as desk:
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        function.answer(None, ANSWER)
        yield desk


@pytest.fixture
def doubtful(desk):
    invoice_id = desk.add_invoice()
    assert run("sync", invoice_id).exit_code == 3
    return invoice_id


def test_a_dry_run_says_what_would_change_and_changes_nothing(desk, doubtful):
    result = run("teach", doubtful, "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "A unidade 17 não existe no artigo",
        "http=500 | error: a unidade 17 nao existe no artigo",
        "Matches 1 past answers. 1 invoice in doubt would become retryable, €123.00.",
    ]
    assert desk.statuses()[doubtful] == "in_doubt"


def test_what_is_taught_is_listed_and_can_be_withdrawn(desk, doubtful):
    taught = run("teach", doubtful, *SAID)
    assert (taught.exit_code, taught.stdout) == (0, "Taught. 1 invoice can now be retried with one click.\n")
    assert desk.statuses()[doubtful] == "failed"
    assert "1 invoice failed because of it" in run("refusals").stdout
    (row,) = json.loads(run("refusals", "--json").stdout)
    assert (row["name"], row["fixer"], row["failed"]) == ("unit", "finance", 1)

    assert run("withdraw-refusal", "unit").exit_code == 5
    withdrawn = run("withdraw-refusal", "unit", "--reason", "It was there once.")
    assert (withdrawn.exit_code, withdrawn.stdout) == (0, "Withdrawn. 1 invoice went back to in doubt.\n")
    assert desk.statuses()[doubtful] == "in_doubt"
    assert run("refusals").stdout == "No answer was taught.\n"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param({"status": 504, "body": {"error": "A unidade 17 não existe"}}, "Only an invoice", id="time-out"),
        pytest.param({"status": 502, "body": {"error": "A unidade 17 não existe"}}, "function itself", id="gateway"),
    ],
)
def test_what_cannot_be_taught_is_refused_with_a_sentence(desk, answer, words):
    invoice_id = desk.add_invoice()
    desk.function.answer(invoice_id, answer)
    run("sync", invoice_id)
    for arguments in (SAID, ("--dry-run",)):
        result = run("teach", invoice_id, *arguments)
        assert result.exit_code == 5
        assert words in result.stdout
