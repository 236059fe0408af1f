"""Who acts, for the log of what people did."""

from __future__ import annotations


def actor() -> str:
    """Returns the name under which what is done here is logged."""
    return "dashboard"
