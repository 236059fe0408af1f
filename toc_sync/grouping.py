"""Which failures and doubts are the same one: what went wrong, without what differs from one invoice to the next.

Pure: no clock, no I/O. A recognised refusal is a group of its own; every other error is known by its kind and wording.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toc_sync.likeness import normal_form
from toc_sync.model import NEEDS_ATTENTION, ErrorKind

KEY_DIGITS = 12
_EXAMPLE_AT_MOST = 2_000


@dataclass(frozen=True, kw_only=True)
class Group:
    """What several failures and doubts have in common; `example` is one error as it came."""

    key: str
    error_kind: ErrorKind
    refusal: str | None
    normal_form: str
    example: str


def group_of(error_kind: str | None, refusal: str | None, error: str | None) -> Group | None:
    """Returns the group of one error, or None where nothing went wrong (no kind)."""
    if error_kind is None:
        return None
    form = normal_form(error or "")
    identity = f"{error_kind}|{refusal or ''}|{'' if refusal else form}"
    return Group(
        key=hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()[:KEY_DIGITS],
        error_kind=ErrorKind(error_kind),
        refusal=refusal,
        normal_form=form,
        example=(error or "")[:_EXAMPLE_AT_MOST],
    )


def group_of_record(values: Mapping[Any, Any]) -> Group | None:
    """Returns the group of a record with these columns, or None where it needs nobody's attention."""
    if values["status"] not in NEEDS_ATTENTION:
        return None
    return group_of(values.get("error_kind"), values.get("refusal"), values.get("error"))
