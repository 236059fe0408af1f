"""Opening: the database and the refusals that the settings name, or one sentence that says which setting is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg.types.json import Json, Jsonb
from sqlalchemy import Engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError

from toc_sync.engines import open_engine
from toc_sync.model import DatabaseBusy, DatabaseUnavailable, Refusal, SettingsError
from toc_sync.refusals import parse_refusals, shipped_refusals
from toc_sync.secrecy import Blanker, texts_of
from toc_sync.settings import Settings
from toc_sync.witness import Watch

SPARE_CONNECTIONS = 5
"""Beside one connection per sending thread: for pages, scripts and the upkeep."""


def open_database(settings: Settings) -> Engine:
    """Returns an engine on the configured database, not yet connected. Raises SettingsError.

    Whatever is written through it is written without the secrets of the settings.
    """
    try:
        engine = open_engine(settings.sqlalchemy_url, pool_size=settings.toc_sync_threads + SPARE_CONNECTIONS)
        keep_out(engine, Blanker(settings.secrets))
        return engine
    except OSError as error:
        raise SettingsError(
            f"DATABASE_URL: the folder of the database cannot be written ({error.strerror})."
        ) from error
    except (ArgumentError, ValueError) as error:
        raise SettingsError("DATABASE_URL: this is no database address.") from error


def open_watch(settings: Settings, engine: Engine) -> Watch:
    """Returns what tells this database from a copy; its witness lies in the state folder, and beside an SQLite file."""
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    return Watch(folder=settings.state_folder, database_file=Path(file) if file else None)


def load_refusals(settings: Settings) -> tuple[Refusal, ...]:
    """Returns the shipped refusals and those of the operator's own file. Raises SettingsError."""
    path = settings.toc_sync_refusals
    if path is None:
        return shipped_refusals()
    try:
        return shipped_refusals() + parse_refusals(path.read_text(encoding="utf-8"), f"TOC_SYNC_REFUSALS ({path.name})")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"TOC_SYNC_REFUSALS: the file {path.name} cannot be read.") from error


def keep_out(engine: Engine, blanker: Blanker) -> None:
    """Has secrets blanked in all that is written through `engine`, wherever it came from and whichever column it is for."""

    def blank(
        _conn: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: object
    ) -> tuple[str, Any]:
        is_only_read = statement.lstrip()[:6].upper() == "SELECT"
        if is_only_read or not blanker.finds_in(list(_texts(parameters))):
            return statement, parameters
        return statement, _blanked(parameters, blanker)

    event.listen(engine, "before_cursor_execute", blank, retval=True)


def _texts(parameters: Any) -> Iterator[str]:
    if isinstance(parameters, Json | Jsonb):
        yield from texts_of(parameters.obj)
    elif isinstance(parameters, dict):
        yield from (text for item in parameters.values() for text in _texts(item))
    elif isinstance(parameters, list | tuple):
        yield from (text for item in parameters for text in _texts(item))
    elif isinstance(parameters, str):
        yield parameters


def _blanked(parameters: Any, blanker: Blanker) -> Any:
    if isinstance(parameters, str):
        return blanker.json_text(parameters)
    if isinstance(parameters, Json | Jsonb):
        return type(parameters)(blanker.value(parameters.obj), dumps=parameters.dumps)
    if isinstance(parameters, dict):
        return {name: _blanked(item, blanker) for name, item in parameters.items()}
    if isinstance(parameters, list | tuple):
        return type(parameters)(_blanked(item, blanker) for item in parameters)
    return parameters


@contextmanager
def naming_the_database() -> Iterator[None]:
    """Raises SettingsError, which names the variable, where the database does not answer or refuses its first use."""
    try:
        yield
    except DatabaseBusy:
        raise
    except DatabaseUnavailable as error:
        raise SettingsError(f"DATABASE_URL: the database does not answer ({_reason(error.__cause__)}).") from error
    except DBAPIError as error:
        raise SettingsError(f"DATABASE_URL: the database cannot be used ({_reason(error)}).") from error


def _reason(error: BaseException | None) -> str:
    """Returns the driver's first line without addresses or passwords."""
    cause = getattr(error, "orig", None)
    text = str(cause).strip().splitlines()[0] if cause and str(cause).strip() else "no reason given"
    return "unable to open the file" if "unable to open" in text else text.split(":")[-1].strip()[:120]
