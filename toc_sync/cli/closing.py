"""`month`: whether a month is complete in TOC Online, exactly what is missing, and the accountant's workbook."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click

from toc_sync import runtime, wording_legal
from toc_sync.cli.common import REFUSED
from toc_sync.views_legal import MonthClose, Sums


@click.command()
@click.argument("month", type=click.DateTime(formats=["%Y-%m"]), metavar="YEAR-MONTH")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--xlsx", "file", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write the workbook here."
)
@click.pass_context
def month(ctx: click.Context, month: datetime, *, as_json: bool, file: Path | None) -> None:
    """Say whether a month is complete in TOC Online.

    By invoice date: what was issued here, what of it is in TOC Online, and exactly what is missing. Changes nothing.
    Exit status: 0 it is complete; 5 it is not.
    """
    close = runtime.current().month(month.date())
    click.echo(json.dumps(_facts(close), ensure_ascii=False, indent=2) if as_json else _text(close))
    if file:
        _write(file, month)
    ctx.exit(0 if close.is_complete else REFUSED)


def _write(file: Path, month: datetime) -> None:
    content = io.BytesIO()
    runtime.current().write_month(month.date(), content)
    try:
        file.write_bytes(content.getvalue())
    except OSError as error:
        raise click.ClickException(f"The workbook could not be written: {error}") from error


def _text(close: MonthClose) -> str:
    width = max(len(name) for name in wording_legal.LINE_NAMES.values())
    lines = [
        f"{wording_legal.LINE_NAMES[line]:<{width}}  {sums.count:>9,}  {wording_legal.line_sums(sums) if sums.count else ''}"
        for line, sums in close.lines.items()
    ]
    differences = [
        f"{one.invoice_id} {one.document_no or ''}: {one.ours:,.2f} here, {one.theirs:,.2f} in TOC Online"
        for one in close.differences
    ]
    texts = [wording_legal.month_answer(close), *lines, wording_legal.compared(close), *differences]
    return "\n".join(text.rstrip() for text in texts)


def _facts(close: MonthClose) -> dict[str, object]:
    return {
        "month": f"{close.month:%Y-%m}",
        "complete": close.is_complete,
        "missing": close.missing,
        "to_check": close.to_check,
        "lines": {line: _amounts(sums) for line, sums in close.lines.items()},
        "compared": close.compared,
        "differences": [
            {
                "invoice_id": one.invoice_id,
                "document_no": one.document_no,
                "currency": one.currency_code,
                "ours": str(one.ours),
                "theirs": str(one.theirs),
            }
            for one in close.differences
        ],
    }


def _amounts(sums: Sums) -> dict[str, object]:
    return {
        "count": sums.count,
        "subtotals": _as_texts(sums.subtotals),
        "vat": _as_texts(sums.vat),
        "totals": _as_texts(sums.totals),
    }


def _as_texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    # As texts: a binary float never meets money.
    return {currency: str(amount) for currency, amount in amounts.items()}
