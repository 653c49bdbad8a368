"""Many tabs of one browser: none holds a connection open, of which a browser has six for a host."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect
from webapp_studio import Studio

pytestmark = pytest.mark.browser

ADDRESSES = ("/", "/runs", "/compare", "/inspect", "/tour", "/pattern", "/", "/runs", "/compare")


def test_nine_tabs_open_and_go_on_answering(browser: Browser, at_quiet_studio: Studio) -> None:
    context = browser.new_context()
    tabs = []
    try:
        for path in ADDRESSES:
            tabs.append(tab := context.new_page())
            tab.goto(f"{at_quiet_studio.url}{path}")
            expect(tab.get_by_role("link", name="Runs", exact=True).first).to_be_visible()
        for tab in tabs:  # the earlier ones answer still
            status = tab.evaluate("fetch('healthz', {signal: AbortSignal.timeout(60000)}).then((r) => r.status)")
            assert status == 200
        last = tabs[-2]
        last.bring_to_front()
        search = last.locator("#search input")
        search.press_sequentially("nothing is called so")
        expect(last).to_have_url(re.compile("nothing"))
    finally:
        context.close()
