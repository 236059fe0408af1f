"""Finds the Chromium that the tests drive; run as a program, it installs one where none is found.

An installed browser is preferred. Each is really run, because some systems ship a `chromium-browser` that only tells how
to install one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

FLAGS = (
    "--no-sandbox",  # Chromium refuses to start as root with it, and these pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Nothing is fetched from the internet by the browser itself.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


@cache
def find_chromium() -> str | None:
    """Returns the path of a Chromium that runs, or None."""
    for name in _NAMES:
        path = shutil.which(name)
        if path and _runs(path):
            return path
    path = _playwright_chromium()
    return path if Path(path).exists() and _runs(path) else None


def install_chromium() -> None:
    """Installs Chromium: the distribution's on Debian (as root), else Playwright's own."""
    as_root_with_apt = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if as_root_with_apt and "\nID=debian\n" in Path("/etc/os-release").read_text():
        _say_and_run("apt-get", "update", "-qq")
        _say_and_run("apt-get", "install", "-y", "-qq", "chromium")
    else:
        libraries = ["--with-deps"] if as_root_with_apt else []
        _say_and_run(sys.executable, "-m", "playwright", "install", *libraries, "chromium")


def _runs(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _playwright_chromium() -> str:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def _say_and_run(*command: str) -> None:
    print("No Chromium found; running:", " ".join(command), flush=True)
    subprocess.run(command, check=False)


def _main() -> None:
    if find_chromium() is None:
        install_chromium()
        find_chromium.cache_clear()
    path = find_chromium()
    if path is None:
        sys.exit("The tests need a Chromium browser and none could be installed: install Chromium or Google Chrome.")
    print(f"Browser: {path}")


if __name__ == "__main__":
    _main()
