"""The history that Inspect explains, edited in a real browser; its titles are code."""

from __future__ import annotations

import re

import pytest
from inspect_pages import (
    ALIKE,
    HOSTILE,
    ITEMS,
    assert_harmless,
    candidates,
    cards,
    measured_at,
    wait_until_measured,
    word,
)
from playwright.sync_api import Page, expect
from webapp_studio import Studio

pytestmark = pytest.mark.browser


def test_a_history_is_edited_and_the_answer_follows(page: Page, at_studio: Studio, hostile_run: str) -> None:
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}")
    expect(page.locator(".dr-title-card")).to_have_count(3)
    first, _, third = whole = cards(page)
    listed = candidates(page)
    page.locator(".dr-title-card").nth(1).locator("[data-edit=remove]").click()
    expect(page.locator("#inspect-changes")).to_contain_text("Before and after")
    assert cards(page) == [first, third]
    expect(page.locator("#inspect-changes")).to_contain_text(f"same {len(listed)} candidates")
    assert candidates(page) == listed
    page.locator(".dr-title-card").nth(0).locator("[data-edit=down]").press("Enter")
    expect(page.locator(".dr-title-card b").first).to_have_text(third)
    expect(page.locator("#inspect-changes")).to_contain_text("Before and after")

    wanted = next(n for n in range(ITEMS) if not any(card.startswith(word(n)) for card in whole))
    page.locator("#inspect-add").fill(word(wanted)[:6])
    expect(page.locator("#inspect-add-found li").first).to_contain_text(word(wanted))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".dr-title-card")).to_have_count(3)
    expect(page.locator(".dr-title-card b").last).to_have_text(f"{word(wanted)} {HOSTILE}")
    wait_until_measured(page)
    page.locator(".dr-title-card").last.drag_to(page.locator(".dr-title-card").first, target_position={"x": 20, "y": 3})
    expect(page.locator(".dr-title-card b").first).to_have_text(f"{word(wanted)} {HOSTILE}")
    page.wait_for_url(re.compile(rf"titles=id:{wanted};"))
    edited = cards(page)
    wait_until_measured(page)
    page.reload()
    expect(page.locator("#inspect-changes")).to_contain_text("Before and after")
    assert cards(page) == edited
    page.get_by_role("button", name="Undo all changes").click()
    expect(page.locator("#inspect-changes")).to_be_hidden()
    assert cards(page) == whole
    assert_harmless(page)


SLOW_ANSWERS = """const send = window.fetch;
window.fetch = async (...all) => {
  const answer = await send(...all);
  if (all[1] && all[1].method === "POST") await new Promise((go) => setTimeout(go, 1500));
  return answer;
};"""


def test_no_edit_is_lost_while_an_answer_is_awaited(page: Page, at_studio: Studio, hostile_run: str) -> None:
    """Titles left out, added and moved, and a row chosen, each before the answers to those before it are there."""
    page.add_init_script(SLOW_ANSWERS)
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}&user=2&model=delrec")
    expect(page.locator(".dr-title-card")).to_have_count(3)
    wait_until_measured(page)
    _, second, _ = cards(page)
    wanted = next(n for n in range(ITEMS) if not any(card.startswith(word(n)) for card in cards(page)))

    page.locator(".dr-title-card").nth(0).locator("[data-edit=remove]").click()
    page.wait_for_timeout(600)  # asked, and not yet answered
    page.locator("#inspect-add").fill(f"{word(wanted)} {HOSTILE}")
    page.keyboard.press("Enter")
    page.wait_for_timeout(600)
    page.locator("#inspect-rows select").first.select_option("sasrec")
    page.locator(".dr-title-card").last.locator("[data-edit=remove]").click()

    page.wait_for_url(re.compile(r"titles=[^;&]+;[^;&]+(&|$)"))
    page.wait_for_url(re.compile("model=sasrec"))
    expect(page.locator(".dr-title-card b")).to_have_text([second, f"{word(wanted)} {HOSTILE}"])


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


