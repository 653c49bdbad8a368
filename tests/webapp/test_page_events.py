"""Events of a page and their answers, in a real browser with a slow and uneven connection."""

from __future__ import annotations

import re

import pytest
from inspect_pages import wait_until_measured
from playwright.sync_api import Page, expect
from webapp_studio import Studio

pytestmark = pytest.mark.browser

UNEVEN = """const send = window.fetch;
let number = 0;
window.most = 0;
let open = 0;
window.fetch = async (target, options) => {
  if (!options || options.method !== "POST") return send(target, options);
  window.most = Math.max(window.most, open += 1);
  const late = (number += 1) % 2 ? 1200 : 0;
  const answer = await send(target, options);
  await new Promise((go) => setTimeout(go, late));
  open -= 1;
  return answer;
};"""
"""Every other answer arrives late: where two were under way at once, the later one often overtakes the earlier."""


def test_an_answer_to_what_was_asked_before_draws_over_nothing_in_inspect(
    page: Page, at_studio: Studio, hostile_run: str
) -> None:
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}&model=delrec&candidates=all")
    wait_until_measured(page)
    page.add_init_script(UNEVEN)
    for _ in range(3):
        page.goto(f"{at_studio.url}/inspect?run={hostile_run}&model=delrec&candidates=all&view=expert")
        gradients = page.locator(".dr-expert h3", has_text="Gradients")
        expect(gradients).to_be_visible()
        page.locator(".dr-fold > summary").click()
        page.wait_for_url(lambda address: "view=" not in address)
        expect(gradients).to_have_count(0)
        page.wait_for_timeout(1500)  # as long as an answer can be late
        assert gradients.count() == 0
        assert page.evaluate("window.most") == 1, "one event at a time"


def test_a_search_among_runs_is_not_drawn_over_by_the_look_before_it(
    page: Page, at_studio: Studio, hostile_run: str
) -> None:
    page.add_init_script(UNEVEN)
    page.goto(f"{at_studio.url}/runs")
    rows = page.locator("[data-pick]")
    expect(rows).not_to_have_count(0)
    for _ in range(3):
        page.locator("#search input").press_sequentially("nothing", delay=300)
        page.wait_for_url(re.compile("nothing"))
        expect(rows).to_have_count(0)
        page.wait_for_timeout(1500)
        assert rows.count() == 0
        page.locator("#search input").fill("")
        expect(rows).not_to_have_count(0)
    assert page.evaluate("window.most") == 1, "one event at a time"
