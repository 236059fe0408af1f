"""The table of recognised refusals: answers after which certainly nothing was issued, and what a person does then.

Shipped as `refusals.json`; an operator may add rows of the same form in a file of their own. `doubtful_answers.json`
holds known answers after which nobody can tell. Reads nothing but the two shipped files. A row is {"name", "pattern", "kind", "remedy", "fixer"}. Patterns ignore case. They are tried on each text
of an answer as it was written and without accents. A pattern that starts with ^ counts only in the function's own
words, not in what it passes on from TOC Online.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from toc_sync.model import ErrorKind, Fixer, Refusal, Reply, SettingsError

_FIELDS = ("name", "pattern", "kind", "remedy", "fixer")
_KINDS = (ErrorKind.REJECTED, ErrorKind.CONFIGURATION)
_SAY_NOTHING = (
    "",
    "x",
    "500",
    "error",
    "Internal Server Error",
    "Function exited due to an error (please check logs)",
    "Request idle timeout limit (150s) reached",
    "Document not found.",
    "Já existe o documento FT 2026/3",
)
"""Texts after which the invoice may well have been issued: a pattern that fits one of them is too wide."""


def shipped_refusals() -> tuple[Refusal, ...]:
    """Returns the refusals that come with the project."""
    text = (resources.files("toc_sync") / "refusals.json").read_text(encoding="utf-8")
    return parse_refusals(text, "refusals.json")


@cache
def doubtful_answers() -> Mapping[str, Reply]:
    """Returns known whole answers, by name, after which an invoice may be in TOC Online or not."""
    text = (resources.files("toc_sync") / "doubtful_answers.json").read_text(encoding="utf-8")
    return {case["name"]: _as_reply(case["answer"]) for case in json.loads(text)}


def taught_refusal(name: str, pattern: str, remedy: str, fixer: str) -> Refusal:
    """Returns what a person taught as a row of the table. Raises SettingsError as for any other row."""
    row = {"name": name, "pattern": pattern, "kind": ErrorKind.REJECTED, "remedy": remedy, "fixer": fixer}
    return replace(_parse_row(row, f"“{name}”"), taught=True)


def parse_refusals(text: str, source: str) -> tuple[Refusal, ...]:
    """Returns the rows of a JSON table; `source` is what messages call it.

    Raises SettingsError, with one sentence that names the source and the row.
    """
    try:
        rows = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{source} is not JSON: {error}.") from None
    if not isinstance(rows, list):
        raise SettingsError(f"{source} must be a JSON list of refusals.")
    refusals = tuple(_parse_row(row, f"{source}, row {number}") for number, row in enumerate(rows, start=1))
    names = [refusal.name for refusal in refusals]
    for number, name in enumerate(names, start=1):
        if name in names[: number - 1]:
            raise SettingsError(f"{source}, row {number}: the name “{name}” is already used.")
    return refusals


def _parse_row(row: object, where: str) -> Refusal:
    if not isinstance(row, dict) or set(row) != set(_FIELDS):
        raise SettingsError(f"{where}: must be an object with exactly {', '.join(_FIELDS)}.")
    for field in _FIELDS:
        if not isinstance(row[field], str) or not row[field].strip():
            raise SettingsError(f"{where}: {field} must be a text that is not empty.")
    if row["kind"] not in _KINDS:
        raise SettingsError(f"{where}: kind must be one of {', '.join(_KINDS)}, not “{row['kind']}”.")
    if row["fixer"] not in tuple(Fixer):
        raise SettingsError(f"{where}: fixer must be one of {', '.join(Fixer)}, not “{row['fixer']}”.")
    return Refusal(
        name=row["name"],
        pattern=_parse_pattern(row["pattern"], where),
        kind=ErrorKind(row["kind"]),
        remedy=row["remedy"],
        fixer=Fixer(row["fixer"]),
    )


def _parse_pattern(text: str, where: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise SettingsError(f"{where}: pattern is not a regular expression: {error}.") from None
    for harmless in _SAY_NOTHING:
        if pattern.search(harmless):
            shown = f"also fits “{harmless}”" if harmless else "also fits an empty text"
            raise SettingsError(
                f"{where}: pattern is too wide, it {shown}, which does not say that nothing was issued."
            )
    return pattern


def _as_reply(answer: Mapping[str, Any]) -> Reply:
    body = answer["body"] if isinstance(answer["body"], str) else json.dumps(answer["body"])
    return Reply(
        http_status=answer["status"], headers=answer["headers"], body=body.encode(), truncated=False, duration_ms=0
    )
