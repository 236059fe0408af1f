"""`sync`, `retry` and `status`: send invoices, queue them again, and say where they stand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime

import click

from toc_sync import runtime, wording, wording_doubt
from toc_sync.cli.common import ID_ARGUMENTS, REFUSED, InvoiceId, actor, exit_status, line_about
from toc_sync.model import ErrorKind, Status, SyncState
from toc_sync.views import InvoiceFilter, InvoiceRow

DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command(context_settings=ID_ARGUMENTS)
@click.argument("ids", nargs=-1, required=True, type=InvoiceId(), metavar="ID...")
@click.pass_context
def sync(ctx: click.Context, ids: tuple[int, ...]) -> None:
    """Send invoices now, and wait for each answer.

    Prints a line for each. Exit status: 0 all are synced; 3 some are in doubt; else 4 some failed; else 5 some still
    wait or were refused; 1 an error; 2 wrong usage.
    """
    ids = tuple(dict.fromkeys(ids))
    runtime.current().states(ids)  # so that nothing is sent when one of them does not exist
    ctx.exit(exit_status([send_and_say(invoice_id) for invoice_id in ids]))


def send_and_say(invoice_id: int) -> Status:
    """Sends one invoice, prints its line and returns its status."""
    result = runtime.current().send_now(invoice_id, actor=actor())
    (state,) = runtime.current().states([invoice_id])
    click.echo(line_about(state, result))
    return state.status


@click.command(context_settings=ID_ARGUMENTS)
@click.argument("ids", nargs=-1, type=InvoiceId(), metavar="[ID...]")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in Status]),
    help="With this status; default: failed.",
)
@click.option("--since", type=DAY, help="Dated this day or later (year-month-day).")
@click.option("--until", type=DAY, help="Dated this day or earlier.")
@click.option(
    "--error-kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in ErrorKind]),
    help="With this kind of error.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be queued, and what refused.")
@click.pass_context
def retry(
    ctx: click.Context,
    ids: tuple[int, ...],
    statuses: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    kinds: tuple[str, ...],
    *,
    dry_run: bool,
) -> None:
    """Queue invoices again, by id or by filter.

    A worker sends them; this command sends nothing itself. Exit status: 0 all were queued; 5 some were refused.
    """
    wanted = InvoiceFilter(
        statuses=tuple(Status(status) for status in statuses),
        error_kinds=tuple(ErrorKind(kind) for kind in kinds),
        since=_day(since),
        until=_day(until),
    )
    if bool(ids) == (wanted != InvoiceFilter()):
        raise click.UsageError("Name invoices, or find them with --status, --since, --until or --error-kind.", ctx)
    rows = _rows(ids, wanted)
    queued = sum([_would_queue(row) if dry_run else _queue(row) for row in rows])
    verb = "would be queued" if dry_run else "queued"
    click.echo(f"{wording.invoices(queued)} {verb}, {len(rows) - queued:,} refused.")
    ctx.exit(0 if queued == len(rows) else REFUSED)


def _rows(ids: Sequence[int], wanted: InvoiceFilter) -> list[InvoiceRow]:
    if ids:
        return [runtime.current().invoice_detail(invoice_id).row for invoice_id in dict.fromkeys(ids)]
    statuses = wanted.statuses or (Status.FAILED,)
    return runtime.current().export_invoices(
        InvoiceFilter(statuses=statuses, error_kinds=wanted.error_kinds, since=wanted.since, until=wanted.until)
    )


def _would_queue(row: InvoiceRow) -> bool:
    why_not = row.why_not or wording.already_due()
    click.echo(f"{row.invoice_id} {'would be queued' if row.can_retry else f'refused: {why_not}'}")
    return row.can_retry


def _queue(row: InvoiceRow) -> bool:
    result = runtime.current().retry(row.invoice_id, actor=actor())
    click.echo(f"{row.invoice_id} {'queued' if result.done else 'refused'}: {result.message}")
    return result.done


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


def _day(instant: datetime | None) -> date | None:
    return instant.date() if instant else None
