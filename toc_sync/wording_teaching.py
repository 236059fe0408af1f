"""The words people read when an answer is taught, and when it is withdrawn. Pure text: it decides nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from toc_sync.model import Fixer
from toc_sync.wording import invoices

NOT_IN_DOUBT = "Only an invoice in doubt has an answer that can be taught."
NO_ANSWER = "No whole answer of the function is stored for its last try, so there is nothing to teach."
NOT_OF_FUNCTION = (
    "Only an answer of the function itself can be taught: after a time-out, a lost connection or a gateway's page"
    " the invoice may well have been issued."
)
NO_WORDS = "The answer has no readable sentence of its own, so the same one could not be recognised again."
TOO_SHORT = "The answer is too short or too general: other answers that mean something else would look the same."
ABOUT_A_LOSS = (
    "The answer reports a time-out or a lost connection behind the function, so the invoice may well have been issued."
)
NAMES_DOCUMENT = "The answer speaks of a document that exists, so it cannot mean that nothing was issued."
WRITTEN_BY_OTHERS = "The other application has written something unclear about it since, so this answer is not all."
NAME_NEEDED = "Give the answer a name, of at most 60 characters."
REMEDY_NEEDED = "Say what a person has to do before pressing Retry."
REASON_NEEDED = "Say how you know that nothing was issued."
WITHDRAWAL_REASON_NEEDED = "Say why it is withdrawn."


_REMEDIES: tuple[tuple[str, str, Fixer], ...] = (
    (
        r"licen|token|access|acesso|autentic|credencia|permiss",
        "Check the function's access to TOC Online, then press Retry.",
        Fixer.ADMINISTRATOR,
    ),
    (
        r"\bnif\b|contribuinte|\bvat number|tax number",
        "Correct the tax number that the answer names, then press Retry.",
        Fixer.FINANCE,
    ),
    (r"cliente|customer", "Correct the customer's data that the answer names, then press Retry.", Fixer.FINANCE),
    (r"serie\b|series\b", "Put the document series in order in TOC Online, then press Retry.", Fixer.FINANCE),
    (r"\biva\b|isenc|\btaxa\b|\bvat\b", "Correct the VAT that the answer names, then press Retry.", Fixer.FINANCE),
    (r"\bdata\b|\bdate\b", "Correct the date that the answer names, then press Retry.", Fixer.FINANCE),
)
"""Looked for in folded texts; the first that fits."""


def suggested_remedy(form: str) -> tuple[str, Fixer]:
    """Returns what to do about an answer, and who does it, to start with: a person reads it over."""
    for pattern, remedy, fixer in _REMEDIES:
        if re.search(pattern, form):
            return remedy, fixer
    return "Correct what the answer names, then press Retry.", Fixer.FINANCE


def already_known(name: str) -> str:
    """Says that this answer is recognised already."""
    return f"This answer is already known as “{name}”."


def fits_doubtful_answers(names: Sequence[str]) -> str:
    """Says which known doubtful answers look the same."""
    return f"It would also match answers after which a document may exist: {', '.join(names)}."


def document_followed(invoice: str, document_no: str | None) -> str:
    """Says that this answer was given although the document was issued."""
    found = f"is in TOC Online as {document_no}" if document_no else "is in TOC Online"
    return f"Invoice {invoice} got this answer and {found}."


def name_taken(name: str) -> str:
    """Says that a name cannot be used."""
    return f"The name “{name}” is already used: choose another."


def taught(count: int) -> str:
    """Says what teaching changed."""
    return f"Taught. {invoices(count)} can now be retried with one click."


def taught_as(name: str) -> str:
    """Says what became of one invoice in doubt."""
    return f"Its answer means that nothing was issued (“{name}”)."


def withdrawn_from(name: str) -> str:
    """Says why one invoice is in doubt again."""
    return f"In doubt again: it is no longer held that its answer (“{name}”) means that nothing was issued."


def withdrawn_while_sent(name: str) -> str:
    """Says what follows for one invoice that is on the wire."""
    return (
        f"It is being sent: unless TOC Online takes it now, it will be in doubt, because it is no longer held that its"
        f" answer (“{name}”) means that nothing was issued."
    )


def stopped(count: int) -> str:
    """Says that somebody withdrew the answer meanwhile."""
    return f"It was withdrawn in the meantime; {invoices(count)} had become retryable."


def withdrawn(count: int) -> str:
    """Says what a withdrawal changed."""
    return f"Withdrawn. {invoices(count)} went back to in doubt."


def unknown_name(name: str) -> str:
    """Says that no such answer was taught."""
    return f"No taught answer is called “{name}”."
