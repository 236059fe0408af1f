"""What a process of the tests does once instead of once per test, where every time gives the same.

Nothing here changes what a test sees: statements are compiled, packages searched and tables migrated as ever, but kept.
"""

from __future__ import annotations

import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy import create_engine as create_engine_anew
from streamlit.components.v2 import manifest_scanner

from toc_sync import engines, installation
from toc_sync.database import writing


class _Statements(dict[Any, Any]):
    """Compiled statements, for all engines of one kind of database: the key's first part is the engine's own dialect."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__(key[1:], compiled)


_STATEMENTS = {"sqlite": _Statements(), "postgresql": _Statements()}


def _create_engine(*given, **more) -> Engine:
    """Creates an engine that takes from others what they have compiled: that was a quarter of a test."""
    engine = create_engine_anew(*given, **more)
    engine.update_execution_options(compiled_cache=_STATEMENTS[engine.dialect.name])
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
