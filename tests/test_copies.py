"""Copies, restores and moves of an SQLite file: nothing is sent twice, and what happens every day stops nobody."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.core import prepare, standalone
from tests.live_app import PROJECT, wait_until
from tests.stand_in import StandIn
from toc_sync import runtime, status, witness
from toc_sync.database import current_time, reading, writing
from toc_sync.engines import open_engine
from toc_sync.model import GateCause, Status
from toc_sync.runtime import Runtime
from toc_sync.settings import Settings
from toc_sync.sync import run_one
from toc_sync.views import GateView

SENT, WAITING = 10, 10


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "here" / "desk.db"


def settings_for(url: str, function: StandIn, state: Path) -> Settings:
    return Settings(
        database_url=url,
        toc_function_url=function.url,
        toc_function_key="key-of-the-function",
        toc_sync_state_dir=state,
    )


@contextmanager
def program(file: Path, function: StandIn, *, state: Path | None = None) -> Iterator[Runtime]:
    """One run of the program on a file."""
    desk = runtime.open_runtime(settings_for(f"sqlite:///{file}", function, state or file.parents[1] / "state"))
    try:
        yield desk
    finally:
        desk.close()


def make(file: Path, function: StandIn) -> None:
    """Creates the database as `init-db` does, for invoices that are sent for real."""
    engine = open_engine(f"sqlite:///{file}")
    with writing(engine) as conn:
        prepare(conn)
    engine.dispose()


def create(desk: Runtime, count: int) -> list[int]:
    return [desk.create(standalone(), actor="ana") for _ in range(count)]


def send_all(desk: Runtime) -> None:
    """What a worker's seat does, without its threads."""
    sender = desk._sender("worker", lambda _: False)
    while run_one(sender):
        pass


def gate_of(desk: Runtime) -> GateView:
    with reading(desk.engine) as conn:
        return status.read_gate_view(conn, now=current_time(conn))


def asked(function: StandIn) -> list[int]:
    return sorted(request.invoice_id for request in function.requests if request.invoice_id)


def assert_stopped(desk: Runtime, *words: str) -> None:
    send_all(desk)
    gate = gate_of(desk)
    assert gate.cause is GateCause.DATABASE
    assert gate.reason is not None
    assert [word for word in words if word not in gate.reason] == []


@pytest.fixture
def office(file: Path, function: StandIn) -> Path:
    """A file from which ten invoices were sent, and in which ten more wait."""
    make(file, function)
    with program(file, function) as desk:
        create(desk, SENT)
        send_all(desk)
        create(desk, WAITING)
    return file


def copy_by_backup(file: Path, to: Path) -> None:
    to.parent.mkdir()
    with sqlite3.connect(file) as source, sqlite3.connect(to) as target:
        source.backup(target)
    source.close()
    target.close()


def copy_alone(file: Path, to: Path) -> None:
    to.parent.mkdir()
    shutil.copy(file, to)


def copy_folder(file: Path, to: Path) -> None:
    shutil.copytree(file.parent, to.parent)


def copy_by_vacuum(file: Path, to: Path) -> None:
    to.parent.mkdir()
    conn = sqlite3.connect(file)
    conn.execute(f"VACUUM INTO '{to}'")
    conn.close()


def hard_link(file: Path, to: Path) -> None:
    to.parent.mkdir()
    to.hardlink_to(file)


