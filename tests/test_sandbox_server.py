"""How the sandbox starts, stops, shares its file and leaves the process around it alone."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from toc_sync.model import SettingsError
from toc_sync.sandbox import Behaviour, Sandbox, SandboxDocuments

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)


def post(url: str, invoice_id: int, timeout: float = 20) -> httpx.Response:
    headers = {"authorization": "Bearer sandbox"}
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        return client.post(url, json={"invoice_id": invoice_id}, headers=headers)


def wait_until(condition: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.02)


def python(script: str, path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", script, str(path)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "sandbox.db"


@pytest.fixture
def sandbox(path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(path, delay_s=(0, 0))
    yield sandbox
    sandbox.stop()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def silent_post(sandbox: Sandbox, threads: ThreadPoolExecutor, invoice_id: int) -> Future[httpx.Response]:
    sandbox.documents.plan(invoice_id, Behaviour.ISSUE_THEN_SILENCE)
    answer = threads.submit(post, sandbox.start(), invoice_id)
    wait_until(lambda: sandbox.documents.documents(invoice_id))
    return answer


def test_a_silent_request_holds_up_nobody_else(sandbox: Sandbox, threads: ThreadPoolExecutor) -> None:
    silent = silent_post(sandbox, threads, 5)
    assert post(sandbox.start(), 6).status_code == 200
    assert not silent.done()
    sandbox.stop()
    assert isinstance(silent.exception(), httpx.RemoteProtocolError)


def test_stop_is_quick_while_silent_requests_are_held(sandbox: Sandbox, threads: ThreadPoolExecutor) -> None:
    silent = [silent_post(sandbox, threads, invoice_id) for invoice_id in (5, 6, 7)]
    began = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - began < 2
    assert [type(answer.exception()) for answer in silent] == [httpx.RemoteProtocolError] * 3
    assert [seen.answered_status for seen in sandbox.documents.requests()] == [None] * 3


def test_stop_lets_a_request_at_work_have_its_answer(path: Path, threads: ThreadPoolExecutor) -> None:
    sandbox = Sandbox(path, delay_s=(60, 60))
    answer = threads.submit(post, sandbox.start(), 5)
    wait_until(sandbox.documents.requests)
    began = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - began < 2
    assert answer.result().status_code == 200


def test_stop_does_not_wait_for_a_request_that_never_arrives_in_full(sandbox: Sandbox) -> None:
    address = httpx.URL(sandbox.start())
    with socket.create_connection((address.host, address.port or 80)) as half:
        half.sendall(f"POST {address.path} HTTP/1.1\r\nhost: sandbox\r\ncontent-length: 9\r\n\r\n".encode())
        assert post(str(address), 5).status_code == 200
        began = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - began < 2


def test_the_function_goes_on_after_its_client_gave_up(path: Path) -> None:
    sandbox = Sandbox(path, delay_s=(0.5, 0.5))
    with pytest.raises(httpx.ReadTimeout):
        post(sandbox.start(), 5, timeout=0.2)
    assert sandbox.documents.documents() == []
    wait_until(sandbox.documents.documents)
    sandbox.stop()


def test_the_function_takes_the_time_it_is_told(path: Path) -> None:
    sandbox = Sandbox(path, delay_s=(0.3, 0.4))
    url = sandbox.start()
    began = time.monotonic()
    post(url, 5)
    assert time.monotonic() - began >= 0.3
    sandbox.stop()


def test_start_gives_the_url_of_the_function_on_the_loopback_address(sandbox: Sandbox) -> None:
    url = sandbox.start()
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/functions/v1/toc_invoice")
    assert sandbox.start() == url, "a second start changes nothing"


def test_after_stop_nobody_listens_and_start_finds_the_old_documents(sandbox: Sandbox) -> None:
    url = sandbox.start()
    post(url, 5)
    sandbox.stop()
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        post(url, 5)
    answer = post(sandbox.start(), 6)
    assert answer.json()["toc_data"]["document_no"].endswith("/2")


def test_a_key_of_ones_own_replaces_the_usual_one(path: Path) -> None:
    sandbox = Sandbox(path, key="another", delay_s=(0, 0))
    assert post(sandbox.start(), 5).status_code == 401
    sandbox.stop()


def test_a_port_in_use_is_named(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on port {port}"):
            Sandbox(path, port=port).start()


def test_a_chosen_port_is_free_again_after_stop(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sandbox = Sandbox(path, delay_s=(0, 0), port=port)
    for invoice_id in (5, 6):
        assert post(sandbox.start(), invoice_id).status_code == 200
        sandbox.stop()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(SettingsError, match=r"letter\.txt cannot be used"):
        SandboxDocuments(path)


def test_a_series_starts_anew_with_each_year(path: Path) -> None:
    documents = SandboxDocuments(path)
    days = [NOW, NOW.replace(month=12, day=31), NOW.replace(year=2027, month=1, day=1)]
    numbers = [documents.issue(invoice_id, now=day).document_no for invoice_id, day in enumerate(days, start=1)]
    assert numbers == ["FT 2026/1", "FT 2026/2", "FT 2027/1"]


def test_an_instant_comes_back_as_it_was_given(path: Path) -> None:
    documents = SandboxDocuments(path)
    issued = documents.issue(5, now=NOW)
    assert documents.documents() == [issued]
    assert issued.issued_at == NOW


def test_issuing_what_is_missing_from_many_threads_issues_one(path: Path, threads: ThreadPoolExecutor) -> None:
    documents = SandboxDocuments(path)
    issued = list(threads.map(lambda _: documents.issue_if_missing(5, now=NOW), range(16)))
    assert documents.documents() == [issued[0]]
    assert set(issued) == {issued[0]}


def test_a_plan_for_three_posts_is_used_up_by_three_of_many_threads(path: Path, threads: ThreadPoolExecutor) -> None:
    documents = SandboxDocuments(path)
    documents.plan(5, Behaviour.CRASH, times=3)
    taken = list(threads.map(lambda _: documents.take_plan(5), range(16)))
    assert (taken.count(Behaviour.CRASH), taken.count(Behaviour.ISSUE_FLAT)) == (3, 13)


def test_a_file_that_another_process_is_just_creating_is_waited_for(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    path = tmp_path / "sandbox.db"
    # In this state SQLite refuses the switch to WAL at once, whatever its busy timeout.
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        created = threads.submit(SandboxDocuments, path)
        with pytest.raises(TimeoutError):
            created.result(timeout=0.3)
        other.execute("COMMIT")
    assert created.result(timeout=10).documents() == []


ISSUE_TWENTY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from toc_sync.sandbox import SandboxDocuments
documents = SandboxDocuments(Path(sys.argv[1]))
for invoice_id in range(1, 21):
    documents.issue(invoice_id, now=datetime(2026, 11, 20, tzinfo=UTC))
"""


