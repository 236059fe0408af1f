"""Runs the checks and says how long they took: `make check` what needs no browser and kills nothing, `make test` everything.

Style, types and import rules are looked at while the tests run; what they say stands below the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).parent.parent
PYTHON = [sys.executable, "-m"]

STATIC = {
    "types": [*PYTHON, "mypy"],
    "imports": [str(Path(sys.executable).parent / "lint-imports"), "--no-logo"],
    "style": [*PYTHON, "ruff", "check", "."],
    "format": [*PYTHON, "ruff", "format", "--check", "."],
}
# What only `make test` runs: the browser, whole programs, disasters. Beside these, single tests have the marker.
LONG = (
    "test_browser_*.py",
    "test_process*.py",
    "test_cli_running.py",
    "test_takeover.py",
    "test_torture*.py",
    "test_idempotent_function.py",
)
TESTS = [*PYTHON, "pytest", "--dist", "worksteal"]
MODES = {
    "check": [
        *TESTS,
        "-n",
        "2",
        "-m",
        "not processes and not another_day",
        *(f"--ignore-glob=tests/{name}" for name in LONG),
    ],
    "test": [*TESTS, "-n", "3"],
}
LIMITS_S = {"check": 60, "test": 360}


def main(mode: str) -> int:
    """Runs the checks of `make check` or `make test`, and returns the exit status."""
    begun = time.monotonic()
    os.chdir(PROJECT)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every program that a test starts would compile everything anew
    with ThreadPoolExecutor(1) as beside:  # one after the other: the tests need the machine too
        static = {name: beside.submit(_said, command) for name, command in STATIC.items()}
        failed = ["tests"] if subprocess.run(MODES[mode], check=False).returncode else []
        failed += [name for name, outcome in static.items() if not _is_well(name, outcome)]
    took_s = time.monotonic() - begun
    print(f"make {mode} took {took_s:.0f} s (aim on two quiet cores: {LIMITS_S[mode]} s).")
    print(f"FAILED: {', '.join(failed)}" if failed else "All is well.")
    return 1 if failed else 0


def _said(command: list[str]) -> tuple[bool, str, float]:
    """Returns whether a check found nothing, what it printed, and how many seconds it took."""
    begun = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode == 0, done.stdout, time.monotonic() - begun


def _is_well(name: str, outcome: Future[tuple[bool, str, float]]) -> bool:
    is_well, text, took_s = outcome.result()
    print(f"{name}: {'ok' if is_well else 'FAILED'} ({took_s:.0f} s)", flush=True)
    if not is_well:
        print(text, flush=True)
    return is_well


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
