"""What people type when they resolve a doubt, checked and tidied. Pure."""

from __future__ import annotations


def wrong_document_no(document_no: str) -> str | None:
    """Returns what is wrong with a document number that somebody typed, or None."""
    text = " ".join(document_no.split())
    if not text:
        return "Enter the document number from TOC Online, for example FT 2026/123."
    return "Use at most 60 printable characters." if len(text) > 60 or not text.isprintable() else None


def cleaned_reason(reason: str) -> str:
    """Returns a reason on one line, without control characters, of at most 500 characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in reason).split())[:500]
