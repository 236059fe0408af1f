"""Which rows are ticked. A table knows positions only; this keeps ids, whatever moves in or out above them.

A table's key names the rows drawn in it and is never used twice, so that no tick can land on another row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from zlib import crc32

import pandas as pd
import streamlit as st

ROW_PX = 35

Row = TypeVar("Row")


class Ticks(Generic[Row]):
    """The ticked rows of the list called `name`; `id_of` tells rows apart."""

    def __init__(self, name: str, id_of: Callable[[Row], int]) -> None:
        self.name = name
        self.id_of = id_of

    def ticked(self) -> tuple[Row, ...]:
        """Returns the ticked rows as they were last drawn, also those that have moved off the page."""
        return tuple(self._rows().values())

    def table(
        self, rows: Sequence[Row], frame: pd.DataFrame, columns: dict[str, Any], *, alt: str, rows_in_sight: int = 1_000
    ) -> None:
        """Draws `rows`, whose cells are in `frame`, as a table whose rows can be ticked; beyond those in sight it scrolls."""
        key = self.table_key(rows)
        event = st.dataframe(
            frame,
            key=key,
            column_config=columns,
            hide_index=True,
            height=ROW_PX * (min(len(rows), rows_in_sight) + 1) + 3,
            row_height=ROW_PX,
            placeholder="",
            selection_mode="multi-row",
            selection_default={"selection": {"rows": self.positions(rows)}},
            # A tick that arrives after the list has moved on still means the row it was set on.
            on_select=lambda: self.tick_late(key, rows),
            alt=alt,
        )
        self.tick(rows, event["selection"]["rows"])

    def table_key(self, rows: Sequence[Row]) -> str:
        """Returns the key of a table with these rows in this order: a new one whenever they are not those drawn before."""
        ids = tuple(self.id_of(row) for row in rows)
        times, before = st.session_state.get(self._drawn, (0, None))
        if ids != before:
            times += 1
            st.session_state[self._drawn] = (times, ids)
        return f"{self.name}_{crc32(repr(ids).encode()):08x}_{times}"

    def positions(self, rows: Sequence[Row]) -> list[int]:
        """Returns where the ticked rows stand among `rows`."""
        return [position for position, row in enumerate(rows) if self.id_of(row) in self._rows()]

    def tick(self, rows: Sequence[Row], chosen: Sequence[int]) -> None:
        """Takes over which of the drawn `rows` are ticked; rows that are not drawn stay as they are."""
        ticked = self._rows()
        for position, row in enumerate(rows):
            if position in chosen:
                ticked[self.id_of(row)] = row
            else:
                ticked.pop(self.id_of(row), None)

    def tick_late(self, key: str, rows: Sequence[Row]) -> None:
        """Takes over ticks in a table that another one may have replaced meanwhile (a callback).

        A browser may report what a table showed together with the click that unticked everything: that is no tick.
        """
        if int(key.rpartition("_")[2]) > st.session_state.get(self._cleared, 0):
            self.tick(rows, st.session_state[key]["selection"]["rows"])

    def clear(self) -> None:
        """Unticks everything; the next table starts empty."""
        st.session_state[f"_ticked_{self.name}"] = {}
        times, _ = st.session_state.get(self._drawn, (0, None))
        st.session_state[self._drawn] = (times, None)
        st.session_state[self._cleared] = times

    @property
    def _drawn(self) -> str:
        return f"_drawn_{self.name}"

    @property
    def _cleared(self) -> str:
        return f"_cleared_{self.name}"

    def _rows(self) -> dict[int, Row]:
        found: dict[int, Row] = st.session_state.setdefault(f"_ticked_{self.name}", {})
        return found
