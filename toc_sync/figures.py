"""The figures for Prometheus, read from the database: every app tells the same, and nothing is counted twice.

No invoice, no name and no text of an answer is in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from toc_sync.database import current_time, reading
from toc_sync.model import GateState
from toc_sync.status.measures import ANSWER_BOUNDS_S, Measures, Tally, count_finished, read_measures

CONTENT_TYPE = CONTENT_TYPE_LATEST

STILL_MOVING = timedelta(hours=1)
"""How long ago an attempt must have ended to be counted once and for all: an answer may come late, a commit too."""


class Figures:
    """The figures of one database, as Prometheus reads them."""

    def __init__(self, engine: Engine) -> None:
        # One of its own: the one that the library offers would add figures of this process.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_FromDatabase(engine))

    def as_text(self) -> bytes:
        """Returns the figures as they are now. Raises DatabaseUnavailable."""
        return generate_latest(self._registry)


class _Finished:
    """How all attempts ended, ever: counted once up to an hour ago, and from there anew each time, along an index.

    Counting from the last seen id would miss what was open then; counting everything would read the whole table.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._counted: tuple[Tally, ...] = ()
        self._until: datetime | None = None

    def count(self) -> tuple[Tally, ...]:
        """Returns the attempts of all time; some ways of ending appear twice, to be added up."""
        with reading(self._engine) as conn:
            now = current_time(conn)
            settled = now - STILL_MOVING
            if self._until is None or settled - self._until > STILL_MOVING:
                more = count_finished(conn, after=self._until, until=settled)
                self._counted, self._until = _added(self._counted + more), settled
            return self._counted + count_finished(conn, after=self._until, until=now)


def _added(tallies: tuple[Tally, ...]) -> tuple[Tally, ...]:
    counts: Counter[tuple[str, str, int | None]] = Counter()
    durations: Counter[tuple[str, str, int | None]] = Counter()
    for tally in tallies:
        key = (tally.outcome, tally.error_kind, tally.bound)
        counts[key] += tally.count
        durations[key] += tally.duration_ms
    return tuple(
        Tally(outcome=key[0], error_kind=key[1], bound=key[2], count=counts[key], duration_ms=durations[key])
        for key in counts
    )


class _FromDatabase(Collector):
    """Asks the database each time it is asked itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._finished = _Finished(engine)

    def collect(self) -> Iterator[Metric]:
        """Yields each metric with its values."""
        tallies = _added(self._finished.count())
        with reading(self._engine) as conn:
            measures = read_measures(conn, now=current_time(conn))
        yield _attempts(tallies)
        yield _answer_times(tallies)
        yield from _gauges(measures)


def _attempts(tallies: tuple[Tally, ...]) -> Metric:
    metric = CounterMetricFamily(
        "toc_sync_attempts", "Attempts that ended, by outcome and kind of error.", labels=["outcome", "kind"]
    )
    counts: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        counts[tally.outcome, tally.error_kind] += tally.count
    for labels, count in sorted(counts.items()):
        metric.add_metric(labels, count)
    return metric


def _answer_times(tallies: tuple[Tally, ...]) -> Metric:
    counts: Counter[int] = Counter()
    for tally in tallies:
        if tally.bound is not None:
            counts[tally.bound] += tally.count
    buckets, total = [], 0
    for number, bound in enumerate([*(str(float(bound_s)) for bound_s in ANSWER_BOUNDS_S), "+Inf"]):
        total += counts[number]
        buckets.append((bound, float(total)))
    metric = HistogramMetricFamily("toc_sync_answer_seconds", "How long attempts took, from request to answer.")
    metric.add_metric([], buckets, sum(tally.duration_ms for tally in tallies) / 1000)
    return metric


def _gauges(measures: Measures) -> Iterator[Metric]:
    values = {
        "backlog": ("Invoices that wait or are being sent.", measures.backlog),
        "oldest_waiting_seconds": ("How long the oldest of them has waited.", measures.oldest_waiting_s),
        "in_doubt": ("Invoices that may or may not be in TOC Online.", measures.in_doubt),
        "in_doubt_old": ("Those in doubt for more than 15 minutes.", measures.in_doubt_old),
        "workers_alive": ("Programs that send and are alive.", measures.workers_alive),
        "threads": ("How many invoices they can send at once.", measures.threads),
    }
    for name, (meaning, value) in values.items():
        yield GaugeMetricFamily(f"toc_sync_{name}", meaning, value=value)
    gate = GaugeMetricFamily("toc_sync_gate", "Whether invoices may leave: 1 for the gate's state.", labels=["state"])
    for state in GateState:
        gate.add_metric([state], int(measures.gate is state))
    yield gate
