"""`refusals`, `teach` and `withdraw-refusal`: what people declared an answer of the function to mean."""

from __future__ import annotations

import json

import click

from toc_sync import runtime, wording
from toc_sync.cli.common import ID_ARGUMENTS, REFUSED, InvoiceId, actor
from toc_sync.model import Fixer
from toc_sync.views_teaching import TaughtRow, TeachingPreview, TeachingResult


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def refusals(*, as_json: bool) -> None:
    """List the answers that people taught: after each of them certainly nothing was issued.

    Those that come with the program, and those of TOC_SYNC_REFUSALS, are in their files.
    """
    rows = runtime.current().taught_refusals()
    if as_json:
        click.echo(json.dumps([_facts(row) for row in rows], ensure_ascii=False, indent=2))
        return
    for row in rows:
        taught = f"by {row.taught_by}, {wording.day_and_time(row.taught_at)}"
        click.echo(f"{row.name}: {row.example}\n  {taught}; {wording.invoices(row.failed)} failed because of it")
    if not rows:
        click.echo("No answer was taught.")


@click.command(context_settings=ID_ARGUMENTS)
@click.argument("invoice_id", type=InvoiceId(), metavar="ID")
@click.option("--name", default="", help="What to call the answer.")
@click.option("--remedy", default="", help="What a person does before pressing Retry.")
@click.option("--fixer", type=click.Choice([fixer.value for fixer in Fixer]), default=Fixer.FINANCE.value, help="Who.")
@click.option("--reason", default="", help="How you know that nothing was issued.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.pass_context
def teach(
    ctx: click.Context, invoice_id: int, name: str, remedy: str, fixer: str, reason: str, *, dry_run: bool
) -> None:
    """Teach that the answer of this invoice in doubt always means that nothing was issued.

    Every invoice in doubt with such an answer becomes failed, so that it can be retried. Exit status 5: refused.
    """
    if dry_run:
        preview = runtime.current().preview_teaching(invoice_id)
        click.echo(_shown(preview))
        ctx.exit(0 if preview.may_teach else REFUSED)
    result = runtime.current().teach_refusal(
        invoice_id, name=name, remedy=remedy, fixer=Fixer(fixer), reason=reason, actor=actor()
    )
    _end(ctx, result)


@click.command("withdraw-refusal")
@click.argument("name")
@click.option("--reason", default="", help="Why it does not hold.")
@click.pass_context
def withdraw_refusal(ctx: click.Context, name: str, reason: str) -> None:
    """Take back what was taught under NAME.

    What failed because of it and was not sent since is in doubt again. Exit status 5: refused.
    """
    _end(ctx, runtime.current().withdraw_refusal(name, reason=reason, actor=actor()))


def _end(ctx: click.Context, result: TeachingResult) -> None:
    click.echo(result.message)
    ctx.exit(0 if result.done else REFUSED)


def _shown(preview: TeachingPreview) -> str:
    if preview.why_not:
        return preview.why_not
    freed = f"{wording.invoices(preview.count)} in doubt would become retryable, {wording.amounts(preview.amounts)}."
    lines = (preview.example, preview.form, f"Matches {preview.past_answers:,} past answers. {freed}")
    return "\n".join([*lines, *preview.objections])


def _facts(row: TaughtRow) -> dict[str, object]:
    return {
        "name": row.name,
        "example": row.example,
        "remedy": row.remedy,
        "fixer": row.fixer,
        "reason": row.reason,
        "taught_by": row.taught_by,
        "taught_at": row.taught_at.isoformat(),
        "failed": row.failed,
    }
