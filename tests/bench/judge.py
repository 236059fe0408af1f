"""The function that draining is measured against, as a process of its own: it shares no interpreter with the worker.

Run as a program it serves until its input ends, and then says when which invoice was asked for.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

Asked = list[tuple[float, int]]
"""Every request in the order of arrival: the monotonic clock's reading, which all processes share, and the invoice."""


class Judge:
    """A server in another process that answers each request with a new document after `latency_s`."""

    def __init__(self, *, latency_s: float) -> None:
        arguments = [sys.executable, __file__, str(latency_s)]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> Asked:
        """Ends the server and returns every request it got."""
        said, _ = self._process.communicate(timeout=10)
        return [(at, invoice_id) for at, invoice_id in json.loads(said)]


async def serve(latency_s: float) -> Asked:
    """Serves until the input ends."""
    asked: Asked = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        asked.append((time.monotonic(), json.loads(await reader.readexactly(length))["invoice_id"]))
        body = json.dumps({"success": True, "toc_data": {"document_no": f"FT 2026/{len(asked)}"}})
        await asyncio.sleep(latency_s)
        head_of_answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close"
        writer.write(f"{head_of_answer}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    return asked


if __name__ == "__main__":
    print(json.dumps(asyncio.run(serve(float(sys.argv[1])))))
