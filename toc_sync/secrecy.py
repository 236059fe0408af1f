"""Secrets that come back: blanks them in what is to be stored, logged or shown, in whatever spelling they stand there.

Pure; it is told the secrets once. What an answer means is decided on the answer as it came: a secret may be a common
word, and blanking it must not turn a success into a refusal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from toc_sync.model import Reply, Verdict
from toc_sync.spelling import forms, views, views_with_places
from toc_sync.traces import Traces

MARK = "[hidden]"
_BETWEEN = "\x00"
_MAY_BE_CUT = 100
"""Characters: a shorter text was cut by nobody, and what it begins or ends with is a word."""

_WEAK_BELOW, _WORD_BELOW = 8, 16
_DEEPEST = 60
_OF_A_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_.~-") | set(range(128, 256))
_ALSO_BEHIND = frozenset(b"=%")
_WORDS = re.compile(r"[^\W\d_]+(?:[_-][^\W\d_]+)*")
_NAMED = r"(?:bearer|basic|token|key|password|passwd|pwd)[\"'\s:=]{1,6}"


@dataclass(frozen=True)
class Blanker:
    """Blanks `secrets`; without any, nothing.

    One that is shorter than 8 characters, a number or plain words is blanked only where a secret is named.
    """

    secrets: tuple[str, ...] = ()

    def finds(self, text: str) -> bool:
        """Tells whether a trace of a secret stands in `text`; takes some milliseconds for a million characters."""
        if self._weak and self._weak.search(text):
            return True
        may_be_cut = len(text) >= _MAY_BE_CUT
        return self._traces is not None and any(
            self._traces.stand_in(view, may_be_cut=may_be_cut) for view in views(_as_bytes(text))
        )

    def finds_in(self, texts: Sequence[str]) -> bool:
        """Tells whether a trace of a secret stands in one of many texts; short ones are looked at together."""
        return self.finds(_BETWEEN.join(texts)) or any(self.finds(text) for text in texts if len(text) >= _MAY_BE_CUT)

    def text(self, text: str) -> str:
        """Returns `text` with a mark in the place of each word that holds a trace of a secret."""
        if not self.finds(text):
            return text
        if self._weak:
            text = self._weak.sub(rf"\g<before>{MARK}", text)
        raw = _as_bytes(text)
        spans = sorted(_whole_word(raw, *span) for span in self._spans(raw, may_be_cut=len(text) >= _MAY_BE_CUT))
        return _with_marks(raw, spans).decode("utf-8", "surrogatepass")

    def json_text(self, text: str) -> str:
        """Returns `text` blanked; where it was JSON it still is."""
        blanked = self.text(text)
        if blanked == text or _is_json(blanked) or not _is_json(text):
            return blanked
        return json.dumps(self.value(json.loads(text)), ensure_ascii=False)

    def value(self, value: Any) -> Any:
        """Returns a JSON value whose texts, keys included, are blanked."""
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, Mapping | list | tuple) or not self.finds_in(list(texts_of(value))):
            return value
        return self._blanked(value, 0)

    def reply(self, reply: Reply) -> Reply:
        """Returns an answer without secrets, as it is stored."""
        text = reply.body.decode("utf-8", "replace")
        blanked = self.json_text(text)
        headers = {name: self.text(value) for name, value in reply.headers.items()}
        return replace(reply, headers=headers, body=reply.body if blanked == text else blanked.encode())

    def verdict(self, verdict: Verdict) -> Verdict:
        """Returns what an answer means, in words without secrets."""
        error, document_no = self.value(verdict.error), self.value(verdict.document_no)
        return replace(verdict, error=error, document_no=document_no, toc_data=self.value(verdict.toc_data))

    @cached_property
    def _traces(self) -> Traces | None:
        found = dict.fromkeys(form for secret in self.secrets if not _is_weak(secret) for form in forms(secret))
        return Traces(found) if found else None

    @cached_property
    def _weak(self) -> re.Pattern[str] | None:
        words = "|".join(re.escape(secret) for secret in self.secrets if secret and _is_weak(secret))
        pattern = rf"(?P<before>{_NAMED}(?={words})|:(?=(?:{words})@))(?:{words})(?![A-Za-z0-9])"
        return re.compile(pattern, re.IGNORECASE) if words else None

    def _spans(self, raw: bytes, *, may_be_cut: bool) -> Iterator[tuple[int, int]]:
        if self._traces is not None:
            for view in views_with_places(raw):
                for begin, end in self._traces.places(view.alike, may_be_cut=may_be_cut):
                    yield view.at[begin][0], view.at[end - 1][1]

    def _blanked(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, Mapping | list | tuple):
            return value
        if depth > _DEEPEST:
            return MARK
        if isinstance(value, Mapping):
            return {self._blanked(key, depth): self._blanked(item, depth + 1) for key, item in value.items()}
        return [self._blanked(item, depth + 1) for item in value]


def _is_weak(secret: str) -> bool:
    # Our own names of states and columns look like this too.
    is_word = len(secret) < _WORD_BELOW and _WORDS.fullmatch(secret) is not None
    return len(secret) < _WEAK_BELOW or is_word or secret.isdigit()


def texts_of(value: Any) -> Iterator[str]:
    """Yields the texts in a JSON value, keys included, as deep as a value that is stored may be."""
    layer = [value]
    for _ in range(_DEEPEST):
        yield from (item for item in layer if isinstance(item, str))
        maps = (pair for item in layer if isinstance(item, Mapping) for pair in item.items())
        lists = (item for item in layer if isinstance(item, list | tuple))
        layer = [item for several in (*maps, *lists) for item in several]
        if not layer:
            return


def _whole_word(raw: bytes, begin: int, end: int) -> tuple[int, int]:
    while begin > 0 and raw[begin - 1] in _OF_A_WORD:
        begin -= 1
    while end < len(raw) and (raw[end] in _OF_A_WORD or raw[end] in _ALSO_BEHIND):
        end += 1
    return begin, end


def _with_marks(raw: bytes, spans: list[tuple[int, int]]) -> bytes:
    blanked, done = bytearray(), 0
    for begin, end in spans:
        if begin >= done:
            blanked += raw[done:begin] + MARK.encode()
        done = max(done, end)
    return bytes(blanked + raw[done:])


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
