"""Takes the README's screenshots from a running app: ``python docs/screenshots.py http://127.0.0.1:7860 r-abc234``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH = 1240
USER = "13"
MINUTES = 300_000
"""Milliseconds; all parts of an explanation are measured meanwhile."""
FOLDER = Path(__file__).parent


def take(url: str, run_id: str) -> None:
    """Write ``screenshot-launch.png``, ``-run.png`` and ``-inspect.png`` of a finished run of quickstart."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto(url)
        page.wait_for_selector("#launch-command code")
        page.wait_for_timeout(2000)
        page.screenshot(path=FOLDER / "screenshot-launch.png")
        page.goto(f"{url}/run?id={run_id}")
        page.wait_for_selector("#charts-finetune .js-plotly-plot .trace")
        page.wait_for_timeout(2000)
        height = page.locator("#charts-finetune").bounding_box()
        bottom = round(height["y"] + height["height"] + 16) if height else 900
        page.screenshot(
            path=FOLDER / "screenshot-run.png",
            full_page=True,
            clip={"x": 0, "y": 0, "width": WIDTH, "height": bottom},
        )
        page.goto(f"{url}/inspect?run={run_id}&user={USER}")
        page.wait_for_selector("#inspect-words .dr-badge", timeout=MINUTES)
        page.wait_for_timeout(2000)
        page.screenshot(path=FOLDER / "screenshot-inspect.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    take(sys.argv[1].rstrip("/"), sys.argv[2])
