"""`alert-test`: whether people would be told."""

from __future__ import annotations

import click

from toc_sync import administration
from toc_sync.settings import load_settings


@click.command("alert-test")
@click.pass_context
def alert_test(ctx: click.Context) -> None:
    """Send a test message on every channel of TOC_SYNC_ALERT_URLS.

    Says for each whether it was accepted; a channel is named by its scheme and its place in the list. Needs no database.
    Exit status 1: there is no channel, or one did not accept it.
    """
    findings = list(administration.test_alerts(load_settings()))
    for finding in findings:
        click.echo(f"{'✓' if finding.good else '✗'} {finding.subject}: {finding.sentence}")
    ctx.exit(0 if all(finding.good for finding in findings) else 1)
