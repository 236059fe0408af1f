"""The rows that an invented invoice's history leaves behind, by the same rules by which the outbox writes real ones.

Touches no database: it returns rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from toc_sync import api_response, wording
from toc_sync.grouping import Group, group_of, group_of_record
from toc_sync.model import Invoice, Outcome, Status, Trigger, Verdict
from toc_sync.outbox.consequences import follow
from toc_sync.outbox.records import adopted_record, ended_values, new_record, searchable, synced_values
from toc_sync.outbox.settlement import Evidence
from toc_sync.refusals import shipped_refusals
from toc_sync.samples.chronicle import History, Step
from toc_sync.samples.stories import Answer, Elsewhere
from toc_sync.tables import sync_records

OLD_FAILURE = 'TOC sync failed: 500 {"error":"O NIF português \'285008413\' não é válido!"}'
JSON_HEADERS = {"content-type": "application/json"}
STARTED_BY = {Trigger.RETRY: ("retry", None), Trigger.SEND_AGAIN: ("send_again", wording.LOOKED_UP)}
"""What a person did to start an attempt, as the log calls it, and the reason they gave."""

_COLUMNS = [column.name for column in sync_records.columns if column.name != "api_fingerprint"]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What one history leaves behind in each table; the record still lacks its fingerprint."""

    invoice: dict[str, Any]
    record: dict[str, Any]
    attempts: list[dict[str, Any]]
    actions: list[dict[str, Any]]
    groups: list[tuple[Group, datetime]]
    """What went wrong, and when."""


def write_down(history: History) -> Rows:
    """Returns the rows of a history."""
    return _sent_here(history) if history.steps else _adopted(history)


def _adopted(history: History) -> Rows:
    known_at = _stamp(history.known_at)
    found = {
        Elsewhere.SUCCESS: {"success": True, "synced_at": known_at, "toc_data": _document(history)},
        Elsewhere.FAILURE: {"success": False, "error": OLD_FAILURE, "failed_at": known_at},
    }.get(history.sample.story.elsewhere or Elsewhere.NOTHING)
    invoice = replace(history.sample.invoice, api_response=found)
    record = adopted_record(invoice, shipped_refusals(), now=history.known_at)
    group = group_of_record(record)
    groups = [(group, history.known_at)] if group else []
    return Rows(invoice=_invoice_row(invoice), record=_whole(record), attempts=[], actions=[], groups=groups)


def _sent_here(history: History) -> Rows:
    sample = history.sample
    record = _whole(new_record(sample.invoice, sample.created_at) | {"queued_at": sample.created_at})
    found: object = None
    attempts, actions, groups = [], [], []
    for step in history.steps:
        answer = step.answer or _issued(history, step)
        record, found = _settled(record, step, answer.verdict, found)
        group = group_of(answer.verdict.error_kind, answer.verdict.refusal, answer.verdict.error)
        attempts.append(_attempt_row(step, answer) | {"error_group": group.key if group else None})
        groups += [(group, step.finished_at)] if group else []
        if step.claimed.trigger in STARTED_BY:
            actions.append(_request_row(step))
    if sample.story.declared:
        by = history.steps[-1].claimed.requested_by
        found = api_response.declared(
            history.document_no, at=history.known_at, by=by, reason=wording.FOUND, previous=found
        )
        record |= synced_values(history.document_no, found, now=history.known_at)
        record |= {"declared_by": by, "doubt_since": None, "updated_at": history.known_at}
        actions.append(_declaration_row(history, by))
    texts = (record[name] for name in ("invoice_number", "payer", "document_no", "error"))
    record["search_text"] = searchable(*texts)
    group = group_of_record(record)
    record["error_group"] = group.key if group else None
    invoice = _invoice_row(sample.invoice) | {"api_response": found}
    return Rows(invoice=invoice, record=record, attempts=attempts, actions=actions, groups=groups)


def _whole(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record.get(name) for name in _COLUMNS}


def _settled(record: dict[str, Any], step: Step, verdict: Verdict, found: object) -> tuple[dict[str, Any], object]:
    """Returns the record and `api_response` after an attempt, from what they were before it."""
    claimed = step.claimed
    asked_again = claimed.trigger in STARTED_BY
    record |= {
        "trigger": claimed.trigger,
        "requested_by": claimed.requested_by,
        "queued_at": claimed.started_at if asked_again else record["queued_at"],
        "attempt_count": claimed.number,
        "claim_id": claimed.request_id,
        "last_attempt_at": claimed.started_at,
        "undelivered_tries": step.undelivered_tries,
        "updated_at": step.finished_at,
    }
    following = follow(
        record,
        claimed,
        verdict,
        step.decision,
        exists=True,
        previous=found,
        duration_ms=step.duration_ms,
        now=step.finished_at,
    )
    record |= ended_values() | following.values
    record["doubt_since"] = step.finished_at if record["status"] == Status.IN_DOUBT else None
    return record, following.written or found


def _issued(history: History, step: Step) -> Answer:
    document = _document(history)
    verdict = Verdict(outcome=Outcome.SYNCED, http_status=200, document_no=history.document_no, toc_data=document)
    body = json.dumps({"success": True, "toc_data": document}, ensure_ascii=False)
    return Answer(verdict=verdict, evidence=Evidence(headers=JSON_HEADERS, body=body, duration_ms=step.duration_ms))


def _document(history: History) -> dict[str, object]:
    invoice = history.sample.invoice
    return {
        "id": 500_000 + invoice.invoice_id,
        "document_no": history.document_no,
        "gross_total": float(invoice.total_amount),
    }


def _invoice_row(invoice: Invoice) -> dict[str, Any]:
    facts = {name: getattr(invoice, name) for name in Invoice.__dataclass_fields__}
    for name in ("issuer", "payer", "api_fingerprint"):
        del facts[name]
    day = invoice.invoice_date
    due = day + timedelta(days=30) if day else None
    return facts | {"id": facts.pop("invoice_id"), "due_date": due, "pdf_path": None}


def _attempt_row(step: Step, answer: Answer) -> dict[str, Any]:
    claimed, verdict, evidence = step.claimed, answer.verdict, answer.evidence
    return {
        "invoice_id": claimed.invoice_id,
        "number": claimed.number,
        "trigger": claimed.trigger,
        "requested_by": claimed.requested_by,
        "started_at": claimed.started_at,
        "finished_at": step.finished_at,
        "outcome": verdict.outcome,
        "error_kind": verdict.error_kind,
        "error": verdict.error,
        "http_status": verdict.http_status,
        "duration_ms": evidence.duration_ms,
        "request_id": claimed.request_id,
        "document_no": verdict.document_no,
        "response_headers": evidence.headers,
        "response_body": evidence.body,
        "worker": claimed.worker,
    }


def _request_row(step: Step) -> dict[str, Any]:
    action, reason = STARTED_BY[step.claimed.trigger]
    message = wording.queued_now(was_waiting=False)
    return _action_row(
        step.claimed.invoice_id, step.claimed.started_at, step.claimed.requested_by, action, reason, message
    )


def _declaration_row(history: History, by: str) -> dict[str, Any]:
    message = f"Recorded: it is in TOC Online as {history.document_no}."
    return _action_row(
        history.sample.invoice.invoice_id, history.known_at, by, "declare_synced", wording.FOUND, message
    )


def _action_row(
    invoice_id: int, at: datetime, actor: str, action: str, reason: str | None, message: str
) -> dict[str, Any]:
    return {
        "invoice_id": invoice_id,
        "at": at,
        "actor": actor,
        "action": action,
        "reason": reason,
        "done": True,
        "result": message,
    }


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
