"""`resolve` and `reopen`: say what became of invoices in doubt, one or many, and take a declaration back."""

from __future__ import annotations

from collections.abc import Sequence

import click

from toc_sync import runtime, wording
from toc_sync.cli.common import ID_ARGUMENTS, REFUSED, InvoiceId, actor
from toc_sync.model import Result

NAMED_AT_MOST = 3


@click.command(context_settings=ID_ARGUMENTS)
@click.argument("ids", nargs=-1, required=True, type=InvoiceId(), metavar="ID...")
@click.option("--there", "document_no", metavar="NUMBER", help="It is in TOC Online under this document number.")
@click.option("--not-there", is_flag=True, help="They are not in TOC Online: send them again.")
@click.option("--reason", default="", help="How you know; it is kept.")
@click.option("--dry-run", is_flag=True, help="Only say what --not-there would send again, and what it refuses.")
@click.pass_context
def resolve(
    ctx: click.Context, ids: tuple[int, ...], document_no: str | None, reason: str, *, not_there: bool, dry_run: bool
) -> None:
    """Say what became of invoices in doubt, after looking them up in TOC Online.

    Exit status: 0 all were resolved; 5 some were refused, each with its reason.
    """
    ids = tuple(dict.fromkeys(ids))
    if (document_no is None) == (not not_there):
        raise click.UsageError("Say either --there with the document number, or --not-there.", ctx)
    if document_no is not None and (len(ids) > 1 or dry_run):
        raise click.UsageError("--there is about one invoice, and has no --dry-run.", ctx)
    if not reason.strip() and not dry_run:
        raise click.UsageError("Say with --reason how you know.", ctx)
    runtime.current().states(ids)  # so that nothing is resolved when one of them does not exist
    if dry_run:
        ctx.exit(_foretell(ids))
    if document_no is not None:
        ctx.exit(_say([runtime.current().resolve_as_synced(ids[0], document_no, actor=actor(), reason=reason)]))
    results = runtime.current().resolve_many_send_again(ids, actor=actor(), reason=reason)
    status = _say(results)
    queued = sum(result.done for result in results)
    click.echo(f"{wording.invoices(queued)} queued, {len(results) - queued:,} refused.")
    ctx.exit(status)


@click.command(context_settings=ID_ARGUMENTS)
@click.argument("invoice_id", type=InvoiceId(), metavar="ID")
@click.option("--reason", required=True, help="Why it is not there after all; it is kept.")
@click.pass_context
def reopen(ctx: click.Context, invoice_id: int, reason: str) -> None:
    """Make an invoice that a person declared synced in doubt again.

    Refused where TOC Online itself answered that it has the invoice. Exit status: 0 done; 5 refused.
    """
    runtime.current().states([invoice_id])
    ctx.exit(_say([runtime.current().reopen(invoice_id, actor=actor(), reason=reason)]))


def _foretell(ids: Sequence[int]) -> int:
    preview = runtime.current().preview_send_again(ids)
    for invoice_id in preview.invoice_ids:
        click.echo(f"{invoice_id} would be queued")
    refused: dict[str, list[str]] = {}
    for line in preview.lines:
        if line.why_not:
            refused.setdefault(line.why_not, []).append(line.name)
    for why, names in refused.items():
        more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
        click.echo(f"{len(names):,} refused: {why} ({', '.join(names[:NAMED_AT_MOST])}{more})")
    queued = len(preview.invoice_ids)
    amounts = wording.amounts(preview.amounts)
    click.echo(f"{wording.invoices(queued)} would be queued, {amounts}, {len(preview.lines) - queued:,} refused.")
    return REFUSED if refused else 0


def _say(results: Sequence[Result]) -> int:
    for result in results:
        click.echo(f"{result.invoice_id} {'' if result.done else 'refused: '}{result.message}")
    return 0 if all(result.done for result in results) else REFUSED
