"""Traces of secrets in a text as it is compared: whole ones, long parts of them, and rests at an edge where it was cut.

Pure. Fast where there are none, which is nearly always: every eighth byte begins a word that is looked up among all of the
secrets', and any 15 bytes in a row hold one such word.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import cached_property

_WORD = 8
_LONG = 2 * _WORD - 1
"""How many bytes of a secret in a row are a trace of it."""

_REST = 6
"""How many bytes of its beginning at the end of a text are one, or of its end at the beginning."""


class Traces:
    """Looks for `forms`: secrets in every spelling, as they are compared."""

    def __init__(self, forms: Iterable[bytes]) -> None:
        self._forms = tuple(forms)
        self._short = tuple(form for form in self._forms if len(form) < _LONG)

    def stand_in(self, text: bytes, *, may_be_cut: bool) -> bool:
        """Tells whether there is any trace in `text`; a rest of one only where it `may_be_cut`."""
        return next(self.places(text, may_be_cut=may_be_cut), None) is not None

    def places(self, text: bytes, *, may_be_cut: bool) -> Iterator[tuple[int, int]]:
        """Yields where the traces in `text` begin and end."""
        for form in self._short:
            yield from _all_places(text, form)
        yield from self._long_parts(text)
        if may_be_cut:
            yield from self._rests(text)

    @cached_property
    def _words(self) -> dict[int, list[tuple[bytes, int]]]:
        """Every word of every long form, as a number, and where it stands in the form."""
        words: dict[int, list[tuple[bytes, int]]] = {}
        for form in self._forms:
            for begin in range(len(form) - _WORD + 1 if len(form) >= _LONG else 0):
                word = int.from_bytes(form[begin : begin + _WORD], sys.byteorder)
                words.setdefault(word, []).append((form, begin))
        return words

    @cached_property
    def _word_set(self) -> frozenset[int]:
        return frozenset(self._words)

    def _long_parts(self, text: bytes) -> Iterator[tuple[int, int]]:
        words = memoryview(text)[: len(text) // _WORD * _WORD].cast("Q")
        if self._word_set.isdisjoint(words):
            return
        for number, word in enumerate(words):
            for form, begin in self._words.get(word, ()):
                part = _widest(text, number * _WORD, form, begin)
                if part[1] - part[0] >= _LONG:
                    yield part

    @cached_property
    def _edges(self) -> dict[bytes, list[tuple[bytes, int]]]:
        """What a text may begin or end with where it was cut, and where that stands in a form."""
        edges: dict[bytes, list[tuple[bytes, int]]] = {}
        for form in self._forms:
            for begin in range(len(form) - _REST + 1):
                edges.setdefault(form[begin : begin + _REST], []).append((form, begin))
        return edges

    def _rests(self, text: bytes) -> Iterator[tuple[int, int]]:
        for form, begin in self._edges.get(text[-_REST:], ()):
            if text.endswith(form[: begin + _REST]):
                yield len(text) - begin - _REST, len(text)
        for form, begin in self._edges.get(text[:_REST], ()):
            if text.startswith(form[begin:]):
                yield 0, len(form) - begin


def _widest(text: bytes, place: int, form: bytes, begin: int) -> tuple[int, int]:
    """Returns how far text and form are the same around a word that both have."""
    before = 0
    while before < min(place, begin) and text[place - before - 1] == form[begin - before - 1]:
        before += 1
    length = _WORD
    while place + length < len(text) and begin + length < len(form) and text[place + length] == form[begin + length]:
        length += 1
    return place - before, place + length


def _all_places(text: bytes, wanted: bytes) -> Iterator[tuple[int, int]]:
    place = text.find(wanted)
    while place >= 0:
        yield place, place + len(wanted)
        place = text.find(wanted, place + 1)
