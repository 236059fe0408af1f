"""One-use tokens: whatever is pressed twice makes one invoice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from uuid import uuid4


def new_draft() -> str:
    """Returns a name for a form that was just opened; it stands in the URL and in the keys of its fields."""
    return uuid4().hex


def is_draft(text: str) -> bool:
    """Tells whether `text` can be the name of a form."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None


def one_use(draft: str, payload: Mapping[str, object]) -> str:
    """Returns the token of what a form asks for.

    The content is part of it: the browser's Back button brings a used form back, and what is typed into it then is
    another invoice, not the one that exists.
    """
    content = repr(sorted((name, str(value)) for name, value in payload.items()))
    return f"{draft}-{hashlib.sha256(content.encode('utf-8', 'backslashreplace')).hexdigest()[:32]}"
