"""Promises that no single room can keep: who may import what, what is declared, and colours that can be read."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from streamlit import config as streamlit_config

from tests.asked_clocks import FORBIDDEN, asked_clocks
from toc_sync.model import VERSION

PROJECT = Path(__file__).parent.parent
PAGES_MAY_IMPORT = {
    "toc_sync.clock",
    "toc_sync.runtime",
    "toc_sync.model",
    "toc_sync.wording",
    "toc_sync.wording_activity",
    "toc_sync.wording_batches",
    "toc_sync.wording_doubt",
    "toc_sync.wording_database",
    "toc_sync.wording_gate",
    "toc_sync.wording_groups",
    "toc_sync.wording_legal",
    "toc_sync.wording_life",
    "toc_sync.wording_overview",
    "toc_sync.views",
    "toc_sync.views_activity",
    "toc_sync.views_groups",
    "toc_sync.views_health",
    "toc_sync.views_legal",
    "toc_sync.views_batches",
    "toc_sync.views_teaching",
}
NOT_FOR_DOORS = {"sqlalchemy", "sqlite3", "psycopg", "alembic", "httpx", "requests", "urllib", "socket"}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv"}
MAY_ASK_A_CLOCK = {
    "toc_sync/clock.py": {"datetime.datetime.now", "time.clock_gettime"},
    "toc_sync/database.py": {"clock_timestamp()"},
}
COMES_WITH_A_REQUIREMENT = {
    "altair",  # Streamlit draws its charts with it
    "pydantic",  # pydantic-settings is made of it
    "starlette",  # Streamlit serves through these two
    "uvicorn",
}


def _imports(source: str) -> Iterator[str]:
    """Yields every module that `source` imports; of `toc_sync`, the room."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "toc_sync":
            yield from (f"toc_sync.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def _names(source: str) -> Iterator[str]:
    """Yields every dotted name of two parts that `source` uses or imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _misplaced_in_a_door(source: str) -> set[str]:
    foreign = {name for name in _imports(source) if name.partition(".")[0] in NOT_FOR_DOORS}
    return foreign | (ENVIRONMENT & set(_names(source)))


def _misplaced_in_a_page(source: str) -> set[str]:
    rooms = {name for name in _imports(source) if name.partition(".")[0] == "toc_sync"}
    return _misplaced_in_a_door(source) | (rooms - PAGES_MAY_IMPORT)


def test_pages_know_the_runtime_and_the_words_and_views_only():
    pages = {str(page.relative_to(PROJECT)): page.read_text() for page in PROJECT.glob("pages/**/*.py")}
    assert {path: names for path, source in pages.items() if (names := _misplaced_in_a_page(source))} == {}


def test_the_server_asks_neither_database_nor_network_nor_environment():
    assert _misplaced_in_a_door((PROJECT / "app.py").read_text()) == set()


def test_only_the_settings_read_the_environment():
    rooms = {str(room.relative_to(PROJECT)): room.read_text() for room in PROJECT.glob("toc_sync/**/*.py")}
    readers = {path for path, source in rooms.items() if ENVIRONMENT & set(_names(source))}
    assert readers - {"toc_sync/settings.py"} == set()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("import os; os.environ['X']", id="the environment"),
        pytest.param("import os; os.getenv('X')", id="the environment, asked"),
        pytest.param("from os import environ", id="the environment, by name"),
        pytest.param("from sqlalchemy import select", id="SQL"),
        pytest.param("import httpx", id="the network"),
        pytest.param("from toc_sync import outbox", id="a room further down"),
        pytest.param("from toc_sync.outbox.claims import claim", id="a part of a room further down"),
    ],
)
def test_what_no_page_may_use_is_noticed(line):
    assert _misplaced_in_a_page(f"import streamlit as st\n\ndef show():\n    {line}\n")


_NEVER_RETURN = {"st.rerun", "st.stop", "st.switch_page"}


def _never_returning(source: str) -> set[str]:
    """Returns the functions of a page that say they never come back."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return {each.name for each in functions if each.returns is not None and ast.unparse(each.returns) == "NoReturn"}


def _goes_on_after_leaving(source: str, leaving: set[str]) -> set[str]:
    """Returns the calls that never come back but behind which the same function has more to do."""
    return {
        f"{function.name}: {call}"
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef)
        for call in _left_behind(function.body, leaving, more=False)
    }


