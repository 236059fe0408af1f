"""Nothing is waited for for ever: silence on the way to the database ends, on both sides, and locks with it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, select, text

from tests.broken_wire import BrokenWire, Unnoticed
from tests.core import Desk, open_desk
from tests.live_app import wait_until
from tests.locks import FORGOTTEN, address_of, all_locked, in_time
from toc_sync import bounded
from toc_sync.database import current_time, reading, writing
from toc_sync.engines import open_engine
from toc_sync.model import CommitUncertain, DatabaseBusy, DatabaseUnavailable
from toc_sync.patience import PERSON, PROGRAM, Patience
from toc_sync.tables import markers

HASTY = Patience(lock_s=0.2, answer_s=0.5, in_all_s=1.0, asks_who=True)


@pytest.fixture
def wire(postgres_desk: Desk) -> Iterator[BrokenWire]:
    with BrokenWire(postgres_desk.engine.url.render_as_string(hide_password=False)) as broken:
        yield broken


@pytest.fixture
def wired(wire: BrokenWire) -> Iterator[Engine]:
    engine = open_engine(wire.url)
    yield engine
    engine.dispose()


def write_marker(engine: Engine, patience: Patience, *, name: str = "written") -> None:
    with writing(engine, patience) as conn:
        current_time(conn)
        conn.execute(markers.insert().values(name=name, value="yes"))


def is_written(desk: Desk) -> bool:
    with reading(desk.engine) as conn:
        return conn.execute(select(markers.c.name).where(markers.c.name == "written")).first() is not None


def setting(engine: Engine, name: str, patience: Patience) -> str:
    with writing(engine, patience) as conn:
        current_time(conn)
        return conn.execute(text(f"SHOW {name}")).scalar_one()


LIMITS = [
    ("lock_timeout", PROGRAM, "10s"),
    ("lock_timeout", PERSON, "2500ms"),
    ("idle_in_transaction_session_timeout", PROGRAM, "15s"),
]


@pytest.mark.parametrize(("name", "patience", "value"), LIMITS)
@pytest.mark.parametrize("behind", ["the server itself", "a pooler"])
def test_every_transaction_is_limited_by_the_server(
    wire: BrokenWire, wired: Engine, behind: str, name: str, patience: Patience, value: str
) -> None:
    if behind == "a pooler":
        wire.act_as_pooler()
    assert setting(wired, name, patience) == value


def test_behind_a_pooler_nothing_of_it_stays_for_others(wire: BrokenWire, wired: Engine) -> None:
    wire.act_as_pooler()
    write_marker(wired, PERSON)
    with wired.connect() as conn:
        assert conn.execute(text("SHOW lock_timeout")).scalar_one() == "0"


def test_what_an_administrator_set_shorter_stays(postgres_desk: Desk) -> None:
    with psycopg.connect(address_of(postgres_desk.engine), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {admin.info.dbname} SET lock_timeout = '60ms'")  # type: ignore[arg-type]
    engine = open_engine(postgres_desk.engine.url.render_as_string(hide_password=False))
    assert setting(engine, "lock_timeout", PROGRAM) == "60ms"
    engine.dispose()


UNCERTAIN = [
    pytest.param(False, None, False, id="the commit was lost and both noticed"),
    pytest.param(False, Unnoticed.BY_SERVER, False, id="the commit was lost and the server does not notice"),
    pytest.param(False, Unnoticed.BY_BOTH, False, id="the commit was lost and nobody notices"),
    pytest.param(True, None, True, id="the answer to the commit was lost"),
    pytest.param(True, Unnoticed.BY_BOTH, True, id="the answer to the commit was lost and nobody notices"),
]


@pytest.mark.parametrize(("answered", "unnoticed", "happened"), UNCERTAIN)
def test_a_commit_that_is_not_confirmed_is_called_uncertain(
    postgres_desk: Desk, wire: BrokenWire, wired: Engine, answered: bool, unnoticed: Unnoticed | None, happened: bool
) -> None:
    wire.cut_at(b"COMMIT", answered=answered, after=b"written", unnoticed=unnoticed)
    said = in_time(lambda: write_marker(wired, HASTY))
    assert isinstance(said, CommitUncertain), said
    assert "not known" in str(said)
    assert "again" not in str(said).partition("Look")[0]
    assert is_written(postgres_desk) is happened


@pytest.mark.parametrize("unnoticed", [None, *Unnoticed])
def test_what_broke_before_the_commit_changed_nothing_and_says_so(
    wire: BrokenWire, wired: Engine, unnoticed: Unnoticed | None
) -> None:
    wire.cut_at(b"INSERT INTO toc_sync.markers", answered=True, unnoticed=unnoticed)
    said = in_time(lambda: write_marker(wired, HASTY))
    assert type(said) is DatabaseUnavailable
    assert "Nothing was changed" in str(said)


def test_a_connection_that_went_silent_is_not_used_again(wire: BrokenWire, wired: Engine) -> None:
    wire.cut_at(b"COMMIT", answered=False, after=b"written", unnoticed=Unnoticed.BY_BOTH)
    in_time(lambda: write_marker(wired, HASTY))
    assert in_time(lambda: write_marker(wired, PROGRAM, name="another")) is None


def test_the_server_takes_back_what_a_client_had_locked_that_is_gone(
    postgres_desk: Desk, wire: BrokenWire, monkeypatch
) -> None:
    monkeypatch.setitem(bounded._OF_THE_SESSION, "idle_in_transaction_session_timeout", "500")
    invoice_id = postgres_desk.create()
    engine = open_engine(wire.url)
    gone = open_desk(engine, postgres_desk.function)
    wire.cut_at(b"COMMIT", answered=False, after=b"sync_attempts", unnoticed=Unnoticed.BY_SERVER)
    with pytest.raises(DatabaseUnavailable):
        gone.claim(invoice_id)
    assert postgres_desk.try_claim(invoice_id) is None, "its record is locked by nobody who lives"
    wait_until(lambda: postgres_desk.try_claim(invoice_id) is not None, within_s=20, every_s=0.1)
    engine.dispose()


def test_a_lock_that_does_not_come_names_who_has_it(postgres_desk: Desk) -> None:
    invoice_id = postgres_desk.create()
    with all_locked(postgres_desk.engine, "toc_sync.sync_records"):
        said = in_time(lambda: postgres_desk.retry(invoice_id))
    assert isinstance(said, DatabaseBusy)
    assert "Nothing was changed" in str(said)
    assert f"“{FORGOTTEN}”" in str(said)
    assert "stands still" in str(said)


def test_readers_wait_for_no_row(desk: Desk) -> None:
    invoice_id = desk.create()
    with all_locked(desk.engine):
        began = time.monotonic()
        assert desk.row(invoice_id).invoice_id == invoice_id
        assert time.monotonic() - began < 2
