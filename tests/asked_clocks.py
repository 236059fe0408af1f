"""Which clocks a module's source asks, other than `toc_sync.clock`: found in its syntax tree, under whatever name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

FORBIDDEN = {
    *(f"datetime.datetime.{name}" for name in ("now", "today", "utcnow")),
    "datetime.date.today",
    *(f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime")),
    *(f"time.{name}" for name in ("clock_gettime", "clock_gettime_ns")),
    *(f"pandas.Timestamp.{name}" for name in ("now", "today", "utcnow")),
    *(f"sqlalchemy.func.{name}" for name in ("now", "sysdate", "clock_timestamp", "statement_timestamp")),
    *(f"sqlalchemy.func.{name}" for name in ("current_timestamp", "current_date", "current_time", "localtimestamp")),
    *(f"sqlalchemy.func.{name}" for name in ("transaction_timestamp", "timeofday", "localtime")),
    *(f"toc_sync.clock.{name}" for name in ("shifted", "set_to", "set_wrong")),
}
"""`time.monotonic` is not among them: it paces loops, and no day or instant comes of it."""

_IN_SQL = re.compile(
    r"\b(clock_timestamp|statement_timestamp|transaction_timestamp|now|timeofday|sysdate|getdate)\s*\(\s*\)"
    r"|\b(current_timestamp|current_date|current_time|localtimestamp|localtime)\b"
    r"|'now'",
    re.IGNORECASE,
)
_SQL_FUNCTIONS = "sqlalchemy.func."


def asked_clocks(source: str) -> set[str]:
    """Returns every clock that `source` asks by itself: functions under their full names, and words of SQL."""
    tree = ast.parse(source)
    known = dict(_imported(tree))
    names = {_full_name(node, known) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    return (names & FORBIDDEN) | (set(known.values()) & FORBIDDEN) | set(_in_texts(tree)) | set(_in_calls(tree, known))


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yields what each imported name stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((each.asname or each.name.partition(".")[0], _whole(each)) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((each.asname or each.name, f"{node.module}.{each.name}") for each in node.names)


def _whole(imported: ast.alias) -> str:
    return imported.name if imported.asname else imported.name.partition(".")[0]


def _full_name(node: ast.expr, known: dict[str, str]) -> str:
    """Returns a dotted name with its first part as it was imported; the empty text where it is none."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute) and (before := _full_name(node.value, known)):
        return f"{before}.{node.attr}"
    return ""


def _in_texts(tree: ast.AST) -> Iterator[str]:
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from (found[0] for found in _IN_SQL.finditer(node.value))


def _in_calls(tree: ast.AST, known: dict[str, str]) -> Iterator[str]:
    """Yields SQLite's functions of time that are asked for "now", or for nothing, which means the same."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _full_name(node.func, known).startswith(_SQL_FUNCTIONS):
            name = _full_name(node.func, known).removeprefix(_SQL_FUNCTIONS)
            values = {each.value for each in node.args if isinstance(each, ast.Constant)}
            is_without = not node.args and name in ("date", "time", "datetime", "julianday", "unixepoch")
            if "now" in values or is_without:
                yield f"{name}('now')"
