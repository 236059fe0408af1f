"""The server: starts the worker when the server starts, and stops it after the last connection.

Runs under `streamlit run app.py` and under `uvicorn app:app`. A page's script only runs when a browser connects, so
nothing that must happen without one may depend on pages.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

import streamlit as st

ROOT = Path(__file__).parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from toc_sync import runtime  # noqa: E402  the root must be importable first
from toc_sync.model import SettingsError  # noqa: E402
from toc_sync.worker import Worker  # noqa: E402

log = logging.getLogger("toc_sync")


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Keeps the worker running for as long as the server does."""
    runtime.log_to_console()
    try:
        worker = await asyncio.to_thread(lambda: runtime.current().start_worker())
    except SettingsError as error:
        log.critical("cannot start: %s", error)
        os._exit(1)  # a server without its worker would look alive and send nothing
    _listen_for_the_end(worker)
    yield
    await asyncio.to_thread(runtime.close_current)


def _listen_for_the_end(worker: Worker) -> None:
    """Makes the first signal stop new claims at once, and the second leave at once (the rescue does its work later).

    The server's own handling goes on as before: it drains its connections and then ends the lifespan.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def leave(number: int, frame: FrameType | None, before: object = before) -> None:
            if not worker.claiming:
                os._exit(128 + number)
            worker.stop_claiming()
            log.info("stopping: in_flight=%s (once more to leave at once)", worker.in_flight())
            if callable(before):
                before(number, frame)

        signal.signal(number, leave)


app = st.App(ROOT / "pages" / "_frame.py", lifespan=lifespan)
