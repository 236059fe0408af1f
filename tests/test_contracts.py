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

PROJECT = Path(__file__).parent.parent
DOORS_MAY_IMPORT = {"toc_sync.runtime", "toc_sync.model", "toc_sync.wording"}
NOT_FOR_DOORS = {"sqlalchemy", "sqlite3", "psycopg", "httpx", "os", "socket", "threading"}
COMES_WITH_A_REQUIREMENT = {
    "pydantic",  # pydantic-settings is made of it
    "starlette",  # Streamlit serves through these two
    "uvicorn",
}


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "toc_sync":
            yield from (f"toc_sync.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def _misplaced_in_a_door(source: str) -> list[str]:
    return [
        name
        for name in _imports(source)
        if name.partition(".")[0] in NOT_FOR_DOORS
        or (name.partition(".")[0] == "toc_sync" and name not in DOORS_MAY_IMPORT)
    ]


def test_doors_import_the_runtime_the_model_and_the_wording_only():
    doors = [*PROJECT.glob("app.py"), *PROJECT.glob("pages/**/*.py")]
    misplaced = {str(door.relative_to(PROJECT)): _misplaced_in_a_door(door.read_text()) for door in doors}
    assert {door: names for door, names in misplaced.items() if names} == {}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("import os", id="the environment"),
        pytest.param("from os import environ", id="the environment, by name"),
        pytest.param("from sqlalchemy import select", id="SQL"),
        pytest.param("import httpx", id="the network"),
        pytest.param("from toc_sync import outbox", id="a room further down"),
        pytest.param("from toc_sync.outbox.claims import claim", id="a part of a room further down"),
    ],
)
def test_an_import_that_no_door_may_have_is_noticed(line):
    assert _misplaced_in_a_door(f"import streamlit as st\n\ndef show():\n    {line}\n")


@pytest.mark.parametrize(
    ("room", "line"),
    [
        pytest.param("model.py", "import toc_sync.policy", id="upwards"),
        pytest.param("edge.py", "import toc_sync.tables", id="the wire knows the schema"),
        pytest.param("database.py", "import toc_sync.edge", id="the schema knows the wire"),
        pytest.param("status.py", "import httpx", id="the network outside the edge"),
        pytest.param("worker.py", "import streamlit", id="Streamlit outside the pages"),
        pytest.param("policy.py", "import time", id="a clock in a rule"),
        pytest.param("wording.py", "import random", id="chance in a rule"),
        pytest.param("worker.py", "import toc_sync.sandbox", id="the sandbox known to the worker"),
        pytest.param("sandbox/server.py", "import toc_sync.settings", id="the sandbox knows the settings"),
        pytest.param("misc.py", "", id="a room without a place"),
    ],
)
def test_the_import_contracts_notice(room, line, tmp_path):
    shutil.copytree(PROJECT / "toc_sync", tmp_path / "toc_sync", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    for name in ("edge.py", room):
        with (tmp_path / "toc_sync" / name).open("a") as file:
            file.write(f"\n{line if name == room else ''}\n")
    checked = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 1
    assert "BROKEN" in checked.stdout


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
    assert {name for name in foreign if not declared & {each.lower() for each in packages.get(name, [])}} == set()
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
