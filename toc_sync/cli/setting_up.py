"""`init-db`, `seed`, `check` and `accept-function`: what an administrator does around the sending."""

from __future__ import annotations

import click

from toc_sync import administration, wording
from toc_sync.cli.common import actor
from toc_sync.settings import load_settings


@click.command("init-db")
def init_db() -> None:
    """Create the tables that are missing.

    Our own always; the billing tables only in a database that has none of them. Adds no sample data.
    """
    made = administration.init_database(load_settings())
    click.echo("Our tables are there, and the billing tables were created." if made else "Our tables are there.")


@click.command()
@click.option("--invoices", type=click.IntRange(1, 1_000_000), default=60, show_default=True, help="How many.")
def seed(invoices: int) -> None:
    """Add sample invoices to an empty database.

    Refused where billing tables exist that this program did not create, and where there are invoices.
    """
    administration.seed(load_settings(), invoices=invoices)
    click.echo(f"{wording.invoices(invoices)} added, with teams, projects and orders.")


@click.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Say whether database, function and key can be used.

    The function is asked without an invoice, so nothing can be issued. A gate that had closed by itself is opened when
    all is well. Exit status 1: something is wrong.
    """
    good = True
    for finding in administration.check(load_settings(), actor=actor()):
        click.echo(f"{'✓' if finding.good else '✗'} {finding.subject}: {finding.sentence}")
        good = good and finding.good
    ctx.exit(0 if good else 1)


@click.command("accept-function")
def accept_function() -> None:
    """Accept another function for this database.

    A copied database, or the key of another environment, would send invoices to the wrong place: so the function's
    host is remembered, and a new one is refused until a person accepts it here.
    """
    host = administration.accept_function(load_settings(), actor=actor())
    click.echo(f"From now on this database is used with the function at {host}.")
