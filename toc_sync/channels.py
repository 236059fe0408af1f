"""The channels on which people are told: mail, Slack, Teams and whatever else Apprise knows. The only room that uses it.

Their addresses hold passwords and tokens: a channel is known by its scheme and its place in the list, nothing else is
ever logged or shown.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING

from toc_sync.model import SettingsError

if TYPE_CHECKING:
    import apprise

_NEVER = logging.CRITICAL + 1

LIMIT_S = 20.0
"""How long one channel may take for one message."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is told: a short title and one or two sentences, without any markup."""

    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One way to tell people; `name` is its scheme and its place in the list, for example "mailto 1"."""

    name: str
    service: apprise.NotifyBase = field(repr=False)

    def send(self, message: Message, *, limit_s: float = LIMIT_S) -> str | None:
        """Sends a message and returns None, or in a word why it was not accepted; waits at most `limit_s` seconds."""
        answers: list[str | None] = []
        # A thread of its own for each message: whatever hangs is left behind, and as a daemon it does not even hold up
        # the end of the program. (`Apprise.notify` sends from a pool of threads that the end of the program waits for.)
        sending = Thread(target=lambda: answers.append(self._send(message)), name="toc-channel", daemon=True)
        sending.start()
        sending.join(limit_s)
        return answers[0] if answers else "TimeoutError"

    def _send(self, message: Message) -> str | None:
        import apprise  # noqa: PLC0415  see `_open`

        try:
            accepted = self.service.notify(
                title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT
            )
        except Exception as error:  # noqa: BLE001  a hundred plugins, and none of them may end the thread with a traceback
            return type(error).__name__
        return None if accepted else "NotAccepted"


def open_channels(addresses: Sequence[str]) -> tuple[Channel, ...]:
    """Returns a channel for each address. Raises SettingsError, which says which one is wrong but not what it is."""
    return tuple(_open(number, address) for number, address in enumerate(addresses, start=1))


def _open(number: int, address: str) -> Channel:
    import apprise  # noqa: PLC0415  it takes long to load, and most programs have no channel to open

    _silence()
    service = apprise.Apprise.instantiate(address, asset=apprise.AppriseAsset(app_id="TOC Invoice Sync"))
    if service is None:
        raise SettingsError(f"TOC_SYNC_ALERT_URLS: address no. {number} is not one that Apprise understands.")
    return Channel(name=f"{address.partition('://')[0].lower()} {number}", service=service)


def _silence() -> None:
    """Keeps Apprise and what it sends with from logging by themselves: their lines name addresses, tokens included."""
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).setLevel(_NEVER)
