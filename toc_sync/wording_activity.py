"""The words about what happened and who is there: lines of the activity list, and what support needs to know.

Pure text, like `wording`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from toc_sync.model import VERSION
from toc_sync.views import AttemptRow, InvoiceDetail
from toc_sync.views_activity import EXPORTED_AT_MOST, ActivityRow, AttemptEvidence, HeldBy, Onlooker, Source
from toc_sync.wording import ACTION_NAMES, KIND_NAMES, OUTCOME_NAMES, STATUS_NAMES, TRIGGER_NAMES, clock_time

SOURCE_NAMES = {Source.ATTEMPT: "Attempts", Source.PERSON: "People"}
UNDER_WAY = "Under way"
REFUSED = "Refused"
ACTIONS = ACTION_NAMES | {
    "accept_function": "Accept another function",
}
ATTEMPTS_FOR_SUPPORT = 10


def what(row: ActivityRow) -> str:
    """Returns what happened: the attempt's number and outcome, or the action's name."""
    if row.source is Source.ATTEMPT:
        return f"Attempt {row.attempt}: {OUTCOME_NAMES[row.outcome].lower() if row.outcome else UNDER_WAY.lower()}"
    return f"{action_line(row)}{'' if row.done else f': {REFUSED.lower()}'}"


def action_line(row: ActivityRow) -> str:
    """Returns what a person did, and as part of which batch."""
    return f"{action_name(row.action or '')}{f', batch {row.batch_id}' if row.batch_id else ''}"


def action_name(action: str) -> str:
    """Returns the name of what a person did; one that nobody has named yet in plain letters."""
    return ACTIONS.get(action, action.replace("_", " ").capitalize())


def why(row: ActivityRow) -> str:
    """Returns the reason: a person's own, or what started an attempt."""
    return row.reason or (TRIGGER_NAMES[row.trigger] if row.trigger else "")


def result(row: ActivityRow) -> str:
    """Returns what came of it: the kind of error with its words, a document number, or what the verb answered."""
    kind = KIND_NAMES[row.error_kind] if row.error_kind else ""
    return ": ".join(filter(None, (kind, row.result)))


def cut(total: int) -> str:
    """Says that a download does not hold all; "" where it does."""
    if total <= EXPORTED_AT_MOST:
        return ""
    return f"Only the newest {EXPORTED_AT_MOST:,} of {total:,} entries fit: choose a shorter time for the others."


def colleagues(onlookers: Sequence[Onlooker]) -> str:
    """Says who else has an invoice open; "" where nobody has."""
    if not onlookers:
        return ""
    first = clock_time(onlookers[0].since_at)
    if len(onlookers) == 1:
        return f"A colleague is looking at this invoice (since {first})."
    return f"{len(onlookers)} colleagues are looking at this invoice (the first since {first})."


def held_by(batch: HeldBy) -> str:
    """Says which running batch an invoice is part of."""
    return f"In batch {batch.batch_id} started by {batch.actor}, {batch.state.replace('_', ' ')}."


def support_text(detail: InvoiceDetail) -> str:
    """Returns what a supporter needs to know about an invoice: no keys, no notes, nobody's name but who acted."""
    row = detail.row
    facts = {
        "Invoice": f"{row.invoice_id} ({row.invoice_number or 'without a number'})",
        "Status": STATUS_NAMES[row.status],
        "Kind of error": KIND_NAMES[row.error_kind] if row.error_kind else None,
        "Error": row.error,
        "Warning": row.warning,
        "Document": row.document_no,
        "ATCUD": detail.certification.atcud,
        "In billing": detail.invoice_status or "deleted",
        "Attempts": str(row.attempts),
    }
    attempts = (line for attempt in detail.attempts[:ATTEMPTS_FOR_SUPPORT] for line in _support_lines(attempt))
    return "\n".join([*_lines(facts), *attempts, _program(detail.read_at)])


def support_text_of_attempt(evidence: AttemptEvidence) -> str:
    """Returns what a supporter needs to know about one attempt."""
    row = evidence.row
    facts = {
        "Invoice": f"{row.invoice_id} ({row.invoice_number or 'unknown'})",
        "Attempt": str(row.attempt),
        "Started": _instant(row.at),
        "Finished": _instant(evidence.finished_at),
        "Outcome": OUTCOME_NAMES[row.outcome] if row.outcome else UNDER_WAY,
        "Result": result(row),
        "HTTP status": str(row.http_status) if row.http_status else None,
        "Duration": f"{row.duration_ms} ms" if row.duration_ms is not None else None,
        "x-request-id": row.request_id,
        **evidence.platform_ids,
        "Worker": evidence.worker,
    }
    return "\n".join([*_lines(facts), f"Program: toc_sync {VERSION}"])


def _support_lines(attempt: AttemptRow) -> Iterator[str]:
    outcome = OUTCOME_NAMES[attempt.outcome] if attempt.outcome else UNDER_WAY
    told = (
        f"Attempt {attempt.number}: {outcome}",
        KIND_NAMES[attempt.error_kind] if attempt.error_kind else "",
        f"HTTP {attempt.http_status}" if attempt.http_status else "",
        f"{attempt.duration_ms} ms" if attempt.duration_ms is not None else "",
        f"{_instant(attempt.started_at)} to {_instant(attempt.finished_at)}",
    )
    yield ", ".join(filter(None, told))
    names = {"x-request-id": attempt.request_id, **attempt.platform_ids, "worker": attempt.worker}
    yield "  " + ", ".join(f"{name} {value}" for name, value in names.items())
    if attempt.error:
        yield f"  {attempt.error}"


def _lines(facts: Mapping[str, str | None]) -> list[str]:
    return [f"{name}: {value}" for name, value in facts.items() if value]


def _program(read_at: datetime) -> str:
    return f"Program: toc_sync {VERSION}, read {_instant(read_at)}"


def _instant(instant: datetime | None) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if instant else "?"