def _left_behind(block: list[ast.stmt], leaving: set[str], *, more: bool) -> Iterator[str]:
    for position, statement in enumerate(block):
        follows = more or position < len(block) - 1
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and follows:
            name = ast.unparse(statement.value.func)
            if name in leaving:
                yield name
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(within := getattr(statement, inner, None), list) and not isinstance(
                statement, ast.FunctionDef
            ):
                yield from _left_behind(within, leaving, more=follows or isinstance(statement, ast.For | ast.While))


def test_no_page_relies_on_an_exception_of_the_framework_to_stop_where_it_is():
    pages = {page: page.read_text() for page in PROJECT.glob("pages/**/*.py")}
    named = {page: _never_returning(source) for page, source in pages.items()}
    ours = {f"{page.stem}.{name}" for page, names in named.items() for name in names}
    found = {
        page.name: _goes_on_after_leaving(source, _NEVER_RETURN | ours | named[page]) for page, source in pages.items()
    }
    assert {name: calls for name, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("if x: st.rerun()\n    send()", id="falls through to a sending"),
        pytest.param("if x:\n        acts.open_invoice(1)\n    send()", id="through a function of ours"),
        pytest.param("for each in y: st.switch_page(each)", id="in a loop"),
        pytest.param("with z: st.stop()\n    send()", id="in a with"),
        pytest.param("try: st.rerun()\n    finally: pass\n    send()", id="in a try"),
    ],
)
def test_what_falls_through_behind_a_rerun_is_noticed(body):
    assert _goes_on_after_leaving(f"def act():\n    {body}\n", _NEVER_RETURN | {"acts.open_invoice"})


@pytest.mark.processes
@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        pytest.param("model.py", "import toc_sync.policy", "Imports between the rooms", id="upwards"),
        pytest.param("misc.py", "", "Imports between the rooms", id="a room without a place"),
        pytest.param("edge.py", "import toc_sync.tables", "The wire and the tables", id="the wire knows the tables"),
        pytest.param(
            "edge.py", "import toc_sync.database", "The wire and the schema", id="the wire knows the database"
        ),
        pytest.param(
            "database.py", "import toc_sync.edge", "The wire and the schema", id="the database knows the wire"
        ),
        pytest.param("worker.py", "import httpx", "Only the edge", id="the network outside the edge"),
        pytest.param("worker.py", "import streamlit", "Streamlit is", id="Streamlit outside the pages"),
        pytest.param("policy.py", "import time", "The rules are pure", id="a clock in a rule"),
        pytest.param("wording.py", "import random", "The rules are pure", id="chance in a rule"),
        pytest.param("worker.py", "import toc_sync.sandbox", "Only the way", id="the worker knows the sandbox"),
        pytest.param(
            "sandbox/server.py", "import toc_sync.settings", "The sandbox knows", id="the sandbox knows the settings"
        ),
    ],
)
def test_the_import_contracts_notice(room, line, contract, tmp_path):
    shutil.copytree(PROJECT / "toc_sync", tmp_path / "toc_sync", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    with (tmp_path / "toc_sync" / room).open("a") as file:
        file.write(f"\n{line}\n")
    checked = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 1
    assert re.search(rf"^{contract}.* BROKEN", checked.stdout, re.MULTILINE), checked.stdout


def test_only_the_clock_and_the_database_say_what_time_it_is():
    rooms = [PROJECT / "app.py", *PROJECT.glob("pages/**/*.py"), *PROJECT.glob("toc_sync/**/*.py")]
    asked = {str(room.relative_to(PROJECT)): asked_clocks(room.read_text()) for room in rooms}
    assert {path: clocks for path, clocks in asked.items() if clocks} == MAY_ASK_A_CLOCK


def test_the_tests_ask_the_same_clock_which_some_of_them_move():
    tests = {str(file.relative_to(PROJECT)): asked_clocks(file.read_text()) for file in PROJECT.glob("tests/**/*.py")}
    asked = {path: {name for name in clocks & FORBIDDEN if "toc_sync" not in name} for path, clocks in tests.items()}
    assert {path: clocks for path, clocks in asked.items() if clocks} == {
        "tests/faketime.py": {"time.time"},
        "tests/test_clock.py": {"datetime.datetime.now"},
    }


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("from datetime import datetime\ndatetime.now()", id="now"),
        pytest.param("import datetime\ndatetime.datetime.now(datetime.UTC)", id="now, by the module"),
        pytest.param("from datetime import datetime as moment\nmoment.utcnow()", id="now, under another name"),
        pytest.param("from datetime import datetime\nread = datetime.now", id="now, not yet called"),
        pytest.param("from datetime import date\ndate.today()", id="the day"),
        pytest.param("import time\ntime.time()", id="seconds"),
        pytest.param("from time import time_ns", id="nanoseconds, by name"),
        pytest.param("import time as t\nt.strftime('%Y')", id="the day as text"),
        pytest.param("import time\ntime.localtime()", id="the local time"),
        pytest.param("import pandas as pd\npd.Timestamp.now()", id="pandas"),
        pytest.param("from sqlalchemy import func\nfunc.now()", id="SQLAlchemy's now"),
        pytest.param("import sqlalchemy as sa\nsa.func.current_timestamp()", id="SQLAlchemy's timestamp"),
        pytest.param("from sqlalchemy import func\nfunc.julianday('now')", id="SQLite's now"),
        pytest.param("from sqlalchemy import func\nfunc.datetime()", id="SQLite's now, unsaid"),
        pytest.param("import sqlalchemy as sa\nsa.Column('at', server_default=sa.text('now()'))", id="a default"),
        pytest.param("query = 'SELECT clock_timestamp ( )'", id="PostgreSQL's clock"),
        pytest.param("query = f'... at < CURRENT_TIMESTAMP - {1}'", id="SQL's clock within a text"),
        pytest.param("query = \"SELECT datetime('now')\"", id="SQLite's now within a text"),
        pytest.param("from toc_sync.clock import shifted", id="the tests' shift, by name"),
        pytest.param("from toc_sync import clock\nclock.set_to(when)", id="the tests' shift"),
    ],
)
def test_a_clock_that_is_asked_beside_the_clock_is_noticed(source):
    assert asked_clocks(source)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import time\ntime.monotonic()\ntime.sleep(1)", id="pacing"),
        pytest.param("say.now()\nasked.now()\nruntime.current().today()", id="other things of that name"),
        pytest.param("from datetime import datetime\ndatetime.fromtimestamp(1.0)", id="an instant that was told"),
        pytest.param("from sqlalchemy import func\nfunc.strftime('%s', column)", id="SQL about a column"),
        pytest.param("from toc_sync import clock\nclock.now()", id="the clock"),
        pytest.param('"""Not now() and no CURRENT_TIMESTAMP."""', id="a docstring"),
    ],
)
def test_what_asks_no_clock_is_let_be(source):
    assert asked_clocks(source) == set()


