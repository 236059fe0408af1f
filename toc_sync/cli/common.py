"""What commands share: who acts, invoice ids as arguments, and one line about where an invoice stands."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from typing import Any

import click

from toc_sync.model import Confirmed, Result, Status, SyncState, parse_invoice_id

REFUSED = 5
"""Exit status where something asked for was refused, or is still waiting."""

ID_ARGUMENTS: dict[str, Any] = {"ignore_unknown_options": True}
"""Lets a negative number reach `InvoiceId`, which says what is wrong with it; otherwise it is taken for an option."""


ANYWAY = click.option(
    "--anyway",
    is_flag=True,
    help="Also where nothing tells whether the other application is sending it at this moment.",
)


class InvoiceId(click.ParamType[int]):
    """An invoice id on the command line. Raises InvalidInvoiceId."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the id that a word is."""
        if str(value).startswith("--"):
            raise click.NoSuchOption(str(value), ctx=ctx)
        return parse_invoice_id(value)


def confirmed(anyway: bool) -> Confirmed:
    """Returns what a command has confirmed: it means what it says, and is told of the rest."""
    return Confirmed.EVERYTHING if anyway else Confirmed.UNCHANGED


def actor() -> str:
    """Returns who acts, for the log of what people did."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):  # a user id without a name, as containers have
        return "cli"


def line_about(state: SyncState, result: Result | None = None) -> str:
    """Returns one line: id, status and what else is known, first of all why what was asked did not happen."""
    waits_for_its_turn = state.status is Status.QUEUED and not state.not_before
    refusal = result.message if result and (not result.done or waits_for_its_turn) else ""
    if state.status is Status.QUEUED and state.not_before:
        waits = f"next try at {state.not_before:%Y-%m-%d %H:%M:%S} UTC"
    else:
        waits = ""
    details = (state.document_no or "", refusal, waits, state.error or "")
    return " ".join([str(state.invoice_id), state.status, " · ".join(dict.fromkeys(filter(None, details)))]).rstrip()


def exit_status(statuses: Iterable[Status]) -> int:
    """Returns 0 if all are synced, else 3 for a doubt, else 4 for a failure, else 5."""
    found = set(statuses)
    for status, code in ((Status.IN_DOUBT, 3), (Status.FAILED, 4)):
        if status in found:
            return code
    return 0 if found <= {Status.SYNCED} else REFUSED
