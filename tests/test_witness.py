"""The witness outside the database: it is written before a request leaves, or none leaves."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core import Desk, at_once
from tests.live_app import PROJECT, wait_until
from tests.torture.processes import started
from tests.torture.twists import DISK_FULL, Twist
from toc_sync import runtime, status
from toc_sync.database import current_time, reading
from toc_sync.model import Mark, Status, Unwitnessed
from toc_sync.monitoring import find_obstacles
from toc_sync.runtime import Runtime
from toc_sync.settings import Settings
from toc_sync.views import Sending
from toc_sync.witness import KEPT, SIZE, Watch

PLACE = {"system": "7", "timeline": "1"}


def watch_in(folder: Path) -> Watch:
    watch = Watch(folder=folder)
    watch.begin("db", PLACE, None)
    return watch


def mark(number: int, **changes: object) -> Mark:
    return Mark(**({"database_id": "db", "place": PLACE, "claim": (number, f"{number:08d}"), "seen": None} | changes))


def told(watch: Watch) -> Any:
    found = watch.read()
    assert found is not None
    return found


@contextmanager
def opened(desk: Desk, state: Path) -> Iterator[Runtime]:
    """The program at this database, with its own witness."""
    running = runtime.open_runtime(
        Settings(
            database_url=desk.engine.url.render_as_string(hide_password=False),
            toc_function_url=desk.function.url,
            toc_function_key="key-of-the-function",
            toc_sync_state_dir=state,
        )
    )
    try:
        yield running
    finally:
        running.close()


def sending(desk: Desk) -> Sending:
    with reading(desk.engine) as conn:
        return status.read_sending(conn, now=current_time(conn))


def a_file_in_its_place(folder: Path) -> Callable[[], None]:
    folder.write_text("in the way")
    return folder.unlink


def nobody_can_write_in_it(folder: Path) -> Callable[[], None]:
    folder.symlink_to("/proc/self")  # not even the administrator
    return folder.unlink


def test_claims_of_many_threads_are_all_remembered(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    at_once(16, lambda thread: [watch.note(mark(thread * 5 + each + 1)) for each in range(5)])
    assert {number for number, _ in told(watch).claims} == set(range(1, 81))


def test_only_the_last_claims_are_kept_and_the_newest_is_known_by_its_number(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    for number in range(1, KEPT + 11):
        watch.note(mark(number))
    watch.note(mark(3))
    assert len(told(watch).claims) == KEPT
    assert told(watch).newest[0] == KEPT + 10
    assert (tmp_path / "db.witness").stat().st_size == SIZE


def test_long_words_still_fit_the_page(tmp_path: Path) -> None:
    watch = Watch(folder=tmp_path)
    place = {"path": "ã/" * 2_000, "folder": "f" * 1_000, "name": "n" * 63}
    watch.begin("db", place, (10**15, "abcdefgh"))
    for number in range(KEPT):
        watch.note(mark(10**15 + number, place=place))
    assert len(told(watch).claims) == KEPT


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"place": PLACE | {"timeline": "2"}}, id="another history"),
        pytest.param({"database_id": "another"}, id="another database"),
    ],
)
def test_a_claim_made_where_the_witness_is_not_is_not_sent(tmp_path: Path, changes: dict[str, object]) -> None:
    watch = watch_in(tmp_path)
    with pytest.raises(Unwitnessed, match="another copy"):
        watch.note(mark(1, **changes))
    assert told(watch).claims == ()


def test_a_witness_that_was_deleted_takes_no_claim(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    (tmp_path / "db.witness").unlink()
    with pytest.raises(Unwitnessed, match="not written down"):
        watch.note(mark(1))


def test_whoever_is_killed_while_writing_leaves_a_whole_page(tmp_path: Path) -> None:
    """`kill -9`, thirty times, at any moment of a write."""
    watch = watch_in(tmp_path)
    program = (
        "import sys, itertools; from pathlib import Path; from tests.test_witness import mark; from toc_sync.witness import Watch\n"
        "watch = Watch(folder=Path(sys.argv[1])); watch.database_id = 'db'; watch.read()\n"
        "for number in itertools.count(int(sys.argv[2])): watch.note(mark(number)); print(number, flush=True)"
    )
    last = 0
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(last + 1)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
        )
        assert process.stdout is not None
        for _ in range(50):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split(b"\n")[:-1]
        last = int(rest[-1]) if rest else last
        process.wait()
        assert told(watch).newest[0] in (last, last + 1)
        last = told(watch).newest[0]


def test_it_is_whole_only_while_the_machine_runs_or_after_an_orderly_end(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    watch.note(mark(1))
    boot = told(watch).boot
    assert told(watch).is_complete(boot)
    assert not told(watch).is_complete("the next start")
    watch.stop()
    assert told(watch).is_complete("the next start")
    watch.note(mark(2))
    assert not told(watch).is_complete("the next start")


def test_a_program_that_stands_still_with_the_witness_stops_the_others_with_a_word(tmp_path: Path) -> None:
    watch = watch_in(tmp_path)
    with (tmp_path / "db.witness").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Unwitnessed, match="stands still"):
            watch.note(mark(1))
    watch.note(mark(1))
    assert told(watch).newest[0] == 1


OBSTACLES = {
    "a file in the folder's place": a_file_in_its_place,
    "a folder in which nobody can write": nobody_can_write_in_it,
}


@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES)
def test_while_it_cannot_be_written_nothing_is_sent_and_everybody_is_told(
    postgres_desk: Desk, tmp_path: Path, obstacle: Callable[[Path], Callable[[], None]]
) -> None:
    desk, state = postgres_desk, tmp_path / "kept"
    clear = obstacle(state)
    with opened(desk, state) as running:
        invoice_id = desk.create()
        running.start_worker(threads=2)
        wait_until(lambda: sending(desk).obstacles)
        (said,) = sending(desk).obstacles
        assert said.startswith("Nothing is sent:")
        assert str(state) in said
        assert running.send_now(invoice_id, actor="ana").message == said
        assert (desk.record(invoice_id)["status"], desk.attempts(invoice_id)) == (Status.QUEUED, [])
        assert find_obstacles(running) == {"worker": said}
        clear()
        wait_until(lambda: desk.record(invoice_id)["status"] == Status.SYNCED)
        wait_until(lambda: not sending(desk).obstacles)
        assert len(desk.attempts(invoice_id)) == 1
    assert len(desk.function.requests) == 1


@pytest.mark.parametrize("is_known", [False, True], ids=["before the first claim", "after some"])
def test_on_a_full_disk_nothing_is_sent_until_there_is_room(
    postgres_desk: Desk, tmp_path: Path, is_known: bool
) -> None:
    desk = postgres_desk
    environment = {
        "DATABASE_URL": desk.engine.url.render_as_string(hide_password=False),
        "TOC_FUNCTION_URL": desk.function.url,
        "TOC_FUNCTION_KEY": "key-of-the-function",
        "TOC_SYNC_STATE_DIR": str(tmp_path / "kept"),
    }
    with started(tmp_path, environment, Twist()) as worker:
        worker.says("worker-started")
        if is_known:
            first = desk.create()
            wait_until(lambda: desk.record(first)["status"] == Status.SYNCED)
        worker.signal(DISK_FULL)
        if not is_known:
            shutil.rmtree(tmp_path / "kept")
        waits = [desk.create() for _ in range(3)]
        wait_until(lambda: sending(desk).obstacles, within_s=30)
        assert {desk.record(each)["status"] for each in waits} == {Status.QUEUED}
        assert len(desk.function.requests) == int(is_known)
        worker.signal(DISK_FULL)
        wait_until(lambda: {desk.record(each)["status"] for each in waits} == {Status.SYNCED}, within_s=30)
    assert len(desk.function.requests) == 3 + int(is_known)


def test_killed_at_any_moment_workers_go_on_without_asking_and_send_nothing_twice(desk: Desk, tmp_path: Path) -> None:
    """`kill -9` between claim, witness and request: what was not sent is in doubt, nobody takes it for a restore."""
    environment = {
        "DATABASE_URL": desk.engine.url.render_as_string(hide_password=False),
        "TOC_FUNCTION_URL": desk.function.url,
        "TOC_FUNCTION_KEY": "key-of-the-function",
        "TOC_SYNC_STATE_DIR": str(tmp_path / "kept"),
        "TOC_SYNC_TIMEOUT_SECONDS": "1",
        "TOC_SYNC_LEASE_MARGIN_SECONDS": "0.5",
    }
    invoices = [desk.create() for _ in range(120)]
    for wanted in (20, 45, 70):
        with started(tmp_path, environment, Twist()) as worker:
            wait_until(lambda: len(desk.function.requests) >= wanted, within_s=30)  # noqa: B023  # used at once
            worker.kill()
    with started(tmp_path, environment, Twist()):
        ended = {Status.SYNCED, Status.IN_DOUBT}
        wait_until(lambda: {desk.record(each)["status"] for each in invoices} <= ended, within_s=60)
        assert sending(desk).gate.is_open
    asked = [request.invoice_id for request in desk.function.requests]
    assert len(asked) == len(set(asked))