def _requirements(name: str) -> list[str]:
    lines = (PROJECT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r "))]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_has_a_range_and_a_reason(name):
    assert [line for line in _requirements(name) if not re.fullmatch(r"\S+>=[\d.]+,<[\d.]+ +# .+", line)] == []


def test_everything_the_project_imports_is_required():
    declared = {re.split(r"[\[<>=]", line)[0].lower() for line in _requirements("requirements.txt")}
    sources = [*PROJECT.glob("app.py"), *PROJECT.glob("pages/**/*.py"), *PROJECT.glob("toc_sync/**/*.py")]
    imported = {name.partition(".")[0] for source in sources for name in _imports(source.read_text())}
    foreign = imported - sys.stdlib_module_names - {"toc_sync", "pages"} - COMES_WITH_A_REQUIREMENT
    packages = packages_distributions()
    assert {
        name for name in foreign if not declared & {each.lower().replace("_", "-") for each in packages.get(name, [])}
    } == set()
    assert "sqlalchemy" in foreign


def _streamlit_settings() -> dict[str, object]:
    return dict(_flat(tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())))


def _flat(table: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_streamlit_knows_every_setting_we_make():
    known = streamlit_config.get_config_options()
    assert [name for name in _streamlit_settings() if name not in known] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "background", "least"),
    [
        pytest.param("textColor", "backgroundColor", 7, id="text"),
        pytest.param("textColor", "secondaryBackgroundColor", 7, id="text in a field"),
        pytest.param("linkColor", "backgroundColor", 4.5, id="links"),
        pytest.param("primaryColor", "backgroundColor", 3, id="a button against the page"),
        pytest.param("#ffffff", "primaryColor", 4.5, id="the label of a primary button"),
    ],
)
def test_colours_have_the_contrast_that_wcag_asks_for(theme, text, background, least):
    settings = _streamlit_settings()
    colours = [settings.get(f"theme.{theme}.{name}", name) for name in (text, background)]
    lighter, darker = sorted((_luminance(colour) for colour in colours), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= least


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_workers_announce_the_version_that_the_project_has():
    assert tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"] == VERSION
