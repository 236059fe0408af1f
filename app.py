"""The server: starts the worker when the server starts, and stops it after the last connection.

Runs under `streamlit run app.py` and under `uvicorn app:app`. A page's script only runs when a browser connects, so
nothing that must happen without one may depend on pages.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ROOT = Path(__file__).parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from toc_sync import runtime  # noqa: E402  the root must be importable first
from toc_sync.console import log_to_console  # noqa: E402
from toc_sync.door import Door, Welcome, headers_for  # noqa: E402
from toc_sync.model import SettingsError  # noqa: E402
from toc_sync.monitoring import Answer, Monitoring  # noqa: E402
from toc_sync.worker import obey_signals  # noqa: E402

log = logging.getLogger("toc_sync")


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Keeps the worker running for as long as the server does."""
    log_to_console()
    try:
        worker = await asyncio.to_thread(lambda: runtime.current().start_worker())
    except SettingsError as error:
        log.critical("cannot start: %s", error)
        os._exit(1)  # a server without its worker would look alive and send nothing
    obey_signals(worker)  # the server's own handling of the signal goes on as before
    yield
    await asyncio.to_thread(runtime.close_current)


def route(path: str, ask: Callable[[], Awaitable[Answer]]) -> Route:
    """Returns the route on which machines get one of the answers of `Monitoring`."""

    async def respond(_request: Request) -> Response:
        answer = await ask()
        headers = {"cache-control": "no-store"}
        return Response(answer.body, answer.http_status, headers, media_type=answer.content_type)

    return Route(path, respond)


def welcome() -> Welcome:
    """Returns which other origins Streamlit's own settings let in."""
    return Welcome(
        origins=tuple(st.get_option("server.corsAllowedOrigins")),
        host=st.get_option("browser.serverAddress"),
        everybody=not st.get_option("server.enableCORS"),
    )


async def crashed(request: Request, _error: Exception) -> Response:
    """Answers where the server itself failed: Starlette writes such an answer outside of the door."""
    return Response("Internal Server Error", 500, headers_for(request.url.path))


monitoring = Monitoring(runtime.current)
app = st.App(
    ROOT / "pages" / "_frame.py",
    lifespan=lifespan,
    middleware=[Middleware(Door, welcome=welcome)],
    exception_handlers={Exception: crashed},
    routes=[
        route("/healthz", monitoring.health),
        route("/readyz", monitoring.readiness),
        route("/metrics", monitoring.metrics),
    ],
)
