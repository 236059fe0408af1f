"""The counts of the overview. Each number that is about invoices leads to exactly these invoices."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.parts import invoice_filters, say
from toc_sync import wording, wording_doubt, wording_legal, wording_overview
from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, Outcome, Status
from toc_sync.views import InvoiceFilter
from toc_sync.views_health import Counted, Health, Overview
from toc_sync.views_legal import ASKED_FOR, DueCounts, DueFilter, Sums
from toc_sync.wording_overview import share, took

INVOICES = "invoices.py"
NARROWEST_PX = 150


def now(overview: Overview, due: DueCounts, health: Health) -> None:
    """Draws what stands now, whatever the range; only the curves are of the range."""
    with st.grid(6, min_column_width=NARROWEST_PX, key="counts_now"):
        _needs_attention(overview, health)
        _in_doubt(overview, health)
        _on_its_way(overview, health)
        _due_today(due)
        _overdue(due)
        _at_risk(overview)


def of_the_range(health: Health) -> None:
    """Draws how well the range went."""
    with st.grid(2, min_column_width=NARROWEST_PX, key="counts_range"):
        _synced(health)
        _success(health)
        _answer_time(health)
        _time_to_synced(health)


def _needs_attention(overview: Overview, health: Health) -> None:
    counted = overview.needs_attention
    with _box("needs_attention"):
        _metric(
            "Needs attention",
            f"{counted.count:,}",
            wording.amounts(counted.amounts),
            icon=":material/error:",
            meaning=f"{_meanings(NEEDS_ATTENTION)} The curve: attempts that failed or ended in doubt.",
            curve=health.per_slot(Outcome.FAILED, Outcome.IN_DOUBT),
        )
        _link(counted)


def _in_doubt(overview: Overview, health: Health) -> None:
    counted, old = overview.in_doubt, overview.doubts_that_last
    with _box("in_doubt"):
        _metric(
            "In doubt",
            f"{counted.count:,}",
            wording.amounts(counted.amounts),
            icon=":material/help:",
            meaning=f"{_meanings((Status.IN_DOUBT,))} The curve: attempts that ended in doubt.",
            curve=health.per_slot(Outcome.IN_DOUBT),
        )
        _link(counted)
        if old.count:
            _link(old, f":red[{wording_doubt.old_doubts_shortly(old.count)}]")


def _on_its_way(overview: Overview, health: Health) -> None:
    counted, oldest_s = overview.on_its_way, overview.oldest_waiting_s
    with _box("on_its_way"):
        _metric(
            "On its way",
            f"{counted.count:,}",
            "nothing waits" if oldest_s is None else f"oldest waits {wording.duration(oldest_s)}",
            icon=":material/sync:",
            meaning=f"{_meanings(ON_ITS_WAY)} The curve: attempts.",
            curve=health.per_slot(*Outcome),
        )
        _link(counted)


def _due_today(due: DueCounts) -> None:
    today = _counted(InvoiceFilter(due=DueFilter.TODAY), due.today)
    with _box("due"):
        _metric(
            "Due today",
            f"{today.count:,}",
            wording.amounts(today.amounts),
            icon=":material/alarm:",
            meaning=wording_legal.RULE,
        )
        _link(today)


def _overdue(due: DueCounts) -> None:
    overdue = _counted(InvoiceFilter(due=DueFilter.OVERDUE, statuses=ASKED_FOR), due.overdue)
    with _box("overdue"):
        _metric(
            "Overdue",
            f"{overdue.count:,}",
            wording.amounts(overdue.amounts),
            icon=":material/alarm_off:",
            meaning=f"{wording_legal.RULE} Overdue is what was asked for and is past that day.",
        )
        _link(overdue, f":red[Show {wording.invoices(overdue.count)}]")


def _counted(wanted: InvoiceFilter, sums: Sums) -> Counted:
    return Counted(wanted=wanted, count=sums.count, amounts=sums.totals, vat=sums.vat)


def _at_risk(overview: Overview) -> None:
    counted = overview.at_risk
    with _box("at_risk"):
        _metric(
            wording_overview.AT_RISK,
            wording.amounts(counted.vat),
            f"of {wording.amounts(counted.amounts)}",
            icon=":material/account_balance:",
            meaning=wording_overview.AT_RISK_MEANING,
        )
        _link(counted)


def _synced(health: Health) -> None:
    there, missing = health.there, health.missing
    dated = there.count + missing.count
    with _box("synced"):
        _metric(
            "Synced",
            share(there.count, dated) if dated else "–",
            f"{there.count:,} of {dated:,}",
            icon=":material/check_circle:",
            meaning=f"{wording_overview.dated_in_range(health)} The curve: attempts that ended synced.",
            curve=health.per_slot(Outcome.SYNCED),
        )
        _link(missing, f"Show {missing.count:,} missing") if missing.count else _link(there)


def _success(health: Health) -> None:
    synced, ended = health.attempts_of(Outcome.SYNCED), health.attempts_of(*Outcome)
    with _box("success"):
        _metric(
            "Success rate",
            share(synced, ended) if ended else "–",
            f"{synced:,} of {ended:,} attempts",
            icon=":material/task_alt:",
            meaning="Attempts of the range that ended synced, of all that have ended. The curve: those that did not.",
            curve=health.per_slot(Outcome.FAILED, Outcome.IN_DOUBT, Outcome.UNDELIVERED),
        )
        _link(health.unsuccessful, f"Show {health.unsuccessful.count:,} unsuccessful")


def _answer_time(health: Health) -> None:
    answer = health.answers.whole
    with _box("answer_time"):
        _metric(
            "Answer time",
            took(answer.half_s) if answer else "–",
            f"95%: {took(answer.most_s)}" if answer else "no answer",
            icon=":material/timer:",
            meaning="Half of the attempts had their answer within the large figure (p50), 95 of 100 within the small one"
            " (p95). What never reached the function is not counted. The curve: p95.",
            curve=[each.most_s for each in health.answers.by_slot],
        )


def _time_to_synced(health: Health) -> None:
    synced = health.to_synced.whole
    with _box("time_to_synced"):
        _metric(
            "Created to synced",
            took(synced.half_s) if synced else "–",
            f"95%: {took(synced.most_s)}" if synced else "nothing synced",
            icon=":material/route:",
            meaning="Half of the invoices synced in the range were in TOC Online within the large figure (p50) after"
            " their creation, 95 of 100 within the small one (p95). The curve: p50.",
            curve=[each.half_s for each in health.to_synced.by_slot],
        )


def _box(name: str) -> st.delta_generator.DeltaGenerator:
    return st.container(border=True, gap="xsmall", height="stretch", key=f"count_{name}")


def _metric(label: str, value: str, beside: str, *, icon: str, meaning: str, curve: Sequence[float] = ()) -> None:
    st.metric(
        label,
        say.plain(value),
        delta=say.plain(beside),
        delta_color="off",
        delta_arrow="off",
        icon=icon,
        help=say.plain(meaning),
        chart_data=curve if len(curve) > 1 and any(curve) else None,
        chart_type="area",
    )


def _link(counted: Counted, label: str = "") -> None:
    if counted.count:
        label = label or f"Show {wording.invoices(counted.count)}"
        st.page_link(INVOICES, label=label, icon="", query_params=invoice_filters.address(counted.wanted))


def _meanings(statuses: Sequence[Status]) -> str:
    return " ".join(wording.STATUS_MEANINGS[status] for status in statuses)
