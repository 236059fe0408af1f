"""Copies, restores and failovers of a PostgreSQL database: nothing is sent twice, and what lost nothing stops nobody."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

from tests.core import prepare
from tests.live_app import wait_until
from tests.stand_in import StandIn
from tests.test_copies import SENT, WAITING, asked, assert_stopped, create, gate_of, send_all, settings_for
from tests.torture.own_server import OwnServer, own_server
from toc_sync import runtime, sync, wording_gate
from toc_sync.database import reading, writing
from toc_sync.engines import open_engine
from toc_sync.model import Status
from toc_sync.outbox import read_gate
from toc_sync.runtime import Runtime
from toc_sync.upkeep import Upkeep


class Server(OwnServer):
    """A server whose data can be copied, put back, and made to begin another history, as a failover does."""

    @property
    def data(self) -> Path:
        return self._data

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.stop("fast")
        try:
            yield
        finally:
            self.start()
            wait_until(self._takes_writes)

    def _takes_writes(self) -> bool:
        """It answers questions before the old history is read to its end."""
        with psycopg.connect(plain(self.url.set(database="postgres")), autocommit=True) as conn:
            return conn.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,)

    def copy_to(self, folder: Path) -> None:
        subprocess.run(["cp", "-a", str(self.data), str(folder)], check=True)

    def put_back(self, folder: Path) -> None:
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", str(folder), str(self.data)], check=True)

    def begin_another_history(self) -> None:
        signal, settings = self.data / "recovery.signal", self.data / "postgresql.auto.conf"
        signal.touch()
        with settings.open("a") as file:
            file.write("restore_command = '/bin/false'\n")
        owner = self.data.stat()
        shutil.chown(signal, owner.st_uid, owner.st_gid)

    def program(self, name: str) -> str:
        return str(Path((self.data / "postmaster.opts").read_text().split()[0]).with_name(name))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with own_server() as own:
        yield Server(own.url, own._data)


@pytest.fixture
def url(server: Server) -> Iterator[URL]:
    """A company's database on it."""
    name = f"d{uuid.uuid4().hex[:12]}"
    execute(server.url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    address = server.url.set(database=name)
    engine = open_engine(address.render_as_string(hide_password=False))
    with writing(engine) as conn:
        prepare(conn)
    engine.dispose()
    yield address
    execute(server.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def execute(url: URL, statement: str) -> None:
    address = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute(statement)  # type: ignore[call-overload]


@contextmanager
def program(url: URL, function: StandIn, state: Path) -> Iterator[Runtime]:
    desk = runtime.open_runtime(settings_for(url.render_as_string(hide_password=False), function, state))
    try:
        yield desk
    finally:
        desk.close()


def announced(desk: Runtime, name: str) -> Upkeep:
    """Makes a program known as one that sends, as its upkeep does every few seconds."""
    upkeep = Upkeep(desk._sender(name, lambda _: False), threads=1, goes_on=lambda: True, wake=lambda: None)
    upkeep._announce()
    return upkeep


@pytest.fixture
def office(url: URL, function: StandIn, tmp_path: Path) -> URL:
    """A database from which ten invoices were sent, and in which ten more wait."""
    with program(url, function, tmp_path / "state") as desk:
        create(desk, SENT)
        send_all(desk)
        create(desk, WAITING)
    return url


def copy_by_template(server: Server, url: URL, name: str) -> URL:
    execute(server.url, f"CREATE DATABASE {name} TEMPLATE {url.database}")
    return url.set(database=name)


def copy_by_dump(server: Server, url: URL, name: str) -> URL:
    execute(server.url, f"CREATE DATABASE {name} TEMPLATE template0")
    restore_dump(server, dump(server, url), url.set(database=name))
    return url.set(database=name)


def dump(server: Server, url: URL) -> bytes:
    words = [server.program("pg_dump"), "--clean", "--if-exists", "-d", plain(url)]
    return subprocess.run(words, check=True, capture_output=True).stdout


def restore_dump(server: Server, dumped: bytes, url: URL) -> None:
    words = [server.program("psql"), "-q", "-v", "ON_ERROR_STOP=1", "-d", plain(url)]
    subprocess.run(words, check=True, input=dumped, capture_output=True)


def plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.mark.parametrize("copy_first", [True, False], ids=["the copy starts first", "the original starts first"])
@pytest.mark.parametrize("same_state", [True, False], ids=["on the same machine", "on another machine"])
@pytest.mark.parametrize("copy", [copy_by_template, copy_by_dump], ids=["CREATE DATABASE … TEMPLATE", "pg_dump | psql"])
def test_what_waits_in_a_copy_is_sent_by_the_original_only(
    server, office, function, tmp_path, copy, same_state, copy_first
) -> None:
    state = tmp_path / ("state" if same_state else "another state")
    copied = copy(server, office, f"c{uuid.uuid4().hex[:12]}")
    if copy_first:
        with program(copied, function, state) as desk:
            assert_stopped(desk, "copy", f"database: {office.database} → {copied.database}")
        assert len(asked(function)) == SENT
    with program(office, function, tmp_path / "state") as desk:
        send_all(desk)
        assert gate_of(desk).is_open
    with program(copied, function, state) as desk:
        assert_stopped(desk, "copy")
        assert not desk.gate.resume(actor="ana").done
        assert desk.gate.accept_copy(actor="ana", moved=False).done
        create(desk, 1)
        send_all(desk)
        assert desk.overview().sums[Status.IN_DOUBT].count == WAITING
    assert asked(function) == list(range(1, SENT + WAITING + 2))
    execute(server.url, f"DROP DATABASE {copied.database} WITH (FORCE)")


def test_a_dump_put_back_into_its_own_database_is_older_than_what_was_sent(server, office, function, tmp_path) -> None:
    dumped = dump(server, office)
    with program(office, function, tmp_path / "state") as desk:
        send_all(desk)
        restore_dump(server, dumped, office)
        assert_stopped(desk, "older")
    assert len(asked(function)) == SENT + WAITING


@contextmanager
def beside(server: Server, folder: Path) -> Iterator[Server]:
    """A second server on a copy of the first one's data."""
    owner = server.data.stat()
    sockets = server.data.parent / f"s{uuid.uuid4().hex[:6]}"
    sockets.mkdir()
    shutil.chown(sockets, owner.st_uid, owner.st_gid)
    (folder / "postmaster.pid").unlink(missing_ok=True)
    other = Server(
        make_url(plain(server.url)).set(drivername="postgresql+psycopg", query={"host": str(sockets)}), folder
    )
    other.start()
    try:
        yield other
    finally:
        other.stop("immediate")


@pytest.mark.parametrize("same_state", [True, False], ids=["on the same machine", "on another machine"])
@pytest.mark.parametrize("role", ["administrator", "plain role"])
def test_a_snapshot_of_the_volume_started_beside_waits(server, office, function, tmp_path, same_state, role) -> None:
    """A plain role may not ask where the server keeps its data: then only the witness tells."""
    if role == "plain role":
        name = f"r{uuid.uuid4().hex[:8]}"
        with psycopg.connect(plain(office), autocommit=True) as conn:
            conn.execute(f"CREATE ROLE {name} LOGIN")  # type: ignore[call-overload]
            conn.execute(
                "GRANT USAGE ON SCHEMA public, toc_sync TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA public, toc_sync TO PUBLIC"
            )
            conn.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public, toc_sync TO PUBLIC")
            conn.execute("UPDATE toc_sync.gate SET place = NULL, database_id = NULL, database_identity = NULL")
        office = office.set(username=name, password=None)
        with program(office, function, tmp_path / "state") as desk:
            sync.run_one(desk._sender("worker", lambda _: False))
    sent = len(asked(function))
    folder = server.data.parent / f"v{uuid.uuid4().hex[:6]}"
    with server.stopped():
        server.copy_to(folder)
    with program(office, function, tmp_path / "state") as desk:
        send_all(desk)
        assert gate_of(desk).is_open, "a restart is nothing"
    assert len(asked(function)) == SENT + WAITING
    state = tmp_path / ("state" if same_state else "another state")
    with beside(server, folder) as other, program(office.set(query=other.url.query), function, state) as desk:
        send_all(desk)
        assert not gate_of(desk).is_open or desk.watch.obstacle == wording_gate.NOBODY_VOUCHES
        assert desk.overview().sums[Status.QUEUED].count == SENT + WAITING - sent
    assert len(asked(function)) == SENT + WAITING


def test_a_snapshot_of_the_volume_put_back_is_noticed(server, office, function, tmp_path) -> None:
    folder = server.data.parent / f"v{uuid.uuid4().hex[:6]}"
    with server.stopped():
        server.copy_to(folder)
    with program(office, function, tmp_path / "state") as desk:
        send_all(desk)
        with server.stopped():
            server.put_back(folder)
        desk.engine.dispose()
        assert_stopped(desk, "older")
    assert len(asked(function)) == SENT + WAITING


def test_of_two_programs_the_idle_one_notices_it_too(server, office, function, tmp_path) -> None:
    """It has sent nothing itself, but seen what the other one had sent."""
    folder = server.data.parent / f"v{uuid.uuid4().hex[:6]}"
    with server.stopped():
        server.copy_to(folder)
    with program(office, function, tmp_path / "idle state") as desk:
        assert desk.watch.obstacle == wording_gate.NOBODY_VOUCHES, "it is new, and the server has been started since"
    with (
        program(office, function, tmp_path / "state") as busy,
        program(office, function, tmp_path / "idle state") as idle,
    ):
        send_all(busy)
        announced(idle, "idle")
    with server.stopped():
        server.put_back(folder)
    with program(office, function, tmp_path / "idle state") as desk:
        assert_stopped(desk, "older")
    assert len(asked(function)) == SENT + WAITING


def test_a_restart_of_the_server_and_a_new_worker_afterwards_stop_nobody(server, office, function, tmp_path) -> None:
    with program(office, function, tmp_path / "state") as desk:
        with server.stopped():
            pass
        desk.engine.dispose()
        send_all(desk)
        with program(office, function, tmp_path / "a new machine") as other:
            create(other, 3)
            send_all(other)
            assert gate_of(other).is_open
            assert other.watch.obstacle is None
    assert asked(function) == list(range(1, SENT + WAITING + 4))


def test_a_failover_that_lost_nothing_stops_nobody_once_everybody_has_answered(
    server, office, function, tmp_path
) -> None:
    with ExitStack() as opened:
        one = opened.enter_context(program(office, function, tmp_path / "state"))
        two = opened.enter_context(program(office, function, tmp_path / "two"))
        one_upkeep, two_upkeep = announced(one, "one"), announced(two, "two")
        sync.run_one(two._sender("two", lambda _: False))
        with server.stopped():
            server.begin_another_history()
        for each in (one, two):
            each.engine.dispose()
        send_all(one)
        assert len(asked(function)) == SENT + 1
        with reading(one.engine) as conn:
            assert "every program that was sending" in (read_gate(conn).why_changed or "")
        two_upkeep._announce()
        one_upkeep._announce()
        send_all(one)
        assert gate_of(one).is_open
    assert asked(function) == list(range(1, SENT + WAITING + 1))


def test_a_failover_that_lost_claims_of_another_program_stops_all(server, office, function, tmp_path) -> None:
    folder = server.data.parent / f"v{uuid.uuid4().hex[:6]}"
    with ExitStack() as opened:
        one = opened.enter_context(program(office, function, tmp_path / "state"))
        two = opened.enter_context(program(office, function, tmp_path / "two"))
        announced(one, "one"), announced(two, "two")
        with server.stopped():
            server.copy_to(folder)
        for each in (one, two):
            each.engine.dispose()
            sync.recognise(each._sender("again", lambda _: False))
        assert sync.run_one(two._sender("two", lambda _: False))
        with server.stopped():
            server.put_back(folder)
            server.begin_another_history()
        for each in (one, two):
            each.engine.dispose()
        send_all(one)
        assert len(asked(function)) == SENT + 1, "the other one has not said yet what it sent"
        send_all(two)
        assert_stopped(one, "older")
        assert_stopped(two, "older")
    assert len(asked(function)) == SENT + 1


def test_a_failover_after_a_power_cut_of_the_sender_is_for_a_person(
    server, office, function, tmp_path, monkeypatch
) -> None:
    """Its witness may lack the very claims that the failover lost."""
    with program(office, function, tmp_path / "state") as desk:
        sync.run_one(desk._sender("worker", lambda _: False))
        monkeypatch.setattr(desk.watch, "stop", lambda: None)  # the power went
    with server.stopped():
        server.begin_another_history()
    monkeypatch.setattr("toc_sync.outbox.originals.boot_id", lambda: "the next start")
    with program(office, function, tmp_path / "state") as desk:
        send_all(desk)
        assert not gate_of(desk).is_open
        assert desk.gate.accept_copy(actor="ana", moved=True).done
        send_all(desk)
    assert asked(function) == list(range(1, SENT + WAITING + 1))
