"""The launch page in a real browser: estimate, checks, data set and prompts of the settings in the form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from webapp_studio import Studio, set_value

from engine.experiment.parsing import read_grid
from engine.fields import describe
from engine.settings import flatten, load_config

pytestmark = pytest.mark.browser


def _choose_smoke(page: Page, studio: Studio, query: str = "") -> None:
    page.goto(f"{studio.url}/{query}")
    page.get_by_label("Smoke").check()
    expect(page.locator("#launch-command")).to_contain_text("--preset smoke")


def test_the_data_set_is_shown_in_figures_and_charts(page: Page, at_quiet_studio: Studio) -> None:
    _choose_smoke(page, at_quiet_studio)
    page.get_by_role("tab", name="Data set").click()
    tiles = page.locator("#data-figures .dr-tile")
    expect(tiles).to_have_count(6)
    expect(tiles.nth(0)).to_contain_text("120")
    expect(tiles.nth(1)).to_contain_text("60")
    expect(page.locator("#data-charts .js-plotly-plot")).to_have_count(2)
    assert "view=data" in page.url


def test_charts_do_not_pile_up_when_the_window_becomes_narrow(page: Page, at_quiet_studio: Studio) -> None:
    _choose_smoke(page, at_quiet_studio)
    page.get_by_role("tab", name="Data set").click()
    expect(page.locator("#data-charts .js-plotly-plot")).to_have_count(2)
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function(
        "() => [...document.querySelectorAll('#data-charts .main-svg')].every(svg => svg.clientWidth < 390)"
    )
    beyond = page.locator("#data-charts .dr-plot").evaluate_all(
        "plots => plots.map(plot => plot.querySelector('.main-svg').getBoundingClientRect().bottom"
        " - plot.getBoundingClientRect().bottom)"
    )
    assert all(pixels < 1 for pixels in beyond), "a chart ends where its figure does"


def test_the_three_prompts_mark_the_soft_prompt_and_count_tokens(page: Page, at_quiet_studio: Studio) -> None:
    _choose_smoke(page, at_quiet_studio)
    set_value(page, "distill.soft_tokens", "7")
    expect(page.locator("#launch-command")).to_contain_text("distill.soft_tokens=7")
    page.get_by_role("tab", name="Prompts").click()
    prompts = page.locator("#prompts .dr-prompt")
    expect(prompts).to_have_count(3)
    assert prompts.evaluate_all("all => all.map(one => one.dataset.task)") == ["TA", "RPS", "LSR"]
    expect(page.locator("#prompts")).to_contain_text("User 1 · soft prompt of 7 tokens")
    for task in range(3):
        expect(prompts.nth(task).locator("mark.dr-soft")).to_have_count(1)
        expect(prompts.nth(task).locator(".dr-chip")).to_have_text(re.compile(r"^\d{2,4} tokens$"))
        answer = (prompts.nth(task).locator("mark.dr-answer").text_content() or "").strip()
        titles = prompts.nth(task).locator(".dr-in-history").all_text_contents()
        assert answer
        assert titles
        assert answer not in [title.strip() for title in titles], "what is asked for is not told"
    page.locator("#prompts-user input").fill("9")
    page.locator("#prompts-user input").press("Enter")
    expect(page.locator("#prompts")).to_contain_text("User 9 ·")
    page.locator("#prompts-user input").fill("<b>nobody</b>")
    page.locator("#prompts-user input").press("Enter")
    expect(page.locator("#prompts [role=alert]")).to_contain_text("no user '<b>nobody</b>' in synthetic")


def test_the_address_opens_a_tab(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(f"{at_quiet_studio.url}/?view=prompts")
    expect(page.get_by_role("tab", name="Prompts")).to_have_attribute("aria-selected", "true")


def test_the_address_holds_the_form_and_brings_it_back(page: Page, at_quiet_studio: Studio) -> None:
    _choose_smoke(page, at_quiet_studio)
    set_value(page, "distill.steps", "9")
    page.get_by_label("gru4rec").check()
    page.wait_for_url("**preset=smoke&set=teacher.also*&set=distill.steps%3D9")
    page.reload()
    expect(page.locator("#setting-distill-steps input")).to_have_value("9")
    expect(page.get_by_label("Smoke")).to_be_checked()
    expect(page.locator("#launch-command")).to_contain_text("--set 'teacher.also=[gru4rec]' --set distill.steps=9")
    page.goto(f"{at_quiet_studio.url}/?preset=smoke&set=distill.stepz=1")
    expect(page.locator("#launch-problem [role=alert]")).to_contain_text("did you mean distill.steps?")
    expect(page.locator("#launch")).to_be_enabled()


def test_what_would_fail_is_said_and_cannot_be_launched(page: Page, at_quiet_studio: Studio) -> None:
    _choose_smoke(page, at_quiet_studio)
    expect(page.locator("#launch-checks")).to_contain_text("checks passed")
    expect(page.locator("#launch-estimate")).to_contain_text("No run like this was done on this machine yet")
    set_value(page, "data.path", "/no/such/folder<img src=x onerror=window.pwned=1>")
    set_value(page, "finetune.steps", "1")
    expect(page.locator("#launch-checks [data-state=problem]")).to_contain_text("AdaLoRA cannot allocate ranks")
    page.locator("#launch").click()
    expect(page.locator("#launch-problem [role=alert]")).to_contain_text("set finetune.steps to 2 or more")
    assert page.evaluate("window.pwned") is None


def test_a_visitor_who_only_looks_learns_nothing_of_the_disk(
    page: Page, at_quiet_studio: Studio, tmp_path: Path
) -> None:
    _choose_smoke(page, at_quiet_studio, "?demo=1")
    set_value(page, "data.path", str(tmp_path))
    expect(page.locator("#launch-command")).to_contain_text("data.path")
    expect(page.locator("#launch-checks")).to_have_text("")
    expect(page.locator("#launch")).to_be_disabled()
    page.get_by_role("tab", name="Data set").click()
    expect(page.locator("#data-said [role=alert]")).to_contain_text("read-only")


def test_every_setting_can_be_put_into_what_varies_as_the_shell_writes_it(page: Page, at_quiet_studio: Studio) -> None:
    _choose_smoke(page, at_quiet_studio)
    page.get_by_label("gru4rec").check()
    expect(page.locator("#launch-command")).to_contain_text("teacher.also=[gru4rec]")
    box = page.locator("#vary-settings textarea")
    shown = dict(flatten(load_config("smoke", overrides=["teacher.also=[gru4rec]"])))
    names = {it.name: f"{it.kind}:{it.name}" for it in describe() if it.name != "seed"}
    for more in page.get_by_role("button", name="More settings").all():
        more.click()
    expect(page.locator(".dr-setting")).to_have_count(len(names))
    page.evaluate(
        "classes => classes.forEach(name => { const block = document.querySelector(`[class~='${name}']`);"
        " block.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));"
        " block.querySelector('.dr-vary').click(); document.activeElement.blur(); })",
        [*names.values()],
    )
    found = read_grid(box.input_value().splitlines())
    assert found == {name: [shown[name]] for name in names}
    expect(page.locator(".dr-vary")).to_have_count(1)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_button_beside_a_setting_covers_none(page: Page, at_quiet_studio: Studio, width: int) -> None:
    """Neither its name, which may be as wide as its column, nor what stands below another one."""
    page.set_viewport_size({"width": width, "height": 900})
    _choose_smoke(page, at_quiet_studio)
    for more in page.get_by_role("button", name="More settings").all():
        more.click()
    covered = page.locator(".dr-setting").evaluate_all(
        """blocks => blocks.map(block => {
            block.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));
            const button = block.querySelector('.dr-vary').getBoundingClientRect();
            const over = blocks.map(it => it.getBoundingClientRect()).filter(it => button.right > it.left
                && button.left < it.right && button.bottom > it.top + 1 && button.top < it.bottom - 1);
            return button.width ? over.length : 'hidden';
        })"""
    )
    assert set(covered) == {0}


def test_what_varies_is_begun_beside_a_setting_by_keyboard(page: Page, at_quiet_studio: Studio) -> None:
    _choose_smoke(page, at_quiet_studio)
    set_value(page, "distill.steps", "9")
    page.locator("#setting-distill-steps input").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Vary distill.steps")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#vary-settings textarea")).to_be_focused()
    page.keyboard.type(",12")
    page.locator("#setting-teacher-name").hover()
    page.get_by_role("button", name="Vary teacher.name").click()
    page.keyboard.type(",caser")
    page.locator("#setting-distill-steps").hover()
    page.get_by_role("button", name="Vary distill.steps").click()
    page.keyboard.type(",15")
    expect(page.locator("#vary-settings textarea")).to_have_value("distill.steps=9,12,15\nteacher.name=sasrec,caser")
    page.locator("#vary-preview").click()
    expect(page.locator("#vary-said")).to_contain_text("6 runs")
