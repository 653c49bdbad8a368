"""Takes the pictures of the documentation from a running app, each page in light and dark.

``python docs/screenshots.py http://127.0.0.1:7860 [run=ID measured=ID experiment=ID user=ID] [PAGE ...]``

Ids of a finished run on MovieLens-100K and of one whose drivers and falsification tests were measured, an experiment
that is done, a test user of the run, as far as addresses of the pages name them. They become
``docs/pictures/PAGE-light.webp`` and ``-dark.webp``; with names of pages only these.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

WIDTH, HEIGHT = 1240, 900
LATEST = 300_000
"""Milliseconds; all parts of an explanation are measured meanwhile."""
STILL = 2500
"""Milliseconds that charts and fonts are given."""
QUALITY = 72
FOLDER = Path(__file__).parent / "pictures"
PAGES = {
    "launch": ("/", "#launch-command code", ""),
    "data": ("/data?dataset=ml-100k", ".js-plotly-plot .trace", ""),
    "runs": ("/runs", "tbody tr", ""),
    "run": ("/run?id={run}", "#charts-finetune .js-plotly-plot .trace", ""),
    "experiments": ("/experiment?id={experiment}", "#experiment-results table", ""),
    "compare": ("/compare?runs={run},{measured}", "#compare-figures tbody tr", ""),
    "users": ("/users?run={measured}", "#drivers-charts .js-plotly-plot", "#drivers-card"),
    "inspect": ("/inspect?run={run}&user={user}", "#inspect-words .dr-badge", ""),
    "tour": ("/tour?run={run}", "#tour-walk a, #tour-walk button", ""),
    "pattern": ("/pattern?run={measured}", "#tests :visible", "#tests"),
    "machines": ("/machines", "#machines table", ""),
    "api": ("/api", "#api-endpoints", ""),
}
"""By name: the address, what tells that it is drawn, and what is scrolled to."""


def take(page: Page, url: str, name: str, scheme: str, **words: str) -> None:
    """Write one picture."""
    address, drawn, place = PAGES[name]
    page.goto(url + address.format(**words))
    page.wait_for_selector(drawn, timeout=LATEST)
    page.wait_for_timeout(STILL)
    if place:
        page.locator(place).first.scroll_into_view_if_needed()
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.save(FOLDER / f"{name}-{scheme}.webp", quality=QUALITY, method=6)


def main(url: str, *arguments: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    words = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    names = [argument for argument in arguments if "=" not in argument]
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)  # type: ignore[arg-type]
            for name in names or PAGES:
                take(page, url.rstrip("/"), name, scheme, **words)
            page.close()
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
