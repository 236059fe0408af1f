"""Plain sockets under httpx, of which every step ends by one deadline: looking the name up, connecting, TLS, bytes.

For one connection each. Knows nothing of requests and answers, and repeats nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import httpcore

TimeLeft = Callable[[], float]
"""Returns the seconds that are left, more than 0. Raises TimeoutError when none are."""


class Network(httpcore.SyncBackend):
    """Opens a connection that ends when no time is left."""

    def __init__(self, left_s: TimeLeft) -> None:
        self._left_s = left_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connects to the first address of `host` that answers; each gets a fair share of the time."""
        ends_at = time.monotonic() + _sooner(timeout, self._left_s())
        addresses = [host] if _is_address(host) else _look_up(host, port, ends_at - time.monotonic())
        while True:
            address = addresses.pop(0)
            share_s = max(0.001, (ends_at - time.monotonic()) / (len(addresses) + 1))
            try:
                return _Stream(super().connect_tcp(address, port, share_s, local_address, socket_options), self._left_s)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, left_s: TimeLeft) -> None:
        self._inner = inner
        self._left_s = left_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._inner.read(max_bytes, _sooner(timeout, self._left_s()))
        except httpcore.ReadTimeout:
            raise TimeoutError from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _sooner(timeout, self._left_s()))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, _sooner(timeout, self._left_s()))
        return _Stream(secured, self._left_s)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _sooner(timeout: float | None, left_s: float) -> float:
    return left_s if timeout is None else min(timeout, left_s)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int, within_s: float) -> list[str]:
    """Returns the addresses of a name. Raises what the look-up raises, or ConnectTimeout when it is stuck.

    Nothing can end a look-up that is stuck: it stays behind in a thread that nobody waits for.
    """
    ended: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            ended.put(list(dict.fromkeys(str(address[0]) for *_, address in found)))
        except Exception as error:  # noqa: BLE001  # raised again where it is waited for
            ended.put(error)

    Thread(target=look_up, name="toc-look-up", daemon=True).start()
    try:
        outcome = ended.get(timeout=within_s)
    except Empty:
        raise httpcore.ConnectTimeout("the look-up of the function's host name is stuck") from None
    if isinstance(outcome, Exception):
        raise outcome
    if not outcome:
        raise httpcore.ConnectError("the function's host name has no address")
    return outcome
