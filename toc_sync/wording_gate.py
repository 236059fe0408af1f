"""The words people read about the gate: that nothing is sent, why, what waits, and how it ended. Pure text."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from toc_sync.model import GateCause, GateState, Status
from toc_sync.recognition import Movement
from toc_sync.views import GateView, Reopening
from toc_sync.wording import STATUS_NAMES, amounts, clock_time, day_and_time, duration, from_to, invoices

GATE_REASONS = {
    GateCause.OUTAGE: "The last answers all meant that the function or its platform is down.",
    GateCause.CONFIGURATION: "The function refused because of its set-up (key, address or deployment).",
    GateCause.DATABASE: "This database is not the one it was: some invoices may have been sent without a trace here.",
    GateCause.CLOCK: "This machine's clock was set forward, and what protects an invoice from being sent twice counts"
    " real time only. Sending goes on by itself after 15 minutes, or as soon as the clock is set back; if it does not,"
    " set the clock right, or restart the machine.",
}
CLOCK_WAS_SET = f"This cannot be resumed. {GATE_REASONS[GateCause.CLOCK]}"
PAUSE_NEEDS_A_REASON = "Say why, so that others know when to resume."
NO_INTERVAL = "Name an interval in the past: --since must lie before --until, and --until not in the future."
PAUSED_NOW = "Nothing is sent from now on. What is on its way is awaited."
PAUSED_BESIDE = (
    "Nothing is sent from now on, on any machine. What is on its way is awaited. (Somebody else holds the database's"
    " lock: the pause stands beside it, and is entered as soon as the lock is free.)"
)
NOT_PAUSED = (
    "The sending was NOT stopped, as far as is known: the database, which tells all machines, could not be told."
    " Try again; if it must stop now, stop the programs that send."
)
RESUMED_NOW = "Sending goes on."
ALREADY_OPEN = "Sending is not stopped."
WAY_ON = (
    "The way on, after looking: python -m toc_sync distrust --since … for a restored backup, else"
    " python -m toc_sync accept-copy."
)
LOOK_BEFORE_RESUMING = (
    "Only the administrator can let it go on, after looking: this is a copy, an older state, or the original in another"
    f" place, and what was sent without a trace here could be issued twice. {WAY_ON}"
)
OLDER = (
    "This database is older than what was sent from it: a backup or a snapshot was put back, or a server took over"
    " that had not got everything."
)
UNWITNESSED = (
    "The file {file} beside this database is missing or of another one, so nobody can tell whether it is a copy."
)
BEHIND = "Invoices were sent from this database that the file {file} beside it does not know: one of the two is of another day."
WAITS_FOR_SENDERS = (
    "After the failover nothing is sent until every program that was sending has found all its claims in this database."
)
NOBODY_VOUCHES = (
    "Nothing is sent: this program has never sent from this database, whose server was started since, and none that has"
    " says that it is no copy. It goes on when one does (keep TOC_SYNC_STATE_DIR), or after: python -m toc_sync accept-copy"
)
COPIED = "This database was a copy when it was accepted: the original may have sent it."
ACCEPTED = "This database is an original of its own from now on."
MOVED_ONLY = (
    "Here claims are missing that were sent, so it is not merely the original in another place: leave out --moved."
)
NOTHING_TO_ACCEPT = "This database is the one it was: there is nothing to accept."
_FACTS = {
    "path": "path",
    "file": "file number",
    "device": "device",
    "machine": "machine",
    "system": "server",
    "timeline": "timeline",
    "database": "database number",
    "name": "database",
    "folder": "server folder",
    "port": "port",
}


def gate_state(state: GateState, since: datetime, by: str | None) -> str:
    """Says that nothing is sent, since when, and who stopped it."""
    if state is GateState.PAUSED:
        return f"Sending is paused since {day_and_time(since)} by {by or 'somebody'}."
    return f"Sending has stopped by itself at {day_and_time(since)}."


def waits_for_gate(state: GateState, since: datetime, by: str | None) -> str:
    """Says why an invoice that was asked for does not leave now."""
    return f"{gate_state(state, since, by)} It goes out when sending goes on."


def waits_shortly(state: GateState) -> str:
    """Says the same in a cell of a table."""
    return "Sending is paused" if state is GateState.PAUSED else "Sending has stopped"


def created(name: str, gate: GateView) -> str:
    """Says that an invoice was created, and whether it leaves at once."""
    if gate.is_open:
        return f"{name} was created and is on its way to TOC Online."
    stopped = gate_state(gate.state, gate.since, gate.changed_by)
    return f"{name} was created. It waits: {stopped[0].lower()}{stopped[1:]}"


def sent_together(count: int, gate: GateView) -> str:
    """Says what comes of several invoices that were asked for at once."""
    if gate.is_open:
        return f"{count} on their way to TOC Online"
    return f"{count} {'waits' if count == 1 else 'wait'} until sending goes on"


def already_paused(by: str | None, since: datetime) -> str:
    """Says that pausing again changed nothing."""
    return f"Sending is paused already, since {day_and_time(since)} by {by or 'somebody'}."


def distrusted(since: datetime) -> str:
    """Says why an invoice is in doubt that nobody is known to have sent."""
    return f"The database lost what happened after {day_and_time(since)}: it may have been sent without a trace here."


def moved(how: Movement, differs: Collection[str], known: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """Says why a database is not taken for the one it was; None where it is."""
    if how is Movement.NONE:
        return None
    if how is Movement.FAILED_OVER:
        return WAITS_FOR_SENDERS
    told = ", ".join(f"{word}: {known[name]} → {found[name]}" for name, word in _FACTS.items() if name in differs)
    return f"This database is a copy of the one that invoices were sent from, or that one in another place ({told})."


def accepted(count: int) -> str:
    """Says what accepting a copy has done."""
    are = "is" if count == 1 else "are"
    return f"{ACCEPTED} {invoices(count)} that waited or had failed {are} in doubt now: look them up in TOC Online."


def distrusted_count(count: int) -> str:
    """Says what distrust has done."""
    are = "is" if count == 1 else "are"
    return f"{invoices(count)} {are} in doubt now. Sending is paused: look them up in TOC Online, then resume."


def clock_finding(ahead_s: float, *, agrees: bool) -> str:
    """Says whether this machine's clock is the time that the program keeps, and what happens if not."""
    if agrees:
        return "This machine's clock is the time by which everything here is measured."
    if ahead_s < 0:
        return (
            f"This machine's clock is {duration(-ahead_s)} ahead of the time kept here. {GATE_REASONS[GateCause.CLOCK]}"
        )
    return (
        f"This machine's clock is {duration(ahead_s)} behind the time kept here, which goes a tenth slower until they"
        " agree. Waits last a tenth longer meanwhile; nothing else changes."
    )


