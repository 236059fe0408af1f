"""The words people read about groups of errors, and about pressing Retry without having corrected anything. Pure text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from toc_sync.model import ErrorKind, Fixer, Status
from toc_sync.views import StatusSum
from toc_sync.views_groups import ErrorGroup
from toc_sync.wording import KIND_ADVICE, KIND_NAMES, invoices

FIXER_SHORT = {Fixer.FINANCE: "Finance", Fixer.ADMINISTRATOR: "Administrator", Fixer.TOC_ONLINE: "TOC Online"}
FIXER_COLORS: dict[Fixer, Literal["orange", "blue", "violet"]] = {
    Fixer.FINANCE: "orange",
    Fixer.ADMINISTRATOR: "blue",
    Fixer.TOC_ONLINE: "violet",
}
KIND_FIXERS = {ErrorKind.CONFIGURATION: Fixer.ADMINISTRATOR}
"""Who can put right what no recognised refusal explains; finance where it is not said."""

LOOK_UP = "Look the invoices up in TOC Online."
DOUBTS = frozenset(
    {ErrorKind.TIMEOUT, ErrorKind.LOST, ErrorKind.UNREADABLE, ErrorKind.SERVER_ERROR, ErrorKind.ACCEPTED}
)
GONE = "a group that is gone"
NOTED = "The note is kept."
NOTE_REMOVED = "The note was removed."
NO_SUCH_GROUP = "This group of errors does not exist."
UNCHANGED = "Nothing about it has changed since it was refused."

_AT_REST = frozenset({Status.SYNCED, Status.NOT_NEEDED})
_EXAMPLE_AT_MOST = 80
_QUOTED = re.compile(r"'([^']{1,60})'|“([^”]{1,60})”|«([^»]{1,60})»|\"([^\"]{1,60})\"|(?<![\w.,])([0-9]{9})(?![\w])")


def group_name(kind: ErrorKind, refusal: str | None, example: str) -> str:
    """Returns what people call a group: the refusal's name, or the kind with the beginning of one error."""
    if refusal:
        return refusal.replace("_", " ").capitalize()
    words = " ".join(example.split())
    shown = words if len(words) <= _EXAMPLE_AT_MOST else words[:_EXAMPLE_AT_MOST].rstrip() + "…"
    return f"{KIND_NAMES[kind]}: {shown}" if shown else KIND_NAMES[kind]


def group_advice(kind: ErrorKind) -> str:
    """Returns what to do about a group that no recognised refusal explains."""
    return f"{KIND_ADVICE[kind]} {LOOK_UP}" if kind in DOUBTS else KIND_ADVICE[kind]


def only_data_fixes(groups: Sequence[ErrorGroup], sums: Mapping[Status, StatusSum]) -> str:
    """Says so where whatever is not in TOC Online was refused for what finance can correct; "" where anything else is.

    `sums` counts every invoice: one that waits, is on its way or was never sent is something else.
    """
    left = sum(found.count for status, found in sums.items() if status not in _AT_REST)
    refused = sum(group.failed for group in groups if _is_data_fix(group))
    return f"Only data fixes remain: {invoices(left)}." if left and left == refused else ""


def _is_data_fix(group: ErrorGroup) -> bool:
    return group.error_kind is ErrorKind.REJECTED and group.fixer is Fixer.FINANCE


def named_in(error: str | None) -> tuple[str, ...]:
    """Returns the very words that an error names: what stands in quotation marks, and tax numbers."""
    found = (next(filter(None, match.groups())) for match in _QUOTED.finditer(error or ""))
    return tuple(dict.fromkeys(found))[:3]


def retry_anyway(count: int, name: str = "", why: str | None = None) -> str:
    """Asks whether to send what nobody corrected; `why` is what it was refused for."""
    if count > 1:
        return f"Nothing about {count:,} of these invoices has changed since they were refused. Retry them anyway?"
    refused = f": {why.rstrip('.')}." if why else "."
    return f"Nothing about {name or 'this invoice'} has changed since it was refused{refused} Retry anyway?"


def sent_unchanged(message: str) -> str:
    """Says what became of a Retry that went through although nothing was corrected."""
    return f"{message} {UNCHANGED}"
