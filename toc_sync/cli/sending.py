"""`sync` and `status`: send invoices, and say where they stand."""

from __future__ import annotations

import json

import click

from toc_sync import runtime, wording, wording_doubt
from toc_sync.cli.common import ANYWAY, ID_ARGUMENTS, InvoiceId, actor, confirmed, exit_status, line_about
from toc_sync.model import Status, SyncState


@click.command(context_settings=ID_ARGUMENTS)
@click.argument("ids", nargs=-1, required=True, type=InvoiceId(), metavar="ID...")
@ANYWAY
@click.pass_context
def sync(ctx: click.Context, ids: tuple[int, ...], *, anyway: bool) -> None:
    """Send invoices now, and wait for each answer.

    Prints a line for each. Exit status: 0 all are synced; 3 some are in doubt; else 4 some failed; else 5 some still
    wait or were refused; 1 an error; 2 wrong usage.
    """
    ids = tuple(dict.fromkeys(ids))
    runtime.current().states(ids)  # so that nothing is sent when one of them does not exist
    ctx.exit(exit_status([send_and_say(invoice_id, anyway=anyway) for invoice_id in ids]))


def send_and_say(invoice_id: int, *, anyway: bool = False) -> Status:
    """Sends one invoice, prints its line and returns its status."""
    result = runtime.current().send_now(invoice_id, actor=actor(), confirmed=confirmed(anyway))
    (state,) = runtime.current().states([invoice_id])
    click.echo(line_about(state, result))
    return state.status


@click.command(context_settings=ID_ARGUMENTS)
@click.argument("ids", nargs=-1, type=InvoiceId(), metavar="[ID...]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object for one invoice, a list for several.")
def status(ids: tuple[int, ...], *, as_json: bool) -> None:
    """Say where invoices stand.

    Without ids: how many have which status, and what they are worth.
    """
    if not ids:
        _print_counts(as_json=as_json)
        return
    states = runtime.current().states(ids)
    if as_json:
        facts = [_facts(state) for state in states]
        click.echo(json.dumps(facts[0] if len(facts) == 1 else facts, ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(line_about(state) for state in states))


def _print_counts(*, as_json: bool) -> None:
    overview = runtime.current().overview()
    sums, old = overview.sums, overview.old_doubts.count
    counts = {status: sums[status].count if status in sums else 0 for status in Status}
    if as_json:
        click.echo(json.dumps(counts | {"in_doubt_over_15_min": old}, indent=2))
        return
    for status, count in counts.items():
        amounts = wording.amounts(sums[status].amounts) if status in sums else ""
        beside = f", {wording_doubt.old_doubts(old)}" if status is Status.IN_DOUBT and old else ""
        click.echo(f"{status:<12} {count:>9,}  {amounts}{beside}".rstrip())


def _facts(state: SyncState) -> dict[str, object]:
    return {
        "invoice_id": state.invoice_id,
        "status": state.status,
        "synced": state.synced,
        "synced_at": state.synced_at.isoformat() if state.synced_at else None,
        "error": state.error,
        "error_kind": state.error_kind,
        "attempts": state.attempts,
        "not_before": state.not_before.isoformat() if state.not_before else None,
        "document_no": state.document_no,
    }