def test_an_answer_to_what_was_asked_before_draws_over_nothing(page: Page, at_studio: Studio, hostile_run: str) -> None:
    address = f"{at_studio.url}/inspect?run={hostile_run}&model=delrec&candidates=all"
    page.goto(address)
    wait_until_measured(page)
    page.add_init_script(UNEVEN)
    page.goto(f"{address}&view=expert")
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
    page.locator("#search input").press_sequentially("nothing", delay=300)
    page.wait_for_url(re.compile("nothing"))
    expect(rows).to_have_count(0)
    page.wait_for_timeout(1500)
    assert rows.count() == 0
    assert page.evaluate("window.most") == 1, "one event at a time"


@pytest.mark.parametrize(
    ("typed", "option", "wanted"),
    [("c", 1, 18), ("same", 2, 21), ("19", 1, 22)],
)
def test_what_is_picked_is_the_very_item(
    page: Page, at_studio: Studio, hostile_run: str, typed: str, option: int, wanted: int
) -> None:
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}&titles=")
    page.locator("#inspect-add").fill(typed)
    expect(page.locator("#inspect-add-found li").nth(option - 1)).to_contain_text(ALIKE[wanted])
    labels = page.locator("#inspect-add-found li").all_inner_texts()
    assert len(set(labels)) == len(labels), "look-alikes can be told apart"
    for _ in range(option):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    shown = f"{ALIKE[wanted]} [id:{wanted}]" if ALIKE[wanted] == "Same" else ALIKE[wanted]  # another is called so
    expect(page.locator(".dr-title-card b")).to_have_text([shown])
    page.wait_for_url(re.compile(rf"titles=id:{wanted}$"))
    candidates(page)
    told = measured_at(page, at_studio)
    assert [item["raw_id"] for item in told["history"]] == [str(wanted)]
    row = page.locator("#inspect-sides .dr-line button").first  # a title that is another's id, or reads like another
    row.click()
    page.wait_for_url(re.compile(r"item=\d+"))
    expect(page.locator("#share-json")).to_have_attribute("href", re.compile("item="))
    chosen = re.search(r"item=(\d+)", page.url)
    assert chosen
    assert measured_at(page, at_studio)["target"]["raw_id"] == chosen[1]


def test_what_is_typed_is_the_title_that_is_just_so(page: Page, at_studio: Studio, hostile_run: str) -> None:
    marked = f"{word(0)} {HOSTILE}".replace(";", "\\;")
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}&titles=")
    page.locator("#inspect-paste").fill(f"1. C++\n19; !!!;{marked}\nSame")
    page.get_by_role("button", name="Use these titles").click()
    expect(page.locator(".dr-title-card b")).to_have_text(["C++", "19", "!!!", f"{word(0)} {HOSTILE}", "Same [id:20]"])
    expect(page.locator(".dr-title-card").last).to_contain_text("Did you mean")
    page.locator(".dr-title-card").last.get_by_role("button", name="Take Same [id:21]").click()
    expect(page.locator(".dr-meant")).to_have_count(0)
    expect(page.locator("#share-json")).to_have_attribute("href", re.compile("21$"))
    assert [item["raw_id"] for item in measured_at(page, at_studio)["history"]] == ["23", "0", "21"]
    assert_harmless(page)


def test_a_drag_outlives_an_answer_that_draws_the_cards_anew(page: Page, at_studio: Studio, hostile_run: str) -> None:
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}")
    wait_until_measured(page)
    first, second, third = cards(page)
    page.locator(".dr-title-card").last.hover(position={"x": 20, "y": 20})
    box = page.locator(".dr-title-card").first.bounding_box()
    assert box is not None
    page.mouse.down()
    page.mouse.move(box["x"] + 20, box["y"] + 3, steps=5)
    expect(page.locator(".dr-title-card.dr-dragged")).to_have_count(1)
    page.evaluate("""() => {
        const list = document.querySelector(".dr-title-card").parentElement;
        list.append(list.firstElementChild);
        list.innerHTML = list.innerHTML.replaceAll("dr-dragged", "");
    }""")
    page.mouse.up()
    expect(page.locator("#inspect-changes")).to_contain_text("Before and after")
    assert cards(page)[0] == third
    assert sorted(cards(page)) == sorted([first, second, third])
