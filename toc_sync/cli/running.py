"""`worker` and `sandbox`: programs that run until they are told to stop."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import click

from toc_sync import runtime
from toc_sync.function import SANDBOX_FILE, SANDBOX_KEY
from toc_sync.sandbox import Sandbox
from toc_sync.settings import EMBEDDED_DATABASE
from toc_sync.worker import obey_signals

DEFAULT_THREADS = 4
STOPPED_BY = (signal.SIGTERM, signal.SIGINT)
LOOKED_EVERY_S = 0.1


@click.command()
@click.option("--threads", type=click.IntRange(1, 64), help="Invoices sent at once; default: TOC_SYNC_THREADS, or 4.")
def worker(threads: int | None) -> None:
    """Send what is due, until told to stop.

    The first signal (SIGTERM, or Ctrl-C) claims nothing new and waits for what is on its way; the second leaves at once. Any number of
    workers share the work, on any number of machines. Exit status: 0 it was told to stop; 1 it cannot start or go on.
    """
    desk = runtime.current()
    # 0 threads means that this app sends nothing because workers do: this is one of them.
    chosen = threads or desk.environment.threads or DEFAULT_THREADS
    # A signal that comes while the worker starts waits until it can be obeyed.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPED_BY)
    running = desk.start_worker(threads=chosen)
    obey_signals(running)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPED_BY)
    # Looked at in steps: a lock that a signal's own code needs must not be held when it comes.
    broken = None
    while running.claiming and broken is None:
        time.sleep(LOOKED_EVERY_S)
        broken = running.why_broken()
    runtime.close_current()
    if broken:
        raise click.ClickException(broken)


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Default: a free one.")
def sandbox(port: int) -> None:
    """Stand in for TOC Online on this machine.

    Nothing it issues is legal. Prints the address and the key to set as TOC_FUNCTION_URL and TOC_FUNCTION_KEY, and runs until Ctrl-C.
    """
    stand_in = Sandbox(Path(EMBEDDED_DATABASE).parent / SANDBOX_FILE, key=SANDBOX_KEY, port=port)
    click.echo(f"TOC_FUNCTION_URL={stand_in.start()}")
    click.echo(f"TOC_FUNCTION_KEY={SANDBOX_KEY}")
    stand_in.serve_forever()
