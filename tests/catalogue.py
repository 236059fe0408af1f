"""The catalogue of answers: what the function answers, and what must be recorded then.

INVENTED has answers that were thought up to mislead, each with the outcomes that it may have.

The doubtful ones belong to the program, which refuses to be taught that one of them means something; the rest is here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_DOUBTFUL = _HERE.parent / "toc_sync" / "doubtful_answers.json"

DOUBTFUL: list[dict[str, Any]] = json.loads(_DOUBTFUL.read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = [
    *json.loads((_HERE / "catalogue.json").read_text(encoding="utf-8"))["cases"],
    *DOUBTFUL,
]

INVENTED: list[dict[str, Any]] = [
    case
    for name in ("answers.json", "more_answers.json")
    for case in json.loads((_HERE / name).read_text(encoding="utf-8"))
]
GIVEN = len(json.loads((_HERE / "answers.json").read_text(encoding="utf-8")))
"""How many of them, the first ones, are sent over the wire too; the others are further ones of the same classes."""


def body_of(case: dict[str, Any]) -> bytes:
    """Returns the bytes that an invented answer consists of."""
    return case["text"].encode() if "text" in case else case["bytes"].encode("latin-1")
