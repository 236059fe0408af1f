"""The Starlette application: the platform before the function, the function, and routes for scripts.

Carries out the rows of `behaviours`; keeps nothing in memory, so several processes may serve one file.
Database work runs in threads, because a write may have to wait for another process.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from toc_sync import clock
from toc_sync.model import MAX_INVOICE_ID, InvalidInvoiceId, parse_invoice_id
from toc_sync.sandbox.answers import Answer, from_function, from_platform
from toc_sync.sandbox.behaviours import COURSES, Behaviour, Issues, TocDocument, Unanswered
from toc_sync.sandbox.documents import Document, SandboxDocuments, SeenRequest

FUNCTION_NAME = "toc_invoice"
NOTICE = "This is the sandbox of TOC Invoice Sync: nothing here is a legal document."
POLL_S = 0.05

_UNKNOWN_FUNCTION = from_platform(404, "NOT_FOUND", "Requested function was not found")
_NO_KEY = from_platform(401, "UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header")
_WRONG_KEY = from_platform(401, "UNAUTHORIZED_INVALID_JWT_FORMAT", "Invalid JWT")
_NO_INVOICE_ID = from_function(400, {"error": "invoice_id is required"})


def create_application(
    documents: SandboxDocuments,
    *,
    key: str = "sandbox",
    delay_s: tuple[float, float] = (0.4, 1.2),
    stopping: asyncio.Event,
) -> Starlette:
    """Returns the application; the function works between `delay_s` low and high seconds before it issues.

    The server sets `stopping` when it shuts down, which ends waits and held connections, and offers `cut` in the
    state of each request: called, it closes the connection without an answer.
    """
    function = _Function(documents, key, delay_s, stopping)
    scripts = _Scripts(documents)
    return Starlette(
        routes=[
            Route("/", _notice),
            # Any method: the platform checks address and key, and leaves the rest to the function.
            Route("/functions/v1/{name}", function.receive, methods=["GET", "POST"]),
            Route("/sandbox/plans", scripts.plan, methods=["POST"]),
            Route("/sandbox/documents", scripts.documents),
            Route("/sandbox/requests", scripts.requests),
        ]
    )


async def _notice(_: Request) -> Response:
    return JSONResponse(NOTICE)


class _Function:
    """The function `toc_invoice`, with the platform's checks before it."""

    def __init__(
        self, documents: SandboxDocuments, key: str, delay_s: tuple[float, float], stopping: asyncio.Event
    ) -> None:
        self._documents = documents
        self._key = key
        self._delay_s = delay_s
        self._stopping = stopping

    async def receive(self, request: Request) -> Response:
        invoice_id = _invoice_id(await _json_object(request))
        refusal = self._refuse(request)
        if refusal is not None or invoice_id is None:
            seen = await self._record(request, invoice_id, None)
            return await self._answer(seen, refusal or _NO_INVOICE_ID)
        return await self._run(request, invoice_id)

    def _refuse(self, request: Request) -> Answer | None:
        if request.path_params["name"] != FUNCTION_NAME:
            return _UNKNOWN_FUNCTION
        authorization = request.headers.get("authorization")
        if authorization is None:
            return _NO_KEY
        return None if authorization == f"Bearer {self._key}" else _WRONG_KEY

    async def _run(self, request: Request, invoice_id: int) -> Response:
        behaviour = await run_in_threadpool(self._documents.take_plan, invoice_id)
        seen = await self._record(request, invoice_id, behaviour)
        course = COURSES[behaviour]
        await self._wait(random.uniform(*self._delay_s))
        document = await run_in_threadpool(self._issue, invoice_id, course.issues)
        if isinstance(course.ending, Answer):
            return await self._answer(seen, course.ending)
        if isinstance(course.ending, Unanswered):
            return await self._leave_unanswered(request, course.ending)
        return await self._answer(seen, course.ending(document))

    async def _wait(self, duration_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), duration_s)

    def _issue(self, invoice_id: int, issues: Issues) -> TocDocument:
        now = clock.now()
        if issues is Issues.NOTHING:
            return {}
        if issues is Issues.IF_MISSING:
            return self._documents.issue_if_missing(invoice_id, now=now).as_toc_document()
        return self._documents.issue(invoice_id, now=now).as_toc_document()

    async def _leave_unanswered(self, request: Request, ending: Unanswered) -> Response:
        if ending is Unanswered.SILENCE:
            await self._until_given_up(request)
        request.state.cut()
        return Response()  # goes nowhere: the connection is closed

    async def _until_given_up(self, request: Request) -> None:
        while not self._stopping.is_set() and not await request.is_disconnected():
            await self._wait(POLL_S)

    async def _record(self, request: Request, invoice_id: int | None, behaviour: Behaviour | None) -> int:
        return await run_in_threadpool(
            self._documents.record_request,
            invoice_id=invoice_id,
            at=clock.now(),
            request_id=request.headers.get("x-request-id"),
            idempotency_key=request.headers.get("idempotency-key"),
            behaviour=behaviour,
        )

    async def _answer(self, seen: int, answer: Answer) -> Response:
        await run_in_threadpool(self._documents.record_answer, seen, answer.http_status)
        return answer.as_response()


class _Scripts:
    """Routes by which scripts plan behaviours and look at what happened."""

    def __init__(self, documents: SandboxDocuments) -> None:
        self._documents = documents

    async def plan(self, request: Request) -> Response:
        wish = await _json_object(request)
        invoice_id, behaviour, times = _invoice_id(wish), wish.get("behaviour"), wish.get("times", 1)
        if invoice_id is None:
            return _bad_request("invoice_id is required")
        if not isinstance(behaviour, str) or behaviour not in list(Behaviour):
            return _bad_request(f"behaviour is one of: {', '.join(Behaviour)}")
        if times is not None and (type(times) is not int or times < 1):
            return _bad_request("times is a whole number from 1, or null for always")
        await run_in_threadpool(self._documents.plan, invoice_id, Behaviour(behaviour), times)
        return JSONResponse({"invoice_id": invoice_id, "behaviour": behaviour, "times": times})

    async def documents(self, request: Request) -> Response:
        return await _listed(request, self._documents.documents)

    async def requests(self, request: Request) -> Response:
        return await _listed(request, self._documents.requests)


async def _json_object(request: Request) -> dict[str, object]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _invoice_id(body: dict[str, object]) -> int | None:
    value = body.get("invoice_id")
    # `type`, because True is an int for isinstance.
    return value if type(value) is int and 1 <= value <= MAX_INVOICE_ID else None


async def _listed(request: Request, rows_of: Callable[[int | None], Sequence[Document | SeenRequest]]) -> Response:
    wanted = request.query_params.get("invoice_id")
    try:
        invoice_id = None if wanted is None else parse_invoice_id(wanted)
    except InvalidInvoiceId as error:
        return _bad_request(str(error))
    rows = await run_in_threadpool(rows_of, invoice_id)
    return JSONResponse([{name: _plain(value) for name, value in asdict(row).items()} for row in rows])


def _bad_request(sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=400)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
