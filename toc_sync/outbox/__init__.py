"""Every write of sync state: records, attempts and the log of what people did.

SQL in the caller's connection, locked in one order everywhere (record, attempt, invoice); never commits, takes `now`
as an argument, never uses the network. The invariants live here and in the schema, not in the care of callers.
"""

from toc_sync.outbox.actions import log_action
from toc_sync.outbox.adoption import (
    Looked,
    count_missing,
    look_for_missing,
    missing_records,
    newest_recorded,
    write_adopted,
)
from toc_sync.outbox.batches import advance, any_open_batch, cancel_batch, start_batch
from toc_sync.outbox.claims import Dropped, claim, count_due
from toc_sync.outbox.distrust import count_suspects, distrust
from toc_sync.outbox.doubts import retry_doubts
from toc_sync.outbox.gate import look_after_outage, mind_gate, open_after_check, pause, read_gate, resume, wish_pause
from toc_sync.outbox.groups import group_older, has_ungrouped, note_on_group
from toc_sync.outbox.observe import find_observable, observe_recent, survey, sweep
from toc_sync.outbox.onlookers import look, look_away
from toc_sync.outbox.originals import UNRECOGNISED, accept, examine, forget_place, lacks_claims
from toc_sync.outbox.originals import look as look_at_database
from toc_sync.outbox.presence import announce, withdraw
from toc_sync.outbox.records import adopt, adopted_record, current_status, enqueue, lock_record, spend_token, used_token
from toc_sync.outbox.requests import facts_of, request_send
from toc_sync.outbox.resolving import may_reopen, reopen, resolve_as_synced, resolve_send_again, why_not_send_again
from toc_sync.outbox.settlement import Evidence, Settled, any_lost, count_lost, rescue, settle
from toc_sync.outbox.teaching import (
    apply_taught,
    known_refusals,
    stop_taught,
    taught,
    taught_once,
    undo_taught,
    withdraw_refusal,
    write_taught,
)
from toc_sync.outbox.turns import Turns, caution_about
from toc_sync.outbox.unclear import Unclear, unclear_after, unclear_one
from toc_sync.outbox.waiting import find_obstacle, read_obstacle
from toc_sync.outbox.wishes import Wish, write_file

__all__ = [
    "UNRECOGNISED",
    "Dropped",
    "Evidence",
    "Looked",
    "Settled",
    "Turns",
    "Unclear",
    "Wish",
    "accept",
    "adopt",
    "adopted_record",
    "advance",
    "announce",
    "any_lost",
    "any_open_batch",
    "apply_taught",
    "cancel_batch",
    "caution_about",
    "claim",
    "count_due",
    "count_lost",
    "count_missing",
    "count_suspects",
    "current_status",
    "distrust",
    "enqueue",
    "examine",
    "facts_of",
    "find_observable",
    "find_obstacle",
    "forget_place",
    "group_older",
    "has_ungrouped",
    "known_refusals",
    "lacks_claims",
    "lock_record",
    "log_action",
    "look",
    "look_after_outage",
    "look_at_database",
    "look_away",
    "look_for_missing",
    "may_reopen",
    "mind_gate",
    "missing_records",
    "newest_recorded",
    "note_on_group",
    "observe_recent",
    "open_after_check",
    "pause",
    "read_gate",
    "read_obstacle",
    "reopen",
    "request_send",
    "rescue",
    "resolve_as_synced",
    "resolve_send_again",
    "resume",
    "retry_doubts",
    "settle",
    "spend_token",
    "start_batch",
    "stop_taught",
    "survey",
    "sweep",
    "taught",
    "taught_once",
    "unclear_after",
    "unclear_one",
    "undo_taught",
    "used_token",
    "why_not_send_again",
    "wish_pause",
    "withdraw",
    "withdraw_refusal",
    "write_adopted",
    "write_file",
    "write_taught",
]
