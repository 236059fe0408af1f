"""`activity`: what was tried and what people did, for scripts and for reading in a shell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click

from toc_sync import clock, runtime, wording_activity
from toc_sync.views_activity import ActivityFilter, ActivityRow

INSTANT = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"])


@click.command()
@click.option("--since", type=INSTANT, help="From this day, or this time of Lisbon, on (2026-11-20, 2026-11-20T14:30).")
@click.option("--until", type=INSTANT, help="Up to this day, it included, or before this time.")
@click.option("--actor", default="", help="By somebody whose name holds this.")
@click.option("--invoice", default="", help="About this invoice: its id or its number.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def activity(since: datetime | None, until: datetime | None, actor: str, invoice: str, *, as_json: bool) -> None:
    """Say what was tried and what people did, newest first.

    At most 50,000 entries; a word on the error output says when there are more.
    """
    wanted = ActivityFilter(since=_begin(since), until=_end(until), who=actor, invoice=invoice)
    activities = runtime.current().activity
    rows = activities.export(wanted)
    if as_json:
        click.echo(json.dumps([_facts(row) for row in rows], ensure_ascii=False, indent=2))
    else:
        for line in _lines(rows):
            click.echo(line)
    if cut := wording_activity.cut(activities.page(wanted).total):
        click.echo(cut, err=True)


def _lines(rows: Iterator[ActivityRow]) -> Iterator[str]:
    for row in rows:
        about = f"invoice {row.invoice_id}" if row.invoice_id else ""
        details = (wording_activity.why(row), wording_activity.result(row), row.request_id or "")
        told = (wording_activity.what(row), about, row.who, " · ".join(filter(None, details)))
        yield f"{row.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC  {'  '.join(filter(None, told))}"


def _facts(row: ActivityRow) -> dict[str, object]:
    facts = {name: getattr(row, name) for name in ActivityRow.__dataclass_fields__}
    return facts | {"at": row.at.isoformat()}


def _begin(moment: datetime | None) -> datetime | None:
    return clock.earliest(moment) if moment else None


def _end(moment: datetime | None) -> datetime | None:
    is_day = moment is not None and moment == moment.replace(hour=0, minute=0, second=0)
    if moment is None:
        return None
    return clock.earliest(moment + timedelta(days=1)) if is_day else clock.latest(moment)
