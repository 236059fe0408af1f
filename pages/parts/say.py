"""Words to the person: results that survive a rerun, and one sentence where something cannot be shown or done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st
from streamlit_autorefresh import st_autorefresh  # type: ignore[import-untyped]

from toc_sync.model import CommitUncertain, DatabaseUnavailable, Result, TocSyncError

_FLASH = "_flash"
_MARKDOWN = frozenset("\\`*_{}[]()<>#+-.!|~$:^=@&")
_LINK_OR_ICON = re.compile(r":(?=\S)|@(?=\S)|www", re.IGNORECASE)
_JOINER = "\u2060"
_NAMED_AT_MOST = 3
_AGAIN_MS = 10_000

P = ParamSpec("P")


def later(message: str, *, good: bool = True, link: str | None = None) -> None:
    """Keeps a sentence for the next run: what a callback draws itself would be lost. `link` is a page of ours."""
    st.session_state.setdefault(_FLASH, []).append((message, good, link))


def result(outcome: Result, name: str) -> None:
    """Keeps what a verb answered about one invoice."""
    later(f"{name}: {outcome.message}", good=outcome.done)


def results(outcomes: Sequence[tuple[str, Result]], done: Callable[[int], str]) -> None:
    """Keeps what a verb answered about several invoices, given with their names; `done` words what comes of a number."""
    refused = [(name, outcome.message) for name, outcome in outcomes if not outcome.done]
    words = done(len(outcomes) - len(refused))
    if not refused:
        later(f"{words}.")
        return
    later(f"{words}, {len(refused)} refused: {_reasons(refused)}", good=False)


def now() -> None:
    """Shows what was kept, once."""
    for message, good, link in st.session_state.pop(_FLASH, []):
        more = f" [Open]({link})" if link else ""
        st.toast(plain(message) + more, icon=":material/check_circle:" if good else ":material/error:", duration="long")


def plain(text: str) -> str:
    """Returns `text` so that Markdown shows it letter by letter: names and errors come from outside.

    Addresses and icons are recognised after escaping, so an invisible joiner keeps them from being taken for any.
    """
    escaped = "".join(f"\\{char}" if char in _MARKDOWN else char for char in " ".join(text.split()))
    return _LINK_OR_ICON.sub(rf"\g<0>{_JOINER}", escaped)


@contextmanager
def friendly(name: str = "page", *, ticks: bool = False) -> Iterator[None]:
    """Shows the sentence of an error that this project raises on purpose.

    Where trying again helps there is a button for it, and it happens by itself: here, unless what is drawn `ticks`.
    """
    try:
        yield
    except TocSyncError as error:
        st.error(plain(str(error)), icon=":material/error:")
        if isinstance(error, DatabaseUnavailable) and not isinstance(error, CommitUncertain):
            st.button("Try again", icon=":material/refresh:", key=f"try_again_{name}")
            if not ticks:
                st_autorefresh(interval=_AGAIN_MS, key=f"again_{name}")


def safely(act: Callable[P, None]) -> Callable[P, None]:
    """Makes a callback keep the sentence of an error that this project raises on purpose."""

    @wraps(act)
    def acting(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            act(*args, **kwargs)
        except TocSyncError as error:
            later(str(error), good=False)

    return acting


def _reasons(refused: list[tuple[str, str]]) -> str:
    names: dict[str, list[str]] = {}
    for name, reason in refused:
        names.setdefault(reason, []).append(name)
    return " ".join(f"{_some(those)}: {reason}" for reason, those in names.items())


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
