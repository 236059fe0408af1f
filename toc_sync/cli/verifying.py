"""`verify`: the proof that nothing was lost, sent twice or told wrong, as a table."""

from __future__ import annotations

import click

from toc_sync import administration
from toc_sync.settings import load_settings
from toc_sync.views import Proof


@click.command()
@click.pass_context
def verify(ctx: click.Context) -> None:
    """Prove the invariants on this database.

    Changes nothing. Each line: what must hold, how many rows were checked, how many invoices break it; below the table,
    which. Exit status 1: at least one does.
    """
    proofs = administration.verify(load_settings())
    width = max(len(proof.sentence) for proof in proofs)
    click.echo(f"{'':<{width}}  {'checked':>9}  {'broken':>7}")
    for proof in proofs:
        click.echo(f"{proof.sentence:<{width}}  {proof.checked:>9,}  {len(proof.invoice_ids):>7,}")
    broken = [proof for proof in proofs if proof.invoice_ids]
    for proof in broken:
        click.echo(f"\n✗ {proof.sentence}\n  {_named(proof)}")
    ctx.exit(1 if broken else 0)


def _named(proof: Proof) -> str:
    return "invoices " + " ".join(str(invoice_id) for invoice_id in proof.invoice_ids)
