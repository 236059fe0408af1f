"""The wire form of what the platform, the function and the gateway in front of them answer.

Decides nothing, stores nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from starlette.responses import Response


class Origin(StrEnum):
    """Which of the three spoke: they leave different headers."""

    FUNCTION = "function"
    """Our function ran: `x-deno-execution-id` is there."""
    PLATFORM = "platform"
    """The platform spoke for the function: the code of the body is repeated in `sb-error-code`."""
    GATEWAY = "gateway"
    """A gateway before the platform spoke: none of the platform's headers."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One complete HTTP answer. A `body` that is text goes out as it is, anything else as JSON."""

    origin: Origin
    http_status: int
    body: object
    code: str | None = None

    def as_response(self) -> Response:
        """Returns this answer with fresh request and execution ids."""
        return Response(_content(self.body), status_code=self.http_status, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": _content_type(self)}
        if self.origin is Origin.GATEWAY:
            return {**headers, "cf-ray": uuid4().hex[:16]}
        headers["sb-request-id"] = str(uuid4())
        if self.origin is Origin.FUNCTION:
            headers["x-deno-execution-id"] = str(uuid4())
        if self.code is not None:
            headers["sb-error-code"] = self.code
        return headers


def from_function(http_status: int, body: object) -> Answer:
    """Returns what the function itself answers; the platform marks each of its 5xx answers as its error."""
    code = "EDGE_FUNCTION_ERROR" if http_status >= 500 else None
    return Answer(origin=Origin.FUNCTION, http_status=http_status, body=body, code=code)


def from_platform(http_status: int, code: str, message: str) -> Answer:
    """Returns what the platform answers in place of the function."""
    body = {"code": code, "message": message}
    return Answer(origin=Origin.PLATFORM, http_status=http_status, body=body, code=code)


def from_gateway(http_status: int, page: str) -> Answer:
    """Returns the HTML page of a gateway that got no answer from the platform."""
    return Answer(origin=Origin.GATEWAY, http_status=http_status, body=page)


def _content(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)


def _content_type(answer: Answer) -> str:
    if answer.origin is Origin.GATEWAY:
        return "text/html; charset=utf-8"
    return "text/plain; charset=utf-8" if isinstance(answer.body, str) else "application/json"
