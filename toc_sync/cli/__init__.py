"""The commands for scripts and administrators. No SQL, no HTTP, no rules: each asks one verb and prints what it said.

Exit status: 0 as asked, 1 an error (one sentence), 2 wrong usage; `sync` and `retry` have more of their own.
"""

from __future__ import annotations

from typing import Any

import click

from toc_sync import runtime
from toc_sync.cli.alerts import alert_test
from toc_sync.cli.batching import batch, batches, cancel_batch
from toc_sync.cli.closing import month
from toc_sync.cli.creating import create
from toc_sync.cli.gatekeeping import accept_copy, distrust, gate, pause, resume
from toc_sync.cli.knowing import activity
from toc_sync.cli.presence import workers
from toc_sync.cli.resolving import reopen, resolve
from toc_sync.cli.retrying import retry
from toc_sync.cli.running import sandbox, worker
from toc_sync.cli.sending import status, sync
from toc_sync.cli.setting_up import accept_function, check, init_db, seed
from toc_sync.cli.teaching import refusals, teach, withdraw_refusal
from toc_sync.cli.verifying import verify
from toc_sync.console import blanked
from toc_sync.model import TocSyncError

INTERRUPTED = 130


class _Program(click.Group):
    """A group whose commands end with one sentence where something is wrong on purpose."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that was named."""
        try:
            return super().invoke(ctx)
        except TocSyncError as error:
            raise click.ClickException(blanked(str(error))) from error
        except KeyboardInterrupt:
            click.echo("Stopped. An invoice that was being sent becomes in doubt when its lease ends.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None


@click.group(cls=_Program)
@click.pass_context
def program(ctx: click.Context) -> None:
    """Send invoices to TOC Online, and see which are there.

    Settings come from the environment, from .env and from .streamlit/secrets.toml. Without any, an embedded database
    and a sandbox are used, in which nothing is legal.
    """
    ctx.call_on_close(runtime.close_current)


SENDING = (create, sync, retry, resolve, reopen, status)
CLOSING = (month,)
BATCHES = (batches, batch, cancel_batch)
STOPPING = (gate, pause, resume, distrust, accept_copy)
KNOWING = (activity,)
RUNNING = (worker, workers, sandbox)
TEACHING = (refusals, teach, withdraw_refusal)
SETTING_UP = (init_db, seed, check, verify, accept_function)
TELLING = (alert_test,)

for command in (*SENDING, *BATCHES, *CLOSING, *STOPPING, *KNOWING, *RUNNING, *TEACHING, *SETTING_UP, *TELLING):
    program.add_command(command)
