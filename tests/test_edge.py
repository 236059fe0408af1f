"""One POST over a real connection: what came back, whether a byte may have left, and that it always ends in time."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.catalogue import CASES
from tests.stand_in import StandIn
from toc_sync.classify import classify
from toc_sync.clock import uptime
from toc_sync.edge import BODY_CAP, UNSENT, Edge, why_unsent
from toc_sync.model import NoReply, Outcome, Reply, Unsent
from toc_sync.refusals import shipped_refusals

KEY = "sb_secret_do-not-show-this"
REFUSALS = shipped_refusals()


@pytest.fixture
def function() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


def _edge(url: str, *, deadline_s: float = 10, key: str = KEY) -> Edge:
    return Edge(url=url, key=key, deadline_s=deadline_s)


def _send(edge: Edge, invoice_id: int = 12, *, not_after: float | None = None) -> Reply | NoReply:
    return edge.send(invoice_id, "attempt-1", not_after=uptime() + 60 if not_after is None else not_after)


@contextmanager
def _listening(serve) -> Iterator[str]:
    """A port where `serve` gets each raw connection."""

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_every_case_of_the_catalogue_ends_as_it_must_and_is_sent_once(function, case):
    answer = case["answer"]
    function.answer(None, answer)
    deadline_s = 1.5 if answer.get("transport") == "silence" else 10
    verdict = classify(_send(_edge(function.url, deadline_s=deadline_s)), REFUSALS)
    assert (verdict.outcome, verdict.error_kind) == (case["outcome"], case["error_kind"])
    assert (verdict.outcome is Outcome.UNDELIVERED) == case["auto_retry"]
    assert function.count(12) == (0 if answer.get("transport") == "refused" else 1)


def test_the_request_is_what_the_contract_says(function):
    _send(_edge(function.url), 123)
    request = function.requests[0]
    assert request.body == b'{"invoice_id": 123}'
    assert request.path == "/functions/v1/toc_invoice"
    assert {name: value for name, value in request.headers.items() if name not in ("host", "user-agent")} == {
        "authorization": f"Bearer {KEY}",
        "apikey": KEY,
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "x-request-id": "attempt-1",
        "idempotency-key": "toc-invoice-123",
        "content-length": "19",
    }


def test_a_reply_has_lower_case_headers_and_its_duration(function):
    function.answer(12, {"status": 503, "headers": {"SB-Error-Code": "BOOT_ERROR"}, "body": "{}"})
    began_at = uptime()
    reply = _send(_edge(function.url))
    assert isinstance(reply, Reply)
    assert (reply.http_status, reply.headers["sb-error-code"], reply.body) == (503, "BOOT_ERROR", b"{}")
    assert 0 <= reply.duration_ms <= (uptime() - began_at) * 1000 + 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(function, status):
    with StandIn() as elsewhere:
        function.answer(None, {"status": status, "headers": {"location": elsewhere.url}})
        reply = _send(_edge(function.url))
        assert (reply.http_status, len(function.requests), elsewhere.requests) == (status, 1, [])


@pytest.mark.parametrize("location", ["http://[::1", "\x01", "https://:99999/"])
def test_a_redirect_to_nowhere_is_an_answer_too(function, location):
    function.answer(None, {"status": 307, "headers": {"location": location}})
    answer = _send(_edge(function.url))
    assert classify(answer, REFUSALS).outcome is Outcome.IN_DOUBT
    assert len(function.requests) == 1


def test_proxies_of_the_environment_are_ignored(function, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(_send(_edge(function.url)), Reply)


def test_many_threads_share_one_edge(function):
    edge = _edge(function.url)
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda invoice_id: _send(edge, invoice_id), range(1, 41)))
    assert {type(reply) for reply in replies} == {Reply}
    assert function.counts() == dict.fromkeys(range(1, 41), 1)


def test_a_request_is_on_the_wire_while_the_other_side_thinks(function):
    function.hold(12)
    function.answer(12, {"status": 500, "body": "once"}, times=1)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(_send, _edge(function.url))
        function.wait_for(12)
        assert _send(_edge(function.url), 13).http_status == 200
        assert not waiting.done()
        function.release(12)
        assert waiting.result(10).http_status == 500
    assert _send(_edge(function.url)).http_status == 200


# The body


def _drip() -> Iterator[bytes]:
    while True:
        yield b" "
        time.sleep(0.02)


def _endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 65_536


def test_a_body_that_drips_ends_with_the_deadline(function):
    function.answer(None, {"status": 200, "body": _drip})
    began_at = time.monotonic()
    answer = _send(_edge(function.url, deadline_s=1))
    assert (answer.why, answer.http_status) == (Unsent.TIMEOUT, 200)
    assert time.monotonic() - began_at < 5


@pytest.mark.parametrize("body", [_endless, b"x" * 10_000_000], ids=["endless", "10 MB"])
def test_a_long_body_is_read_up_to_the_cap(function, body):
    function.answer(None, {"status": 200, "body": body})
    reply = _send(_edge(function.url))
    assert (reply.body, reply.truncated) == (b"x" * BODY_CAP, True)


def test_a_gzip_bomb_costs_no_more_than_the_cap(function):
    bomb = gzip.compress(bytes(50_000_000))
    function.answer(None, {"status": 200, "headers": {"content-encoding": "gzip"}, "body": bomb})
    reply = _send(_edge(function.url))
    assert (len(reply.body), reply.truncated) == (BODY_CAP, True)


ANSWER = b'{"success": true}'
RAW_DEFLATE = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("encoding", "body", "read", "truncated"),
    [
        pytest.param("gzip", gzip.compress(ANSWER), ANSWER, False, id="gzip"),
        pytest.param(" X-GZip", gzip.compress(ANSWER), ANSWER, False, id="gzip by its old name"),
        pytest.param("deflate", zlib.compress(ANSWER), ANSWER, False, id="deflate"),
        pytest.param("deflate", RAW_DEFLATE.compress(ANSWER) + RAW_DEFLATE.flush(), ANSWER, False, id="raw deflate"),
        pytest.param("gzip", gzip.compress(ANSWER)[:-8], ANSWER, True, id="gzip cut short"),
        pytest.param("gzip", ANSWER, ANSWER, False, id="no gzip at all"),
        pytest.param("br", b"\x0b\x08", b"\x0b\x08", False, id="unknown"),
        pytest.param("identity", ANSWER, ANSWER, False, id="none"),
    ],
)
def test_compression_that_nobody_asked_for_is_undone_where_possible(function, encoding, body, read, truncated):
    function.answer(None, {"status": 200, "headers": {"content-encoding": encoding}, "body": body})
    reply = _send(_edge(function.url))
    assert (reply.body, reply.truncated) == (read, truncated)


def test_a_length_that_promises_more_is_a_lost_answer(function):
    function.answer(None, {"status": 200, "headers": {"content-length": "50"}, "body": ANSWER})
    answer = _send(_edge(function.url))
    assert (answer.why, answer.http_status) == (Unsent.LOST, 200)


@pytest.mark.parametrize(
    "spoken",
    [
        pytest.param(b"NONSENSE\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000, id="headers without end"),
        pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", id="bad chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", id="cut chunk"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="only a continue"),
    ],
)
def test_an_answer_that_is_no_http_is_lost(spoken):
    def speak(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(spoken)

    with _listening(speak) as address:
        assert _send(_edge(f"http://{address}/")).why is Unsent.LOST


# Whether a byte may have left


@pytest.mark.parametrize(
    ("url", "why"),
    [
        pytest.param("ftp://localhost/x", Unsent.CONFIGURATION, id="another protocol"),
        pytest.param("localhost", Unsent.CONFIGURATION, id="no protocol"),
        pytest.param("http:///x", Unsent.CONFIGURATION, id="no host"),
        pytest.param("http://[::1", Unsent.CONFIGURATION, id="half a host"),
        pytest.param("http://localhost:99999/", Unsent.CONFIGURATION, id="no such port"),
        pytest.param("http://\u2603\u2603\u0301..example/", Unsent.CONFIGURATION, id="a host that cannot be"),
        pytest.param("http://127.0.0.1:1/", Unsent.UNDELIVERED, id="nobody listens"),
    ],
)
def test_an_address_that_leads_nowhere_sends_nothing(url, why):
    answer = _send(_edge(url))
    assert (answer.why, answer.sent, answer.http_status) == (why, False, None)


@pytest.mark.parametrize("key", ["", "two\nlines-of-key", "schl\u00fcssel-1234", "with blank-1234"])
def test_a_key_that_no_header_can_carry_is_named_but_not_shown(function, key):
    answer = _send(_edge(function.url, key=key))
    assert answer.why is Unsent.CONFIGURATION
    assert "the key is empty or holds characters" in answer.error
    assert not key or key not in answer.error
    assert function.requests == []


def test_a_request_id_that_no_header_can_carry_sends_nothing(function):
    answer = _edge(function.url).send(1, "a\nb", not_after=uptime() + 60)
    assert (answer.why, function.requests) == (Unsent.CONFIGURATION, [])


def test_a_host_that_nobody_knows_sends_nothing(function, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = _send(_edge(function.url))
    assert (answer.why, function.requests) == (Unsent.UNDELIVERED, [])
    assert "Name or service not known" in answer.error


def test_a_stuck_name_look_up_ends_with_the_deadline(function, monkeypatch):
    stuck = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: stuck.wait(20) and [])
    began_at = time.monotonic()
    try:
        answer = _send(_edge(function.url, deadline_s=0.3))
        assert time.monotonic() - began_at < 5
    finally:
        stuck.set()
    assert (answer.why, function.requests) == (Unsent.UNDELIVERED, [])


def test_after_the_last_moment_not_even_a_connection_is_opened():
    connections: list[socket.socket] = []
    with _listening(connections.append) as address:
        answer = _send(_edge(f"http://{address}/"), not_after=uptime() - 0.001)
        assert (answer.why, connections) == (Unsent.HELD_BACK, [])
        assert _send(_edge(f"http://{address}/")).why is Unsent.LOST
        assert len(connections) == 1


def test_the_last_moment_may_pass_while_connecting(function, monkeypatch):
    look_up = socket.getaddrinfo
    last_moment = uptime() + 0.2

    def slow(*args, **kwargs):
        while uptime() <= last_moment:
            time.sleep(0.01)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    answer = _send(_edge(function.url), not_after=last_moment)
    assert (answer.why, answer.error, function.requests) == (
        Unsent.HELD_BACK,
        "Nothing was sent: this program stood still for too long",
        [],
    )


def test_uptime_goes_on():
    first = uptime()
    time.sleep(0.01)
    assert 0.01 <= uptime() - first < 5


def _leaves(kind: type[Exception]) -> set[type[Exception]]:
    below = [sub for sub in kind.__subclasses__() if sub.__module__.startswith("httpx")]
    return set().union(*map(_leaves, below)) if below else {kind}


def test_every_error_of_httpx_has_a_decision():
    assert len(_leaves(httpx.RequestError)) >= 13
    assert _leaves(httpx.RequestError) - set(UNSENT) == set()


def _refused_certificate() -> httpx.ConnectError:
    error = httpx.ConnectError("connect")
    error.__cause__ = OSError("tls")
    error.__cause__.__context__ = ssl.SSLCertVerificationError("self-signed")
    return error


class _New(httpx.TransportError):
    """An error that a later httpx might bring."""


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        pytest.param(httpx.ConnectError("x"), Unsent.UNDELIVERED, Unsent.LOST, id="not connected"),
        pytest.param(httpx.PoolTimeout("x"), Unsent.UNDELIVERED, Unsent.LOST, id="no connection free"),
        pytest.param(OSError("x"), Unsent.UNDELIVERED, Unsent.LOST, id="a socket's own error"),
        pytest.param(_refused_certificate(), Unsent.CONFIGURATION, Unsent.LOST, id="certificate refused"),
        pytest.param(ssl.SSLEOFError("x"), Unsent.UNDELIVERED, Unsent.LOST, id="handshake broken off"),
        pytest.param(httpx.LocalProtocolError("x"), Unsent.CONFIGURATION, Unsent.LOST, id="not writable"),
        pytest.param(httpx.ReadError("x"), Unsent.LOST, Unsent.LOST, id="not readable"),
        pytest.param(httpx.WriteTimeout("x"), Unsent.TIMEOUT, Unsent.TIMEOUT, id="writing took too long"),
        pytest.param(httpx.ProxyError("x"), Unsent.LOST, Unsent.LOST, id="a proxy's error"),
        pytest.param(_New("x"), Unsent.LOST, Unsent.LOST, id="an error nobody decided about"),
    ],
)
def test_what_an_error_means_depends_on_whether_the_request_was_written(error, before, after):
    assert why_unsent(error, started=False, completed=False) is before
    assert why_unsent(error, started=True, completed=True) is after


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A certificate for localhost that nobody signed, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    pair = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", *pair[:1], "-keyout", *pair[1:]],
        check=True, capture_output=True,
    )  # fmt: skip
    return pair


@pytest.fixture
def secure_function(certificate) -> Iterator[StandIn]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with StandIn(tls=context) as stand_in:
        yield stand_in


def test_a_certificate_nobody_signed_sends_nothing_and_is_a_matter_of_configuration(secure_function):
    answer = _send(_edge(secure_function.url))
    assert (answer.why, secure_function.requests) == (Unsent.CONFIGURATION, [])
    assert "certificate verify failed" in answer.error


def test_a_certificate_that_is_trusted_is_used(secure_function, certificate):
    edge = _edge(secure_function.url)
    edge.__dict__["_tls"] = ssl.create_default_context(cafile=certificate[0])
    assert isinstance(_send(edge), Reply)
    secure_function.answer(None, {"transport": "cut"})
    assert _send(edge).why is Unsent.LOST
    wrong_name = _edge(secure_function.url.replace("localhost", "127.0.0.1"))
    wrong_name.__dict__["_tls"] = edge.__dict__["_tls"]
    assert _send(wrong_name).why is Unsent.CONFIGURATION


def test_https_to_a_server_without_tls_is_a_matter_of_configuration(function):
    assert _send(_edge(function.url.replace("http:", "https:"))).why is Unsent.CONFIGURATION


def test_a_handshake_that_is_broken_off_is_tried_again():
    with _listening(lambda connection: connection.recv(1)) as address:
        assert _send(_edge(f"https://{address}/")).why is Unsent.UNDELIVERED


# The key


def test_the_key_is_never_shown(function, caplog):
    caplog.set_level(logging.DEBUG)
    edge = _edge(function.url, deadline_s=0.3)
    function.answer(1, {"status": 401, "body": {"message": "Invalid JWT"}})
    function.answer(2, {"transport": "silence"})
    function.answer(3, {"transport": "close"})
    answers = [_send(edge, invoice_id) for invoice_id in (1, 2, 3)]
    answers += [edge.send(4, "a\nb", not_after=uptime() + 9), _send(_edge(f"no-address-but-{KEY}"))]
    assert "send_request_headers" in caplog.text
    assert KEY not in caplog.text
    assert KEY not in repr(edge) + repr(answers)
