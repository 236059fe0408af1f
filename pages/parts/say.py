"""Words to the person: results that survive a rerun, and one sentence where something cannot be shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from toc_sync.model import Result, TocSyncError

_FLASH = "_flash"


def later(message: str, *, good: bool = True) -> None:
    """Keeps a sentence for the next run: what a callback draws itself would be lost."""
    st.session_state.setdefault(_FLASH, []).append((message, good))


def result(outcome: Result, name: str) -> None:
    """Keeps what a verb answered about one invoice."""
    later(f"{name}: {outcome.message}", good=outcome.done)


def now() -> None:
    """Shows what was kept, once."""
    for message, good in st.session_state.pop(_FLASH, []):
        st.toast(plain(message), icon=":material/check_circle:" if good else ":material/error:", duration="long")


def plain(text: str) -> str:
    """Returns `text` so that Markdown shows it letter by letter: names and errors come from outside."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]()<>#+-.!|~$:^=@&" else char for char in " ".join(text.split()))


@contextmanager
def friendly() -> Iterator[None]:
    """Shows the sentence of an error that this project raises on purpose, and a way to try again."""
    try:
        yield
    except TocSyncError as error:
        st.error(plain(str(error)), icon=":material/cloud_off:")
        st.button("Try again", icon=":material/refresh:", key=f"try_again_{type(error).__name__}")
