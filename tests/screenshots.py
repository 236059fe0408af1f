"""Takes the README's pictures: each page, light and dark, with the sample data of a first start.

python -m tests.screenshots            # writes docs/pictures/*.png
python -m tests.screenshots --narrow   # the same as on a telephone, into build/narrow/
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.chromium import FLAGS, find_chromium
from tests.live_app import PROJECT, live_app

PAGES = {
    "overview": "/",
    "invoices": "/invoices?status=Failed&status=In+doubt",
    "in-doubt": "/invoices?invoice={in_doubt}",
    "invoice-orders": "/invoice-orders",
    "month-close": "/month-close",
    "activity": "/activity",
}
WIDE, NARROW = (1440, 900), (390, 844)
SETTLING_MS = 1_500
"""Charts and tables are drawn on canvases, which say nothing when they are done."""
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"


def main() -> None:
    """Starts the dashboard as a newcomer does and takes every picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--narrow", action="store_true", help="as on a telephone, into build/narrow/")
    narrow = parser.parse_args().narrow
    target = PROJECT / ("build/narrow" if narrow else "docs/pictures")
    target.mkdir(parents=True, exist_ok=True)
    width, height = NARROW if narrow else WIDE
    with tempfile.TemporaryDirectory() as folder, live_app(Path(folder)) as app, sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=str(find_chromium()), args=list(FLAGS))
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            show(page, app.url)  # the first visit loads what the others find ready
            in_doubt = newest_in_doubt(Path(folder))
            for name, path in PAGES.items():
                show(page, app.url + path.format(in_doubt=in_doubt))
                page.screenshot(path=target / f"{name}-{scheme}.png")
                print(target / f"{name}-{scheme}.png")
            page.close()
        browser.close()


def newest_in_doubt(folder: Path) -> int:
    """Returns the id of the newest invoice in doubt."""
    with closing(sqlite3.connect(folder / "data" / "toc_sync.db")) as conn:
        found: tuple[int] = conn.execute(
            "SELECT max(invoice_id) FROM sync_records WHERE status = 'in_doubt'"
        ).fetchone()
    return found[0]


def show(page: Page, address: str) -> None:
    """Opens an address and waits until nothing is drawn any more."""
    page.goto(address)
    page.locator(SETTLED).wait_for()
    page.locator("[data-testid=stSkeleton]").first.wait_for(state="detached")
    page.wait_for_timeout(SETTLING_MS)


if __name__ == "__main__":
    main()
