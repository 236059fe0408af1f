"""`batches`, `batch` and `cancel-batch`: see how batches go, what came of each invoice, and stop one."""

from __future__ import annotations

import json
import sys
import time

import click

from toc_sync import runtime, wording, wording_batches
from toc_sync.cli.common import REFUSED, actor
from toc_sync.model import TocSyncError
from toc_sync.views_batches import BatchItem, BatchView

LOOK_EVERY_S = 0.3
INTERRUPTED = 130


@click.command()
def batches() -> None:
    """List the newest batches, the newest first."""
    for batch in runtime.current().recent_batches():
        state = "running" if batch.is_running else "cancelled" if batch.cancelled_at else "finished"
        started = wording.day_and_time(batch.created_at)
        click.echo(f"{batch.batch_id:>6}  {state:<9}  {started}  {batch.actor}: {batch.description}")
        click.echo(f"{'':>6}  {wording_batches.counts(batch)}")


@click.command()
@click.argument("batch_id", type=click.IntRange(min=1), metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object with the results of all invoices.")
def batch(batch_id: int, *, as_json: bool) -> None:
    """Say how a batch goes, and what came of each of its invoices."""
    found = _existing(batch_id)
    results = runtime.current().export_batch(batch_id)
    if as_json:
        facts = _facts(found) | {"results": [_item_facts(item) for item in results]}
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    click.echo(wording_batches.headline(found))
    click.echo(f"{wording_batches.counts(found)}, {wording.amounts(found.amounts)}")
    for item in results:
        details = " · ".join(filter(None, (item.document_no, item.error or item.message)))
        click.echo(f"{item.invoice_id} {wording_batches.result_of(item)} {details}".rstrip())


@click.command("cancel-batch")
@click.argument("batch_id", type=click.IntRange(min=1), metavar="ID")
@click.pass_context
def cancel_batch(ctx: click.Context, batch_id: int) -> None:
    """Stop a batch: what was not sent yet goes back to where it was.

    What is on the wire ends normally. Exit status: 0 cancelled; 5 it was over already.
    """
    _existing(batch_id)
    result = runtime.current().batches.cancel(batch_id, actor=actor())
    click.echo(result.message)
    ctx.exit(0 if result.done else REFUSED)


def follow(batch_id: int, *, waits: bool) -> BatchView:
    """Moves a batch on and shows how it goes until it is over or nobody sends; returns it as it then stands.

    With `waits` false it only asks for what has its turn now. Ctrl-C leaves it running.
    """
    desk = runtime.current()
    found = _existing(batch_id)
    try:
        with click.progressbar(length=found.total, label=f"Batch {batch_id}", file=sys.stderr) as bar:
            while found.is_running:
                moved = desk.batches.advance()
                found = _existing(batch_id)
                bar.update(found.total - found.left - bar.pos)
                if not moved and not (waits and desk.sending().alive):
                    break
                time.sleep(0 if moved else LOOK_EVERY_S)
    except KeyboardInterrupt:
        click.echo(wording_batches.LEFT_RUNNING, err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    click.echo(f"{wording_batches.counts(found)}.")
    return found


def _existing(batch_id: int) -> BatchView:
    found = runtime.current().batch(batch_id)
    if found is None:
        raise TocSyncError(wording_batches.unknown_batch(batch_id))
    return found


def _facts(found: BatchView) -> dict[str, object]:
    instants = ("created_at", "finished_at", "cancelled_at")
    return {
        "batch_id": found.batch_id,
        "kind": found.kind,
        "description": found.description,
        "actor": found.actor,
        "reason": found.reason,
        **{name: at.isoformat() if (at := getattr(found, name)) else None for name in instants},
        "cancelled_by": found.cancelled_by,
        "total": found.total,
        "left": found.left,
        "refused": found.refused,
        "cancelled": found.cancelled,
        "statuses": dict(found.asked),
    }


def _item_facts(item: BatchItem) -> dict[str, object]:
    return {
        "invoice_id": item.invoice_id,
        "state": item.state,
        "message": item.message,
        "status": item.status,
        "error": item.error,
        "document_no": item.document_no,
    }