@pytest.mark.processes
def test_two_processes_number_without_gaps(path: Path) -> None:
    processes = [python(ISSUE_TWENTY, path) for _ in range(2)]
    assert [(process.communicate(timeout=60)[0], process.returncode) for process in processes] == [("", 0)] * 2
    documents = SandboxDocuments(path).documents()
    assert [document.number for document in documents] == list(range(1, 41))


FORGET_TO_STOP = """
import logging, sys
from pathlib import Path
from urllib.request import Request, urlopen
from toc_sync.sandbox import Sandbox
logging.basicConfig(level=logging.INFO)
url = Sandbox(Path(sys.argv[1]), delay_s=(0, 0)).start()
urlopen(Request(url, b'{"invoice_id": 5}', {"authorization": "Bearer sandbox"})).read()
logging.getLogger("uvicorn.error").info("a server of somebody else")
"""


@pytest.mark.processes
def test_a_forgotten_sandbox_lets_the_process_end_and_says_nothing(path: Path) -> None:
    process = python(FORGET_TO_STOP, path)
    printed, _ = process.communicate(timeout=20)
    assert (printed, process.returncode) == ("INFO:uvicorn.error:a server of somebody else\n", 0)
    assert len(SandboxDocuments(path).documents()) == 1


SERVE_IN_THE_FOREGROUND = """
import sys
from pathlib import Path
from toc_sync.sandbox import Sandbox
sandbox = Sandbox(Path(sys.argv[1]), delay_s=(0, 0))
print(sandbox.start())
sandbox.serve_forever()
print("stopped")
"""


@pytest.mark.processes
def test_ctrl_c_ends_the_foreground_sandbox_in_good_order(path: Path) -> None:
    process = python(SERVE_IN_THE_FOREGROUND, path)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert post(url, 5).status_code == 200
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=10)
    assert (printed, process.returncode) == ("stopped\n", 0)