def gate_details(gate: GateView) -> str:
    """Says why nothing is sent, how many invoices wait and what they are worth, and what happens next."""
    worth = f", {amounts(gate.amounts)}" if gate.waiting else ""
    waits = "waits" if gate.waiting == 1 else "wait"
    parts = [gate.reason or "", f"{invoices(gate.waiting)} {waits}{worth}."]
    if gate.cause is GateCause.OUTAGE and gate.probe_at:
        parts.append(f"One invoice tries again at {clock_time(gate.probe_at)}; the first good answer lets the rest go.")
    elif gate.cause is GateCause.CONFIGURATION:
        parts.append("When the administrator has put it right, press Resume (or run: python -m toc_sync check).")
    elif gate.cause is GateCause.DATABASE:
        parts.append(WAY_ON)
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def reopening_line(reopening: Reopening) -> str:
    """Proves how an outage ended, for example: Closed 09:12–10:40: 37 waited, 37 synced, 0 in doubt."""
    counts = dict(reopening.statuses)
    told = [f"{counts.pop(status, 0):,} {STATUS_NAMES[status].lower()}" for status in (Status.SYNCED, Status.IN_DOUBT)]
    told += [f"{count:,} {STATUS_NAMES[status].lower()}" for status, count in counts.items()]
    verb = "Paused" if reopening.cause is GateCause.PERSON else "Closed"
    closed = from_to(reopening.closed_at, reopening.opened_at)
    return f"{verb} {closed}: {reopening.waited:,} waited, {', '.join(told)}."
