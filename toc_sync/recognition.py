"""Which database this is: how the place it lies at tells an original from a copy, and what may be trusted there. Pure.

A place is a few facts about a database (path and file, or server and database), each a word. What is not known to one of
two sides is not compared: a role may have no right to ask for it, and a container has no machine of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Place = Mapping[str, str]
Seen = tuple[int, str]
"""An attempt's number in the database, and the beginning of its request's id: two histories agree on one only by chance."""

FAILS_OVER = frozenset({"timeline", "folder", "port"})
"""What is another on the server that takes over. By itself, folder or port means that somebody moved or copied the data."""

WORD_LENGTH = 64
REQUEST_LENGTH = 8


class Movement(StrEnum):
    """How the place where a database was found compares with the one where it was known."""

    NONE = "none"
    FAILED_OVER = "failed over"
    """The same database with another history since some moment: nothing is lost if all who sent can prove it."""
    ELSEWHERE = "elsewhere"
    """A copy, or the original in another place: only a person knows which."""


@dataclass(frozen=True, kw_only=True)
class Testimony:
    """What a witness outside the database knows: the claims that were sent from here, and the newest seen of anybody."""

    database_id: str
    keeper: str
    """The folder that keeps it, by a name that no other has."""
    place: Place
    boot: str
    """Which start of the machine it was written in; what was written before a power cut may lack the last claims."""
    stopped: bool
    """Everybody who wrote it has ended in order, and it lies safely on the disk."""
    claims: tuple[Seen, ...] = ()
    seen: Seen | None = None

    @property
    def known(self) -> frozenset[Seen]:
        """Everything that the database must hold."""
        return frozenset(self.claims) | ({self.seen} if self.seen else frozenset())

    @property
    def newest(self) -> Seen:
        """The newest of these, or number 0."""
        return max(self.known, default=(0, ""))

    def is_complete(self, boot: str) -> bool:
        """Tells whether no claim can be missing from it, as after a power cut."""
        return self.stopped or self.boot == boot


def movement(known: Place, found: Place) -> Movement:
    """Compares two places."""
    differs = differing(known, found)
    if not differs:
        return Movement.NONE
    if "timeline" in differs and differs <= FAILS_OVER:
        return Movement.FAILED_OVER
    return Movement.ELSEWHERE


def differing(known: Place, found: Place) -> frozenset[str]:
    """Names the facts that two places do not share."""
    return frozenset(name for name in known.keys() & found.keys() if not _is_same(name, known[name], found[name]))


def in_brief(place: Place) -> Place:
    """Returns a place with its long words cut to what still tells them apart."""
    return {name: _brief(value) for name, value in place.items()}


def as_seen(number: int, request_id: str) -> Seen:
    """Returns an attempt as a witness remembers it."""
    return number, request_id[:REQUEST_LENGTH]


def _is_same(name: str, known: str, found: str) -> bool:
    if name == "device":
        # A device may get another number when the machine starts again.
        known_boot, found_boot = known.partition("/")[0], found.partition("/")[0]
        return known_boot != found_boot or known == found
    return _brief(known) == _brief(found)


def _brief(value: str) -> str:
    return value if len(value) <= WORD_LENGTH else hashlib.sha256(value.encode()).hexdigest()[:WORD_LENGTH]
