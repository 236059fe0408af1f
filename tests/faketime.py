"""Finds libfaketime, which gives a tree of processes another time; run as a program, it installs it where none works.

The wheel is preferred. Each is really tried, because some of Debian's versions break `time.sleep` of newer Pythons.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

NONE_WORKS = (
    "`make days` needs libfaketime, which works on Linux: install Debian's package libfaketime, or run this as root."
)

_TRIED_WITH = timedelta(days=35)
_TRIAL = "import time; time.sleep(0.01); print(time.time(), time.monotonic())"
_CLOSE_S = 60


def find_faketime() -> Path | None:
    """Returns the path of a libfaketime that moves the day and leaves waiting as it is, or None."""
    return next((path for path in _candidates() if _works(path)), None)


def install_faketime() -> None:
    """Installs Debian's libfaketime, as root."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "libfaketime"]):
            print("No libfaketime found; running:", *command, flush=True)
            subprocess.run(command, check=False)


def moved_by(offset: timedelta, library: Path) -> Mapping[str, str]:
    """Returns the environment variables that move all time of a process and its children by `offset`.

    Clocks that only count (time-outs, leases of threads) stay real.
    """
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{round(offset.total_seconds()):+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # with it, threads that wait for Python's lock spin
        "NO_FAKE_STAT": "1",
    }


def _candidates() -> Iterator[Path]:
    wheel = importlib.util.find_spec("libfaketime")
    if wheel and wheel.origin:
        yield from Path(wheel.origin).parent.glob("vendor/libfaketime/src/libfaketime.so.1")
    yield from Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")


def _works(library: Path) -> bool:
    environment = {**os.environ, **moved_by(_TRIED_WITH, library)}
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRIAL], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    wall, counted = map(float, tried.stdout.split())
    return (
        abs(wall - time.time() - _TRIED_WITH.total_seconds()) < _CLOSE_S and abs(counted - time.monotonic()) < _CLOSE_S
    )


def _main() -> None:
    if find_faketime() is None:
        install_faketime()
    found = find_faketime()
    if found is None:
        sys.exit(NONE_WORKS)
    print(f"Another time: {found}")


if __name__ == "__main__":
    _main()
