"""The arena: one database with a company in it, a judge, and worker processes that come and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

from sqlalchemy import Select, func, select

from tests.core import Desk, open_desk
from tests.live_app import wait_until
from tests.torture.judge import Judge
from tests.torture.processes import WorkerProcess, started
from tests.torture.twists import Twist
from toc_sync.database import reading
from toc_sync.engines import open_engine
from toc_sync.model import DatabaseUnavailable, Status
from toc_sync.tables import issued_client_invoices, sync_records, sync_workers

DEADLINE_S = 2.0
LEASE_MARGIN_S = 0.5
THREADS = 4
MOVING = (Status.QUEUED, Status.SYNCING)
NO_TWIST = Twist()

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Arena:
    """Where one scenario takes place. `created` are the invoices that went through our own creation."""

    url: str
    desk: Desk
    judge: Judge
    folder: Path
    crew_size: int
    chance: Random
    opened: ExitStack
    created: list[int] = field(default_factory=list)
    workers: list[WorkerProcess] = field(default_factory=list)

    def create(self, count: int, **changes: object) -> list[int]:
        """Creates invoices as people do; whoever works sends them at once."""
        made = [insist(lambda: self.desk.create(**changes)) for _ in range(count)]
        self.created.extend(made)
        return made

    def start(
        self,
        twist: Twist = NO_TWIST,
        *,
        url: str | None = None,
        deadline_s: float = DEADLINE_S,
        margin_s: float = LEASE_MARGIN_S,
        threads: int = THREADS,
    ) -> WorkerProcess:
        """Starts one more worker process; through `url` if it is to come by another way."""
        environment = {
            "DATABASE_URL": url or self.url,
            "TOC_FUNCTION_URL": self.judge.url,
            "TOC_FUNCTION_KEY": "key-of-the-function",
            "TOC_SYNC_TIMEOUT_SECONDS": str(deadline_s),
            "TOC_SYNC_LEASE_MARGIN_SECONDS": str(margin_s),
            "TOC_SYNC_THREADS": str(threads),
            "TOC_SYNC_RETRY_WAITS": ",".join(["0.5"] * 12),
        }
        worker = self.opened.enter_context(started(self.folder, environment, twist))
        self.workers.append(worker)
        return worker

    def crew(self, *, deadline_s: float = DEADLINE_S) -> list[WorkerProcess]:
        """Starts as many processes as usual: three on PostgreSQL, two on the one machine of an SQLite file."""
        return [self.start(deadline_s=deadline_s) for _ in range(self.crew_size)]

    def alive(self) -> list[WorkerProcess]:
        """Returns the processes that still run."""
        return [worker for worker in self.workers if worker.is_alive]

    def stop_all(self) -> None:
        """Tells every process to stop and waits until each has."""
        for worker in self.alive():
            worker.stop()

    def is_known(self, worker: WorkerProcess) -> bool:
        """Tells whether a process has said in the database that it works."""
        known = select(func.count()).select_from(sync_workers).where(sync_workers.c.name.startswith(worker.name))
        return self._counted(known) > 0

    def count(self, *statuses: Status) -> int:
        """Returns how many records have one of these statuses; -1 while the database does not answer."""
        return self._counted(select(func.count()).select_from(sync_records).where(sync_records.c.status.in_(statuses)))

    def drain(self, *, within_s: float = 300.0) -> None:
        """Waits until nothing is on its way and every invoice has its record; a worker is started if none is left."""
        if not self.alive():
            self.start()
        try:
            wait_until(self._is_drained, within_s=within_s, every_s=0.1)
        except AssertionError as error:
            raise AssertionError(f"still moving: {self.count(*MOVING)}\n{self.alive()[-1].log[-3000:]}") from error

    def pause(self, least_s: float, most_s: float) -> None:
        """Lets a random moment pass: what it interrupts is a matter of chance."""
        time.sleep(self.chance.uniform(least_s, most_s))

    def _is_drained(self) -> bool:
        return self.count(*MOVING) == 0 and self._without_record() == 0

    def _without_record(self) -> int:
        both = issued_client_invoices.outerjoin(sync_records, sync_records.c.invoice_id == issued_client_invoices.c.id)
        return self._counted(select(func.count()).select_from(both).where(sync_records.c.invoice_id.is_(None)))

    def _counted(self, query: Select[int]) -> int:
        try:
            with reading(self.desk.engine) as conn:
                return conn.execute(query).scalar_one()
        except DatabaseUnavailable:
            return -1


def insist(step: Callable[[], T]) -> T:
    """Does something, and does it again while the database does not answer: so many writers wait for an SQLite file."""
    for _ in range(20):
        try:
            return step()
        except DatabaseUnavailable:
            continue
    return step()


@contextmanager
def open_arena(url: str, folder: Path, *, seed: int = 1) -> Iterator[Arena]:
    """Opens an arena at a database that was prepared; everything in it ends with it."""
    engine = open_engine(url, pool_size=20)
    with ExitStack() as opened, Judge(seed=seed) as judge:
        opened.callback(engine.dispose)
        yield Arena(
            url=url,
            desk=open_desk(engine, judge),
            judge=judge,
            folder=folder,
            crew_size=3 if engine.dialect.name == "postgresql" else 2,
            chance=Random(seed),
            opened=opened,
        )
