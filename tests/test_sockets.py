"""The sockets under one attempt: each step ends by the deadline, each address gets its share, nothing is used twice."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import pytest

from tests.stand_in import StandIn
from toc_sync.clock import uptime
from toc_sync.edge import Edge
from toc_sync.model import NoReply, Reply, Unsent
from toc_sync.sockets import Network

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


@contextmanager
def _serving(*answers: Iterator[bytes]) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """A port that gives each connection the pieces of the next answer, and who connected."""
    clients: list[tuple[str, int]] = []

    def serve() -> None:
        for pieces in answers:
            connection, client = listener.accept()
            clients.append(client)
            with connection:
                connection.recv(65_536)
                try:
                    for piece in pieces:
                        connection.sendall(piece)
                except OSError:
                    pass  # it left

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], clients


def _send(port: int, *, host: str = "localhost", deadline_s: float = 8) -> Reply | NoReply:
    edge = Edge(url=f"http://{host}:{port}/", key="key-of-the-function", deadline_s=deadline_s)
    return edge.send(12, "attempt-1", not_after=uptime() + 60)


def _dripping_head() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nx-endless: "
    while True:
        yield b"a"
        time.sleep(0.02)


def test_a_head_that_drips_ends_with_the_deadline():
    began_at = time.monotonic()
    with _serving(_dripping_head()) as (port, _):
        answer = _send(port, deadline_s=0.5)
    assert (answer.why, answer.error) == (Unsent.TIMEOUT, "No complete answer came in time (0.5 s)")
    assert time.monotonic() - began_at < 5


def test_every_attempt_opens_a_connection_of_its_own():
    with _serving(iter([ANSWER]), iter([ANSWER])) as (port, clients):
        edge = Edge(url=f"http://localhost:{port}/", key="key-of-the-function", deadline_s=8)
        for _ in range(2):
            assert isinstance(edge.send(12, "attempt-1", not_after=uptime() + 60), Reply)
    assert len(set(clients)) == 2


def test_certificates_are_not_read_for_an_address_without_tls():
    with StandIn() as function:
        edge = Edge(url=function.url, key="key-of-the-function", deadline_s=8)
        assert isinstance(edge.send(12, "attempt-1", not_after=uptime() + 60), Reply)
    assert "_tls" not in vars(edge)


# Several addresses


@pytest.fixture
def addresses_of_localhost(monkeypatch) -> list[str]:
    """What a look-up of localhost finds; to be filled."""
    found: list[str] = []
    look_up = socket.getaddrinfo

    def answer(host, port, *args, **kwargs):
        if host != "localhost":
            return look_up(host, port, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return found


@contextmanager
def _deaf() -> Iterator[int]:
    """A port of 127.0.0.2 at which connecting never ends: its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_the_next_address_is_tried_where_the_first_refuses(addresses_of_localhost):
    addresses_of_localhost += ["127.0.0.2", "127.0.0.1"]
    with _serving(iter([ANSWER])) as (port, clients):
        assert isinstance(_send(port), Reply)
    assert len(clients) == 1


def test_an_address_that_is_deaf_takes_only_its_share_of_the_time(addresses_of_localhost):
    addresses_of_localhost += ["127.0.0.2", "127.0.0.1"]
    with _deaf() as port, socket.create_server(("127.0.0.1", port)):
        network = Network(lambda: 60.0)
        began_at = time.monotonic()
        network.connect_tcp("localhost", port, timeout=0.8).close()
    assert 0.3 < time.monotonic() - began_at < 5


def test_connecting_ends_when_no_address_is_left(addresses_of_localhost):
    addresses_of_localhost += ["127.0.0.2", "127.0.0.2", "127.0.0.3"]
    with _deaf() as port, pytest.raises((httpcore.ConnectTimeout, httpcore.ConnectError)):
        Network(lambda: 60.0).connect_tcp("localhost", port, timeout=0.2)


def test_a_name_without_an_address_sends_nothing(addresses_of_localhost):
    assert addresses_of_localhost == []
    assert _send(9).why is Unsent.UNDELIVERED