COPIES = {
    "sqlite3 .backup": copy_by_backup,
    "cp of the file": copy_alone,
    "cp of the folder": copy_folder,
    "VACUUM INTO": copy_by_vacuum,
    "a second name": hard_link,
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("copy_first", [True, False], ids=["the copy starts first", "the original starts first"])
def test_what_waits_in_a_copy_is_sent_by_the_original_only(office, function, tmp_path, copy, copy_first) -> None:
    copied = tmp_path / "there" / "desk.db"
    copy(office, copied)
    before = len(function.requests)
    if copy_first:
        with program(copied, function) as desk:
            assert_stopped(desk, "copy")
        assert len(function.requests) == before
    if copy is not hard_link:  # that one is the same file: it is stopped under both names
        with program(office, function) as desk:
            send_all(desk)
            assert gate_of(desk).is_open
    with program(copied, function) as desk:
        assert_stopped(desk, "copy")
    sent = asked(function)
    assert len(sent) == len(set(sent))


def put_back_in_place(backup: Path, file: Path) -> None:
    for name in ("desk.db-wal", "desk.db-shm"):
        (file.parent / name).unlink(missing_ok=True)
    file.write_bytes(backup.read_bytes())


def put_back_as_another_file(backup: Path, file: Path) -> None:
    for name in ("desk.db", "desk.db-wal", "desk.db-shm"):
        (file.parent / name).unlink(missing_ok=True)
    shutil.copy(backup, file)


def put_back_the_folder(backup: Path, file: Path) -> None:
    put_back_in_place(backup, file)
    beside = file.with_name("desk.db.witness")
    beside.write_bytes(backup.with_name("desk.db.witness").read_bytes())


RESTORES = {
    "into the same file": put_back_in_place,
    "as another file": put_back_as_another_file,
    "with its witness": put_back_the_folder,
}


@pytest.mark.parametrize("restore", RESTORES.values(), ids=RESTORES)
def test_an_older_file_that_is_put_back_sends_nothing_twice(office, function, tmp_path, restore) -> None:
    backup = tmp_path / "backup" / "desk.db"
    copy_folder(office, backup)
    with program(office, function) as desk:
        send_all(desk)
    assert len(asked(function)) == SENT + WAITING
    restore(backup, office)
    with program(office, function) as desk:
        assert_stopped(desk)
    assert len(asked(function)) == SENT + WAITING


@pytest.mark.parametrize("lost", range(1, 4))
def test_the_loss_of_a_single_claim_is_noticed(file, function, tmp_path, lost) -> None:
    make(file, function)
    with program(file, function) as desk:
        create(desk, 4)
        sender = desk._sender("worker", lambda _: False)
        for _ in range(4 - lost):
            run_one(sender)
        copy_by_backup(file, tmp_path / "backup" / "desk.db")
        send_all(desk)
    put_back_in_place(tmp_path / "backup" / "desk.db", file)
    with program(file, function) as desk:
        assert_stopped(desk, "older")
    assert len(asked(function)) == 4


def test_a_file_that_is_put_back_under_a_running_program_is_noticed_before_its_next_claim(
    office, function, tmp_path
) -> None:
    backup = tmp_path / "backup" / "desk.db"
    copy_by_backup(office, backup)
    with program(office, function) as desk:
        send_all(desk)
        with sqlite3.connect(backup) as source, sqlite3.connect(office) as target:
            source.backup(target)  # what `.restore` does, through SQLite's own locks
        source.close()
        target.close()
        assert_stopped(desk, "older")
    assert len(asked(function)) == SENT + WAITING


def test_without_its_witness_the_file_waits(office, function) -> None:
    office.with_name("desk.db.witness").unlink()
    with program(office, function) as desk:
        assert_stopped(desk, "desk.db.witness", "missing")
    assert len(asked(function)) == SENT


def test_an_older_witness_stops_too(office, function, tmp_path) -> None:
    beside = office.with_name("desk.db.witness")
    older = beside.read_bytes()
    with program(office, function) as desk:
        send_all(desk)
    beside.write_bytes(older)
    with program(office, function, state=tmp_path / "another state") as desk:
        create(desk, 1)
        assert_stopped(desk, "desk.db.witness")
    assert len(asked(function)) == SENT + WAITING


@pytest.mark.parametrize("content", [b"", b"x" * 4096, b"\0" * 4096], ids=["empty", "torn", "blank"])
def test_a_witness_that_cannot_be_read_is_none(office, function, content) -> None:
    office.with_name("desk.db.witness").write_bytes(content)
    with program(office, function) as desk:
        assert_stopped(desk, "desk.db.witness")


def test_a_folder_that_was_moved_asks_once(office, function, tmp_path) -> None:
    office.parent.rename(tmp_path / "there")
    moved = tmp_path / "there" / "desk.db"
    with program(moved, function) as desk:
        assert_stopped(desk, "path", str(office), str(moved))
        refused = desk.gate.resume(actor="ana")
        assert not refused.done
        assert "accept-copy" in refused.message
        assert desk.gate.accept_copy(actor="ana", moved=True).done
        send_all(desk)
    with program(moved, function) as desk:
        assert gate_of(desk).is_open
        create(desk, 1)
        send_all(desk)
    assert asked(function) == list(range(1, SENT + WAITING + 2))


def test_a_copy_that_is_accepted_sends_what_is_new_and_leaves_to_the_original_what_waited(
    office, function, tmp_path
) -> None:
    copied = tmp_path / "there" / "desk.db"
    copy_folder(office, copied)
    with program(copied, function) as desk:
        send_all(desk)
        assert desk.gate.accept_copy(actor="ana", moved=False).done
        (new,) = create(desk, 1)
        send_all(desk)
        sums = desk.overview().sums
        assert (sums[Status.IN_DOUBT].count, sums[Status.SYNCED].count) == (WAITING, SENT + 1)
    with program(office, function) as desk:
        send_all(desk)
        assert gate_of(desk).is_open
    assert asked(function).count(new) == 1
    assert len(asked(function)) == SENT + WAITING + 1


def test_what_was_restored_is_distrusted_and_then_resumed(office, function, tmp_path) -> None:
    backup = tmp_path / "backup" / "desk.db"
    copy_folder(office, backup)
    with program(office, function) as desk:
        send_all(desk)
    put_back_in_place(backup, office)
    with program(office, function) as desk:
        assert_stopped(desk, "older")
        assert not desk.gate.accept_copy(actor="ana", moved=True).done, "it is older, not moved"
        with reading(desk.engine) as conn:
            since = current_time(conn).replace(year=2020)
        assert desk.gate.distrust(since=since, actor="ana").done
        assert desk.gate.resume(actor="ana").done
        create(desk, 1)
        send_all(desk)
        assert desk.overview().sums[Status.IN_DOUBT].count == WAITING
    assert len(asked(function)) == SENT + WAITING + 1


def vacuum(file: Path) -> None:
    conn = sqlite3.connect(file)
    conn.execute("VACUUM")
    conn.close()


def checkpoint(file: Path) -> None:
    conn = sqlite3.connect(file)
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()


def touch_everything(file: Path) -> None:
    for each in file.parent.iterdir():
        each.chmod(0o660)
        os.utime(each)


def lose_the_state_folder(file: Path) -> None:
    shutil.rmtree(file.parents[1] / "state")


EVERY_DAY = {
    "a restart": lambda file: None,
    "VACUUM": vacuum,
    "a checkpoint": checkpoint,
    "rights and times": touch_everything,
    "another container, with the data's volume only": lose_the_state_folder,
}


@pytest.mark.parametrize("day", EVERY_DAY.values(), ids=EVERY_DAY)
def test_what_happens_every_day_stops_nobody(office, function, day) -> None:
    for _ in range(3):
        day(office)
        with program(office, function) as desk:
            create(desk, 1)
            send_all(desk)
            assert gate_of(desk).is_open
    assert asked(function) == list(range(1, SENT + WAITING + 4))


def test_another_start_of_the_machine_stops_nobody_even_after_a_power_cut(office, function, monkeypatch) -> None:
    """What the witness was told last is lost then, what the database was told is not."""
    beside, kept = office.with_name("desk.db.witness"), office.parents[1] / "state"
    with program(office, function) as desk:
        run_one(desk._sender("worker", lambda _: False))
        lost = {file: file.read_bytes() for file in (beside, *kept.iterdir())}
        run_one(desk._sender("worker", lambda _: False))
    for file, content in lost.items():
        file.write_bytes(content)
    monkeypatch.setattr(witness, "boot_id", lambda: "the next start")
    monkeypatch.setattr("toc_sync.outbox.originals.boot_id", lambda: "the next start")
    with program(office, function) as desk:
        send_all(desk)
        assert gate_of(desk).is_open
    assert asked(function) == list(range(1, SENT + WAITING + 1))


def test_several_programs_at_one_file_do_not_take_each_other_for_copies(office, function) -> None:
    state = office.parents[1]
    with (
        program(office, function, state=state / "one") as one,
        program(office, function, state=state / "two") as other,
    ):
        workers = [desk.start_worker(threads=8) for desk in (one, other)]
        create(one, 30)
        create(other, 30)
        for worker in workers:
            worker.wake()
        total = SENT + WAITING + 60
        wait_until(lambda: one.overview().sums[Status.SYNCED].count == total, within_s=60)
        assert gate_of(one).is_open
    assert asked(function) == list(range(1, total + 1))


def test_a_database_from_before_this_version_is_known_from_the_first_start_on(office, function) -> None:
    office.with_name("desk.db.witness").unlink()
    with sqlite3.connect(office) as conn:
        conn.execute("UPDATE gate SET place = NULL, database_id = NULL, database_identity = NULL")
    conn.close()
    with program(office, function) as desk:
        send_all(desk)
    assert len(asked(function)) == SENT + WAITING


def test_two_databases_share_one_state_folder(file, function, tmp_path) -> None:
    other = tmp_path / "there" / "desk.db"
    for each in (file, other):
        make(each, function)
        with program(each, function) as desk:
            create(desk, 3)
            send_all(desk)
            assert gate_of(desk).is_open
    assert len(asked(function)) == 6


def command(file: Path, function: StandIn, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TOC_")}
    return subprocess.run(
        [sys.executable, "-m", "toc_sync", *words],
        cwd=file.parent,
        env=clean
        | {
            "PYTHONPATH": str(PROJECT),
            "DATABASE_URL": f"sqlite:///{file}",
            "TOC_FUNCTION_URL": function.url,
            "TOC_FUNCTION_KEY": "key-of-the-function",
            "TOC_SYNC_STATE_DIR": str(file.parents[1] / "state"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_way_on_from_the_command_line(office, function, tmp_path) -> None:
    copied = tmp_path / "there" / "desk.db"
    copy_folder(office, copied)
    said = command(copied, function, "gate")
    assert "copy" in said.stdout
    assert "accept-copy" in said.stdout
    checked = command(copied, function, "check")
    assert checked.returncode == 1
    assert "accept-copy" in checked.stdout
    refused = command(copied, function, "resume")
    assert refused.returncode == 5
    assert "accept-copy" in refused.stdout
    accepted = command(copied, function, "accept-copy")
    assert accepted.returncode == 0, accepted.stderr
    assert "10 invoices" in accepted.stdout
    assert json.loads(command(copied, function, "gate", "--json").stdout)["state"] == "open"
    assert command(copied, function, "accept-copy").returncode == 5, "there is nothing to accept"
