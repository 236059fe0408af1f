"""The commands that run for long, as real processes: what signals do to them, and what they leave behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.billing_desk import Desk, billing_desk
from tests.live_app import running, wait_until
from tests.stand_in import StandIn
from toc_sync import runtime, wording
from toc_sync.model import Status
from toc_sync.settings import Settings

WORKER = ["-m", "toc_sync", "worker"]
PATIENT = {"TOC_SYNC_TIMEOUT_SECONDS": "20"}


@pytest.fixture
def function() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def desk(founded_url: str, function: StandIn) -> Iterator[Desk]:
    with billing_desk(founded_url, function) as desk:
        yield desk


@pytest.fixture
def simple_desk(founded_file: str, function: StandIn) -> Iterator[Desk]:
    with billing_desk(founded_file, function) as desk:
        yield desk


def queue(desk: Desk, count: int) -> list[int]:
    """Queues invoices as a script does, which sends nothing."""
    script = runtime.Runtime(Settings(), desk.engine, ())
    ids = [desk.add_invoice() for _ in range(count)]
    for invoice_id in ids:
        assert script.retry(invoice_id, actor="test").done
    return ids


def all_are(desk: Desk, *wanted: Status) -> bool:
    return set(desk.statuses().values()) <= set(wanted)


def test_a_worker_sends_what_is_due_and_ends_well_when_told_to(tmp_path, desk):
    ids = queue(desk, 6)
    with running([*WORKER, "--threads", "3"], tmp_path, desk.environment) as worker:
        wait_until(lambda: all_are(desk, Status.SYNCED), within_s=30)
        assert worker.stop() == 0
    assert desk.function.counts() == dict.fromkeys(ids, 1)
    assert "worker-started" in worker.log
    assert "threads=3" in worker.log
    assert "worker-stopped" in worker.log


@pytest.mark.parametrize(
    "founded_url", ["postgresql"], indirect=True
)  # a signal is heard the same way on either database
def test_the_first_signal_claims_nothing_new_and_waits_for_what_is_in_flight(tmp_path, desk):
    queue(desk, 5)
    desk.function.hold()
    with running([*WORKER, "--threads", "2"], tmp_path, {**desk.environment, **PATIENT}) as worker:
        desk.function.wait_for(count=2, timeout_s=30)
        worker.process.send_signal(signal.SIGTERM)
        worker.says("stopping: in_flight=2")
        desk.function.release()
        assert worker.process.wait(timeout=20) == 0
    assert sorted(desk.statuses().values()) == [Status.QUEUED] * 3 + [Status.SYNCED] * 2
    assert len(desk.function.requests) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_leaves_at_once(tmp_path, simple_desk, number):
    queue(simple_desk, 1)
    simple_desk.function.hold()
    with running(WORKER, tmp_path, {**simple_desk.environment, **PATIENT}) as worker:
        simple_desk.function.wait_for(timeout_s=30)
        worker.process.send_signal(number)
        worker.says("stopping: in_flight=1")
        worker.process.send_signal(number)
        assert worker.process.wait(timeout=5) == 128 + number
    assert all_are(simple_desk, Status.SYNCING)
    assert "Traceback" not in worker.log


def test_a_worker_sends_even_where_the_app_shall_not(tmp_path, simple_desk):
    queue(simple_desk, 1)
    with running(WORKER, tmp_path, {**simple_desk.environment, "TOC_SYNC_THREADS": "0"}) as worker:
        wait_until(lambda: all_are(simple_desk, Status.SYNCED), within_s=30)
    assert "threads=4" in worker.log


def test_a_worker_that_cannot_work_says_why_and_fails(tmp_path):
    environment = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "TOC_SYNC_SANDBOX": "true"}
    with running(WORKER, tmp_path, environment) as worker:
        assert worker.process.wait(timeout=30) == 1
    assert worker.log.startswith("Error: DATABASE_URL:")
    assert "Traceback" not in worker.log


def test_the_sandbox_says_where_it_is_answers_there_and_ends_with_ctrl_c(tmp_path):
    with running(["-m", "toc_sync", "sandbox"], tmp_path) as sandbox:
        sandbox.says("TOC_FUNCTION_KEY=", within_s=30)
        url, key = re.findall(r"^TOC_FUNCTION_\w+=(.+)$", sandbox.log, re.MULTILINE)
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(url, json={"invoice_id": 1}, headers=headers, trust_env=False)
        assert sandbox.stop(signal.SIGINT) == 0
    assert re.fullmatch(r"FT \d{4}/1", answer.json()["toc_data"]["document_no"])
    assert "Traceback" not in sandbox.log


def test_check_finds_a_wrong_key_at_the_sandbox_as_at_the_platform(tmp_path, simple_desk):
    with running(["-m", "toc_sync", "sandbox"], tmp_path, name="sandbox") as sandbox:
        sandbox.says("TOC_FUNCTION_KEY=", within_s=30)
        url, key = re.findall(r"^TOC_FUNCTION_\w+=(.+)$", sandbox.log, re.MULTILINE)
        for tried, exit_code in ((key, 0), ("another-key-of-the-function", 1)):
            environment = {**simple_desk.environment, "TOC_FUNCTION_URL": url, "TOC_FUNCTION_KEY": tried}
            with running(["-m", "toc_sync", "check"], tmp_path, environment) as check:
                assert check.process.wait(timeout=30) == exit_code, check.log
        assert "✗ key: TOC_FUNCTION_KEY is refused: Invalid JWT." in check.log


def test_a_port_in_use_is_one_sentence(tmp_path, function):
    port = httpx.URL(function.url).port
    with running(["-m", "toc_sync", "sandbox", "--port", str(port)], tmp_path) as sandbox:
        assert sandbox.process.wait(timeout=30) == 1
    (line,) = sandbox.log.splitlines()
    assert line.startswith(f"Error: The sandbox cannot listen on port {port}: Address already in use")


def test_ctrl_c_during_sync_ends_with_a_sentence_and_the_invoice_becomes_in_doubt(tmp_path, simple_desk):
    invoice_id = simple_desk.add_invoice()
    simple_desk.function.hold()
    with running(["-m", "toc_sync", "sync", str(invoice_id)], tmp_path, simple_desk.environment) as sync:
        simple_desk.function.wait_for(timeout_s=30)
        assert sync.stop(signal.SIGINT) == 130
    assert "Traceback" not in sync.log
    assert "becomes in doubt" in sync.log
    with running(WORKER, tmp_path, simple_desk.environment):
        wait_until(lambda: all_are(simple_desk, Status.IN_DOUBT), within_s=30)
    with running(["-m", "toc_sync", "status", str(invoice_id)], tmp_path, simple_desk.environment) as status:
        assert status.process.wait(timeout=30) == 0
    assert status.log == f"{invoice_id} in_doubt {wording.ATTEMPT_LOST}\n"


def test_the_log_goes_to_the_error_output_and_results_to_the_other(tmp_path, simple_desk):
    invoice_id = simple_desk.add_invoice()
    sent = subprocess.run(
        [sys.executable, "-m", "toc_sync", "sync", str(invoice_id)],
        env={**os.environ, **simple_desk.environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert sent.returncode == 0
    assert sent.stdout == f"{invoice_id} synced FT 2026/1\n"
    assert re.search(rf"INFO toc_sync attempt invoice={invoice_id} number=1 .*outcome=synced", sent.stderr)
