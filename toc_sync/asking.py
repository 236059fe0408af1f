"""Asking the function, during an outage, whether it is there again: by a request that names no invoice.

Invoices find out too, but ever more seldom, because each may end in doubt. A question issues nothing, so it may be asked
often, and what waits goes on within a minute. No threads here.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from toc_sync import outbox, sync
from toc_sync.classify import classify
from toc_sync.database import current_time, reading, writing
from toc_sync.gating import Answer, means_down, means_misconfigured
from toc_sync.model import GateCause, GateState, NoReply, Outcome, Reply

ASK_WITHIN_S = 10.0

log = logging.getLogger("toc_sync")


class Asking:
    """One worker's questions; it remembers whether the function was away. Not to be used by two threads."""

    def __init__(self, sender: sync.Sender) -> None:
        self._sender = sender
        self._edge = replace(sender.edge, deadline_s=min(sender.edge.deadline_s, ASK_WITHIN_S))
        self._was_away = False

    def step(self) -> bool:
        """Asks once, if an outage keeps the gate closed; tells whether something may leave now."""
        with reading(self._sender.engine) as conn:
            gate = outbox.read_gate(conn)
        if gate.state is not GateState.CLOSED or gate.cause is not GateCause.OUTAGE:
            self._was_away = False
            return False
        if not self._is_there():
            self._was_away = True
            return False
        with writing(self._sender.engine) as conn:
            goes_on = outbox.look_after_outage(conn, came_back=self._was_away, now=current_time(conn))
        log.info("function-there came_back=%s goes_on=%s", self._was_away, goes_on)
        self._was_away = False
        return goes_on

    def _is_there(self) -> bool:
        answer = self._edge.probe()
        return not isinstance(answer, NoReply) and self._is_of_the_function(answer)

    def _is_of_the_function(self, answer: Reply) -> bool:
        """What the function itself says to a question without an invoice is all one."""
        verdict = classify(answer, self._sender.rules.refusals)
        said = Answer(outcome=verdict.outcome, error_kind=verdict.error_kind, http_status=answer.http_status)
        if means_down(said) or verdict.outcome is Outcome.UNDELIVERED:
            return False
        ran = "x-deno-execution-id" in answer.headers or answer.http_status == 405
        return ran or not means_misconfigured(said)
