"""`create`: an invoice from the command line, standalone or from orders."""

from __future__ import annotations

import click

from toc_sync import runtime
from toc_sync.cli.common import actor, exit_status
from toc_sync.cli.sending import send_and_say
from toc_sync.model import InvalidInvoice, Problem
from toc_sync.sandbox import Behaviour

OPTIONS = {
    "issuer_team_id": "--issuer",
    "payer_team_id": "--payer",
    "invoice_number": "--number",
    "invoice_date": "--date",
    "header_subtotal": "--subtotal",
    "header_vat": "--vat",
    "header_total": "--total",
    "currency_code": "--currency",
    "notes": "--notes",
    "invoice_order_ids": "--order",
    "subtotal_overrides": "--amount",
}


@click.command()
@click.option("--issuer", help="Team that issues it (id).")
@click.option("--payer", help="Team that pays it (id).")
@click.option("--number", help="Invoice number, unique per issuer.")
@click.option("--date", "day", help="Invoice date (year-month-day); default: today.")
@click.option("--subtotal", help="Amount without VAT; with orders: what the lines add up to.")
@click.option("--vat", help="VAT; 0 if there is none.")
@click.option("--total", help="Amount with VAT.")
@click.option("--currency", help="ISO 4217 code; default: EUR, or the orders' own.")
@click.option("--notes", help="Any text.")
@click.option("--order", "orders", multiple=True, help="Invoice this order (id); can be repeated.")
@click.option("--amount", "amounts", multiple=True, metavar="ID=SUBTOTAL", help="Of this order only so much.")
@click.option(
    "--answer", type=click.Choice([answer.value for answer in Behaviour]), help="What the sandbox is to answer."
)
@click.option(
    "--token", help="Any name of your own for this invoice: asked for again with it, it is not created twice."
)
@click.option("--sync", "sends", is_flag=True, help="Send it now and wait, instead of leaving it to a worker.")
@click.pass_context
def create(
    ctx: click.Context,
    issuer: str | None,
    payer: str | None,
    number: str | None,
    day: str | None,
    subtotal: str | None,
    vat: str | None,
    total: str | None,
    currency: str | None,
    notes: str | None,
    orders: tuple[str, ...],
    amounts: tuple[str, ...],
    answer: str | None,
    token: str | None,
    *,
    sends: bool,
) -> None:
    """Create and issue an invoice, and print its id.

    Standalone: --issuer, --payer, --subtotal, --vat and --total. From orders: --order, once or more; each contributes
    what remains of it, or its --amount. A script that may ask again gives a --token. A worker sends it, unless --sync is given: then the exit status is that of sync.
    """
    payload = {
        "p_issuer_team_id": issuer,
        "p_payer_team_id": payer,
        "p_invoice_number": number,
        "p_invoice_date": day,
        "p_header_subtotal": subtotal,
        "p_header_vat": vat,
        "p_header_total": total,
        "p_currency_code": currency or (None if orders else "EUR"),
        "p_notes": notes,
        "p_invoice_order_ids": list(orders) or None,
        "p_subtotal_overrides": _overrides(amounts) or None,
    }
    desk = runtime.current()
    if answer and not desk.environment.sandbox:
        raise click.UsageError("--answer is for the sandbox; here the real function answers.", ctx)
    try:
        invoice_id = desk.create(payload, actor=actor(), token=token, behaviour=Behaviour(answer) if answer else None)
    except InvalidInvoice as error:
        raise click.ClickException("\n".join(_sentence(problem) for problem in error.problems)) from error
    click.echo(invoice_id)
    if sends:
        ctx.exit(exit_status([send_and_say(invoice_id)]))


def _overrides(amounts: tuple[str, ...]) -> dict[str, str]:
    pairs = [amount.partition("=") for amount in amounts]
    if any(not equals for _, equals, _ in pairs):
        raise click.BadParameter("write it as ID=SUBTOTAL, for example 12=450.00", param_hint="--amount")
    overrides = {order_id.strip(): subtotal for order_id, _, subtotal in pairs}
    if len(overrides) < len(pairs):
        raise click.BadParameter("the same order is named twice", param_hint="--amount")
    return overrides


def _sentence(problem: Problem) -> str:
    """Returns a mistake with the option that it belongs to."""
    if problem.field.startswith("order:"):
        return f"--amount: {problem.message}"
    option = OPTIONS.get(problem.field)
    return f"{option}: {problem.message}" if option else problem.message
