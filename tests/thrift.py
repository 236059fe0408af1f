"""What a process of the tests does once instead of once per test, where every time gives the same.

Nothing here changes what a test sees: statements are compiled, packages searched and tables migrated as ever, but kept.
"""

from __future__ import annotations

import sqlite3
import tempfile
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy import create_engine as create_engine_anew
from streamlit.components.v2 import manifest_scanner

from toc_sync import engines, installation
from toc_sync.database import writing

_STATEMENTS_KEPT = 5000
_KEPT: dict[str, Engine] = {}


def keep_statements_of(engine: Engine) -> None:
    """Lets every later engine of this kind of database use what this connected one knows: its dialect, its statements."""
    engine._compiled_cache.capacity = _STATEMENTS_KEPT  # type: ignore[union-attr]
    _KEPT[engine.dialect.name] = engine


def _create_engine(*given, **more) -> Engine:
    engine = create_engine_anew(*given, **more)
    if kept := _KEPT.get(engine.dialect.name):
        # SQLAlchemy keeps compiled statements per dialect; compiling them anew was a quarter of a test.
        engine.dialect, engine._compiled_cache = kept.dialect, kept._compiled_cache
    return engine


@cache
def migrated_file() -> bytes:
    """Returns an SQLite database with our tables and the billing tables, and no row."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migrated.db"
        engine = engines.open_engine(f"sqlite:///{file}")
        with writing(engine) as conn:
            installation.migrate(conn)
            installation.create_billing_tables(conn)
        engine.dispose()
        return without_wal(file)


def without_wal(file: Path) -> bytes:
    """Returns what an SQLite database holds that nobody has open."""
    conn = sqlite3.connect(file)
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    return file.read_bytes()


@pytest.fixture(scope="session", autouse=True)
def _thrift() -> None:
    """Keeps compiled statements, and what Streamlit's AppTest finds among the installed packages at each new page."""
    engines.create_engine = _create_engine  # type: ignore[attr-defined]
    manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
