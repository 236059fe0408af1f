"""The catalogue of answers: what the function answers, and what must be recorded then.

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
