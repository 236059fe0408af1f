"""Lives through the hard days: all tests but the browser's run at each, with the time of every process moved.

`python -m tests.live_days [MOMENT …]`: a moment is written 2028-02-29T12:00, in Lisbon's time; without one, all of them.
PostgreSQL's time is moved too, so the tests start their own, whatever TEST_DATABASE_URL names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.faketime import NONE_WORKS, find_faketime, moved_by
from tests.moments import all_moments, moment_of
from toc_sync import clock
from toc_sync.model import ZONE

PROJECT = Path(__file__).parent.parent
BUILD = PROJECT / "build" / "days"
SELECTED = ("--ignore-glob=*/test_browser_*.py", "-m", "not another_day")
WORKERS = ("-n", "3", "--dist", "worksteal")


@dataclass(frozen=True, kw_only=True)
class Lived:
    """How the tests fared at one moment."""

    name: str
    moment: datetime
    passed: int
    failed: tuple[str, ...]
    seconds: float

    @property
    def row(self) -> str:
        when = f"{self.moment.astimezone(ZONE):%a %d %b %Y, %H:%M:%S %Z}"
        return f"| {self.name} | {when} | {self.passed:,} | {len(self.failed)} | {self.seconds:.0f} |"


HEADINGS = "| the tests on | in Lisbon | passed | failed | seconds |\n|---|---|---|---|---|"


def live(name: str, moment: datetime, library: Path) -> Lived:
    """Runs the tests at a moment; what they printed stands in `build/days`."""
    BUILD.mkdir(parents=True, exist_ok=True)
    report = BUILD / f"{moment.astimezone(ZONE):%Y-%m-%dT%H-%M-%S%z}.xml"
    report.unlink(missing_ok=True)
    began = time.monotonic()
    with report.with_suffix(".log").open("w") as log:
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *WORKERS, *SELECTED, *options(), f"--junitxml={report}"],
            cwd=PROJECT,
            env=environment(moment, library),
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    passed, failed = results(report, ended)
    return Lived(name=name, moment=moment, passed=passed, failed=failed, seconds=time.monotonic() - began)


def options() -> list[str]:
    """Returns what TESTS asks for instead of all tests: files, or options of pytest."""
    return os.environ.get("TESTS", "").split()


def environment(moment: datetime, library: Path) -> Mapping[str, str]:
    """Returns this process's environment with its time moved so that it is `moment` now."""
    kept = {name: value for name, value in os.environ.items() if name not in ("TEST_DATABASE_URL", "TESTS")}
    return kept | dict(moved_by(moment - clock.now(), library))


def results(report: Path, ended: int) -> tuple[int, tuple[str, ...]]:
    """Returns how many tests passed and which did not, of a report in JUnit's form; a run without one has failed.

    `ended` is the run's exit status, below 0 the signal that ended it.
    """
    if not report.exists():
        return 0, (f"the tests ended before their end, with status {ended}",)
    cases = list(ET.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    names = tuple(dict.fromkeys(f"{case.get('classname')}::{case.get('name')}" for case in failed))
    if not names and (ended or not cases):
        names = (f"the run itself, with status {ended}",)
    return len(cases) - len(failed), names


def main(asked: list[str]) -> int:
    """Prints the table as it grows, then what failed; returns the exit status."""
    library = find_faketime()
    if library is None:
        sys.exit(NONE_WORKS)
    try:
        moments = {text: moment_of(text) for text in asked} or all_moments()
    except ValueError as error:
        sys.exit(f"A moment is written 2028-02-29T12:00: {error}")
    print(HEADINGS, flush=True)
    lived = []
    for name, moment in moments.items():
        lived.append(live(name, moment, library))
        print(lived[-1].row, flush=True)
    for each in lived:
        for test in each.failed:
            print(f"FAILED on {each.name}: {test}")
    return 1 if any(each.failed for each in lived) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
