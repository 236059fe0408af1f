"""`workers`: which programs send, on which machines, and when each was last heard of."""

from __future__ import annotations

import json

import click

from toc_sync import runtime, wording
from toc_sync.views import WorkerRow


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list with an object for each.")
def workers(*, as_json: bool) -> None:
    """Say which workers are alive.

    Those that stopped without a word are listed for a day. A program with 0 threads sends nothing, so it is not alive.
    """
    rows = runtime.current().sending().workers
    if as_json:
        click.echo(json.dumps([_facts(row) for row in rows], ensure_ascii=False, indent=2))
        return
    click.echo(wording.workers_alive(rows))
    if not rows:
        return
    width = max(len(wording.machine(row)) for row in rows)
    click.echo(f"{'':<6}  {'machine':<{width}}  {'version':<15}  threads  last heard (UTC)")
    for row in rows:
        state = "alive" if row.alive else "silent"
        heard = f"{row.last_seen_at:%Y-%m-%d %H:%M:%S}"
        machine = wording.machine(row)
        click.echo(f"{state:<6}  {machine:<{width}}  {wording.version(row):<15}  {row.threads:>7}  {heard}")


def _facts(row: WorkerRow) -> dict[str, object]:
    return {
        "name": row.name,
        "host": row.host,
        "version": row.version,
        "threads": row.threads,
        "started_at": row.started_at.isoformat(),
        "last_seen_at": row.last_seen_at.isoformat(),
        "alive": row.alive,
        "outdated": row.outdated,
        "obstacle": row.obstacle,
    }
