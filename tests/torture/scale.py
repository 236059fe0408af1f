"""How much a run does: short inside the tests, long in `make torture`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The sizes of all scenarios; times in seconds.

    - `kills`: processes ended by kill -9 while at least four of their requests are on the wire.
    - `outages_s`: how long the PostgreSQL server stays away, each time once fast and once immediate.
    - `cuts`: connections cut, terminated or timed out, of each kind.
    - `locked_s`: how long another writer holds the SQLite file.
    - `invoices`: how many are sent where their number does not follow from something else.
    - `latency_s`: the longest that the judge thinks about an answer.
    - `deadline_s`: the deadline of one attempt where the answers are the point; longer than the latency.
    - `presses`: how often each person presses a button.
    - `freezes`: how often a process is frozen, of each kind.
    """

    kills: int
    outages_s: tuple[float, ...]
    cuts: int
    locked_s: float
    invoices: int
    latency_s: float
    deadline_s: float
    presses: int
    freezes: int


SHORT = Scale(
    kills=12, outages_s=(3,), cuts=6, locked_s=1, invoices=60, latency_s=0.5, deadline_s=2, presses=6, freezes=1
)
LONG = Scale(
    kills=200, outages_s=(3, 30), cuts=60, locked_s=15, invoices=600, latency_s=5, deadline_s=8, presses=60, freezes=6
)
