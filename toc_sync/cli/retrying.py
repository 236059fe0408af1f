"""`retry`: queue invoices again, by id, by filter, or everything since an outage."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import date, datetime

import click

from toc_sync import clock, runtime, wording, wording_batches
from toc_sync.cli.batching import follow
from toc_sync.cli.common import ANYWAY, ID_ARGUMENTS, REFUSED, InvoiceId, actor, confirmed
from toc_sync.model import ErrorKind, Status
from toc_sync.views import InvoiceFilter, InvoiceRow
from toc_sync.views_batches import BatchPreview, Selection

DAY = click.DateTime(formats=["%Y-%m-%d"])
MOMENT = click.DateTime(formats=["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])


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
@click.option(
    "--recover-since", type=MOMENT, help='Created or failed since then, in Lisbon\'s time ("2026-11-22 09:00").'
)
@click.option("--recover-until", type=MOMENT, help="The end of that time; default: now.")
@click.option("--dry-run", is_flag=True, help="Only say what would be queued, and what refused.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print JSON.")
@click.option("--no-wait", is_flag=True, help="Do not wait until they are sent.")
@ANYWAY
@click.pass_context
def retry(
    ctx: click.Context,
    ids: tuple[int, ...],
    statuses: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    kinds: tuple[str, ...],
    recover_since: datetime | None,
    recover_until: datetime | None,
    *,
    dry_run: bool,
    as_json: bool,
    no_wait: bool,
    anyway: bool,
) -> None:
    """Queue invoices again, by id, by filter, or everything since an outage.

    Workers send them; this command sends nothing itself. Invoices that were found, not named, make a batch: it goes on
    when you press Ctrl-C. Exit status: 0 all were queued; 5 some were refused.
    """
    wanted = InvoiceFilter(
        statuses=tuple(Status(status) for status in statuses),
        error_kinds=tuple(ErrorKind(kind) for kind in kinds),
        since=_day(since),
        until=_day(until),
    )
    if [bool(ids), wanted != InvoiceFilter(), recover_since is not None].count(True) != 1:
        raise click.UsageError(
            "Name invoices, or find them with --status, --since, --until or --error-kind, or with --recover-since.", ctx
        )
    if (as_json and not dry_run) or (ids and as_json) or (recover_until and not recover_since):
        raise click.UsageError("--json goes with --dry-run and a filter, --recover-until with --recover-since.", ctx)
    if anyway and not ids:
        raise click.UsageError("--anyway is about invoices that are named.", ctx)
    if ids:
        ctx.exit(_retry_named(ids, dry_run=dry_run, anyway=anyway))
    selection = Selection.matching(dataclasses.replace(wanted, statuses=wanted.statuses or (Status.FAILED,)))
    if recover_since:
        end = clock.latest(recover_until) if recover_until else runtime.current().now()
        selection = Selection.created_or_failed(clock.earliest(recover_since), end)
    ctx.exit(_foretell(selection, as_json=as_json) if dry_run else _retry_found(selection, waits=not no_wait))


def _retry_named(ids: Sequence[int], *, dry_run: bool, anyway: bool) -> int:
    rows = [runtime.current().invoice_detail(invoice_id).row for invoice_id in dict.fromkeys(ids)]
    queued = sum([_would_queue(row) if dry_run else _queue(row, anyway=anyway) for row in rows])
    _say_sum(queued, len(rows) - queued, "would be queued" if dry_run else "queued")
    return 0 if queued == len(rows) else REFUSED


def _would_queue(row: InvoiceRow) -> bool:
    why_not = row.why_not or wording.already_due()
    click.echo(f"{row.invoice_id} {'would be queued' if row.can_retry else f'refused: {why_not}'}")
    return row.can_retry


def _queue(row: InvoiceRow, *, anyway: bool) -> bool:
    result = runtime.current().retry(row.invoice_id, actor=actor(), confirmed=confirmed(anyway))
    click.echo(f"{row.invoice_id} {'queued' if result.done else 'refused'}: {result.message}")
    return result.done


def _foretell(selection: Selection, *, as_json: bool) -> int:
    preview = runtime.current().preview_batch(selection)
    if as_json:
        click.echo(json.dumps(_facts(preview), ensure_ascii=False, indent=2))
        return REFUSED if preview.refused else 0
    amounts = f"{wording.amounts(preview.amounts)}, {wording.amounts(preview.vat)} of it VAT"
    click.echo(f"{preview.matching:>7,} match: {preview.description}")
    click.echo(f"{preview.count:>7,} would be sent: {amounts}")
    _say_refused(preview)
    if preview.dated_before:
        click.echo(f"{'':>7} {wording_batches.dated_before(preview.dated_before)}")
    click.echo(f"{'':>7} {wording_batches.order(preview)}")
    click.echo(f"{'':>7} {wording_batches.expected(preview.duration_s, preview.pace)}")
    _say_sum(preview.count, preview.matching - preview.count, "would be queued")
    return REFUSED if preview.refused else 0


def _retry_found(selection: Selection, *, waits: bool) -> int:
    preview = runtime.current().preview_batch(selection)
    _say_refused(preview)
    refused = preview.matching - preview.count
    started = runtime.current().batches.start(selection, actor=actor())
    if started.batch_id is None:
        _say_sum(0, refused, "queued")
        return REFUSED if refused else 0
    click.echo(started.message)
    batch = follow(started.batch_id, waits=waits)
    refused += batch.refused
    _say_sum(batch.total - batch.refused - batch.cancelled, refused, "queued")
    return REFUSED if refused else 0


def _say_refused(preview: BatchPreview) -> None:
    for refused in preview.refused:
        click.echo(f"{refused.count:>7,} refused: {refused.why} ({wording_batches.named(refused)})")


def _say_sum(queued: int, refused: int, verb: str) -> None:
    click.echo(f"{wording.invoices(queued)} {verb}, {refused:,} refused.")


def _facts(preview: BatchPreview) -> dict[str, object]:
    return {
        "description": preview.description,
        "matching": preview.matching,
        "would_be_sent": preview.count,
        "amounts": {currency: str(amount) for currency, amount in preview.amounts.items()},
        "vat": {currency: str(amount) for currency, amount in preview.vat.items()},
        "refused": [dataclasses.asdict(refused) for refused in preview.refused],
        "in_doubt": preview.in_doubt,
        "dated_before": preview.dated_before,
        "first_date": preview.first_date.isoformat() if preview.first_date else None,
        "last_date": preview.last_date.isoformat() if preview.last_date else None,
        "threads": preview.pace.threads,
        "expected_seconds": preview.duration_s,
    }


def _day(instant: datetime | None) -> date | None:
    return instant.date() if instant else None
