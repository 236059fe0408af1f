"""Everything that an answer says, as one text: what has to be the same for two answers to be the same answer.

Pure: no clock, no I/O. A value stands there with its name, an empty field as empty, and the HTTP status before all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from toc_sync.answer import MAX_QUOTES, Content, decode, is_markup, one_line
from toc_sync.model import fold
from toc_sync.telling import key_of

_EMPTY = "(empty)"


def account_of(http_status: int, said: Content) -> str:
    """Returns everything an answer says as one folded text, in the order it was written; "" where a part is markup."""
    if is_markup(said.raw) or (said.json is None and not said.plain):
        return ""
    fields = list(_fields(said.value, "")) if said.json else [said.plain]
    return "" if any(map(is_markup, fields)) else fold(" | ".join((f"http={http_status}", *fields)))


def earlier_account_of(said: Content) -> str:
    """Returns the same as earlier versions told it: without status, names of texts, and empty fields.

    What was taught then is recognised no more, but what rests on it must still be found.
    """
    told = [one_line(text) for text in (_leaves(said.value) if said.json else (said.plain,))]
    return "" if any(map(is_markup, told)) else fold(" | ".join(filter(None, told)))


def _fields(value: object, name: str, quotes: int = 0) -> Iterator[str]:
    """Yields what stands at the ends of `value`: a text after the names that lead to it, anything else as `name=value`."""
    if isinstance(value, str):
        inner = decode(value) if quotes < MAX_QUOTES and value.lstrip()[:1] in ("{", "[", '"') else None
        if inner is not None:
            yield from _fields(inner.value, f"{name}.json", quotes + 1)
        else:
            yield f"{name}: {text}" if (text := one_line(value)) else f"{name}={_EMPTY}"
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _fields(item, f"{name}.{key_of(key)}".strip("."), quotes)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _fields(item, name, quotes)
    else:
        yield f"{name}={_EMPTY if value is None or value in ([], {}) else json.dumps(value)}"


def _leaves(value: object, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    elif isinstance(value, str):
        yield value
    elif value is not None:
        yield f"{name}={json.dumps(value)}"
