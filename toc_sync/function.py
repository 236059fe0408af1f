"""The way to the function: the real one, or a sandbox that this process starts for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock

from toc_sync.edge import Edge
from toc_sync.model import NoReply, Reply
from toc_sync.sandbox import Behaviour, Sandbox, SandboxDocuments
from toc_sync.secrecy import Blanker
from toc_sync.settings import Settings

SANDBOX_KEY = "sandbox"
SANDBOX_FILE = "sandbox.db"
PROBE_S = 15.0
"""How long somebody waits to hear whether the function is there."""


class Function:
    """Where invoices are posted to. The sandbox's documents lie in one file, shared by all processes of one database."""

    def __init__(self, settings: Settings, database_file: str | None) -> None:
        self._settings = settings
        self._sandbox: Sandbox | None = None
        self._edge: Edge | None = None
        self._lock = Lock()
        self.sandbox_file = (Path(database_file).parent if database_file else Path("data")) / SANDBOX_FILE

    @property
    def url(self) -> str | None:
        """The address of the real function, or None where the sandbox takes its place."""
        return None if self._settings.uses_sandbox else self._settings.real_function_url

    @property
    def rehearsals(self) -> tuple[Behaviour, ...]:
        """What the sandbox can be asked to answer (each with a `label`); empty outside the sandbox."""
        return tuple(Behaviour) if self._settings.uses_sandbox else ()

    def edge(self) -> Edge:
        """Returns what posts; the first call starts the sandbox where there is no real function."""
        with self._lock:
            if self._edge is None:
                url, key = self._address()
                self._edge = Edge(url=url, key=key, deadline_s=self._settings.toc_sync_timeout_seconds)
            return self._edge

    def probe(self) -> Reply | NoReply:
        """Asks the function whether it is there, in a way that can issue nothing; its answer is without secrets."""
        edge = self.edge()
        answer = replace(edge, deadline_s=min(PROBE_S, edge.deadline_s)).probe()
        blanker = Blanker(self._settings.secrets)
        return (
            replace(answer, error=blanker.text(answer.error)) if isinstance(answer, NoReply) else blanker.reply(answer)
        )

    def rehearse(self, answers: Mapping[int, str]) -> None:
        """Tells the sandbox what to answer (a behaviour's name) when one of these invoices is sent next."""
        for invoice_id, answer in answers.items():
            self._documents.plan(invoice_id, Behaviour(answer))

    def rehearsal(self, behaviour: Behaviour | None) -> Callable[[int], None] | None:
        """Returns what tells the sandbox about a new invoice before its commit; None outside the sandbox."""
        if behaviour is None or not self._settings.uses_sandbox:
            return None
        return lambda invoice_id: self._documents.plan(invoice_id, behaviour)

    def stop(self) -> None:
        """Stops the sandbox, if this process started one."""
        if self._sandbox is not None:
            self._sandbox.stop()

    @cached_property
    def _documents(self) -> SandboxDocuments:
        return SandboxDocuments(self.sandbox_file)

    def _address(self) -> tuple[str, str]:
        if self.url and self._settings.toc_function_key:
            return self.url, self._settings.toc_function_key.get_secret_value()
        self._sandbox = Sandbox(self.sandbox_file, key=SANDBOX_KEY)
        return self._sandbox.start(), SANDBOX_KEY
