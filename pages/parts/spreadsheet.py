"""Tables as files that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

import xlsxwriter  # type: ignore[import-untyped]

from pages.parts.download import harmless
from toc_sync.wording import ZONE

Cell = str | int | float | datetime | None
LONGEST_TEXT = 32_767
"""More characters fit in no cell."""


def as_csv(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Returns a table as CSV in UTF-8 with a byte order mark, without which spreadsheets misread accents."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(headings)
    writer.writerows([_as_text(cell) for cell in row] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "replace")


def as_xlsx(sheet: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Returns a table as a workbook with one sheet: texts stay texts, instants are days and times of Lisbon."""
    target = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(target, options) as book:
        page = book.add_worksheet(sheet)
        page.freeze_panes(1, 0)
        instant = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        page.set_column(0, 0, 20)
        page.write_row(0, 0, headings, book.add_format({"bold": True}))
        for number, row in enumerate(rows, start=1):
            for column, cell in enumerate(row):
                if isinstance(cell, datetime):
                    page.write_datetime(number, column, cell.astimezone(ZONE).replace(tzinfo=None), instant)
                elif isinstance(cell, str):
                    page.write_string(number, column, cell[:LONGEST_TEXT])
                elif cell is not None:
                    page.write_number(number, column, cell)
    return target.getvalue()


def _as_text(cell: Cell) -> str | int | float:
    if isinstance(cell, datetime):
        return f"{cell.astimezone(ZONE):%Y-%m-%d %H:%M:%S}"
    return harmless(cell) if isinstance(cell, str) or cell is None else cell
