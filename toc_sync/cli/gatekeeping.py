"""`gate`, `pause`, `resume`, `distrust` and `accept-copy`: whether invoices may leave, and what to do after a failover."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from toc_sync import runtime, wording, wording_gate
from toc_sync.cli.common import REFUSED, actor
from toc_sync.model import GateResult

INSTANT = click.DateTime(formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def gate(*, as_json: bool) -> None:
    """Say whether invoices may leave, since when, and what waits."""
    found = runtime.current().sending().gate
    if as_json:
        facts = {
            "state": found.state,
            "since": found.since.isoformat(),
            "cause": found.cause,
            "changed_by": found.changed_by,
            "reason": found.reason,
            "waiting": found.waiting,
        }
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    if not found.is_open:
        stopped = wording_gate.gate_state(found.state, found.since, found.changed_by)
        click.echo(f"{stopped} {wording_gate.gate_details(found)}")
        return
    click.echo("Invoices may leave.")
    if found.reopening:
        click.echo(wording_gate.reopening_line(found.reopening))


@click.command()
@click.option("--reason", required=True, help="Why, for those who see the banner.")
@click.pass_context
def pause(ctx: click.Context, reason: str) -> None:
    """Stop sending on all machines, until somebody resumes it."""
    _say(ctx, runtime.current().gate.pause(actor=actor(), reason=reason))


@click.command()
@click.option("--reason", default="", help="A note for the log.")
@click.pass_context
def resume(ctx: click.Context, reason: str) -> None:
    """Let invoices leave again, whatever stopped them."""
    _say(ctx, runtime.current().gate.resume(actor=actor(), reason=reason))


@click.command()
@click.option(
    "--since", required=True, type=INSTANT, help="What happened after this instant was lost (UTC, or with zone)."
)
@click.option("--until", type=INSTANT, help="Default: when the changed database was noticed, else now.")
@click.option("--dry-run", is_flag=True, help="Only say how many invoices it concerns.")
@click.pass_context
def distrust(ctx: click.Context, since: datetime, until: datetime | None, *, dry_run: bool) -> None:
    """Put in doubt what may have been sent without a trace, after a failover or a restored backup.

    That is what waits, and what failed: it may have been sent in the interval that the database lost. Sending is paused.
    """
    desk = runtime.current().gate
    since, until = _aware(since), _aware(until) if until else None
    if dry_run:
        for status, count in desk.suspects(until=until).items():
            click.echo(f"{wording.STATUS_NAMES[status]}: {wording.invoices(count)}")
        return
    _say(ctx, desk.distrust(since=since, until=until, actor=actor()))


@click.command("accept-copy")
@click.option("--moved", is_flag=True, help="The original is gone and nothing was lost: what waits is sent from here.")
@click.pass_context
def accept_copy(ctx: click.Context, *, moved: bool) -> None:
    """Make a copied database an original, after looking.

    The original may send, or have sent, what waits or failed here: all that is put in doubt. Then invoices may leave.
    """
    _say(ctx, runtime.current().gate.accept_copy(actor=actor(), moved=moved))


def _aware(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _say(ctx: click.Context, result: GateResult) -> None:
    click.echo(result.message)
    ctx.exit(0 if result.done else REFUSED)
