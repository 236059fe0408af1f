"""Amounts as people type them, and VAT from a rate. Decimals only: a binary float never meets money."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
LONGEST = 20
MOST_DIGITS = 15
"""More than any invoice has, and fewer than a database counts in cents or a decimal computes with exactly."""


def typed_amount(text: str) -> Decimal | None:
    """Returns what was typed (1234.5, 1,234.50, 1.234,50, € 12) as a decimal, or None where it is no clear amount.

    The last sign decides; a single sign before three digits ("1,234") could mean either, so it is none.
    """
    bare = re.sub(r"[\s€]|EUR", "", text)
    if sum(char.isdigit() for char in bare) > MOST_DIGITS:
        return None
    if re.fullmatch(r"\d+([.,]\d{1,2})?", bare):
        return Decimal(bare.replace(",", "."))
    if re.fullmatch(r"\d{1,3}(,\d{3})+\.\d{1,2}", bare):
        return Decimal(bare.replace(",", ""))
    if re.fullmatch(r"\d{1,3}(\.\d{3})+,\d{1,2}", bare):
        return Decimal(bare.replace(".", "").replace(",", "."))
    return None


def vat_of(subtotal: Decimal, rate: Decimal) -> Decimal:
    """Returns the VAT of `subtotal` at `rate` per cent, rounded half up to the cent."""
    return (subtotal * rate / 100).quantize(CENT, rounding=ROUND_HALF_UP)
