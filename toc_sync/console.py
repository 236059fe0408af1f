"""The console: one line per event, for people and for whatever collects logs. Never a key, never a body."""

from __future__ import annotations

import logging


def log_to_console() -> None:
    """Writes this project's log lines to the console, once."""
    log = logging.getLogger("toc_sync")
    if not log.handlers:
        console = logging.StreamHandler()
        console.setFormatter(logging.Formatter("%(asctime)s %(levelname)s toc_sync %(message)s"))
        log.addHandler(console)
        log.setLevel(logging.INFO)
        log.propagate = False
