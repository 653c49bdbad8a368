"""Comparing runs in a real browser, from the figures down to single users; the address reproduces each view."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Page, expect
from smoke_runs import finished_run
from webapp_studio import Studio, pages

from engine.data.references import UserLabels
from engine.evaluate import read_predictions
from engine.evaluate.users import UserRow
from engine.explain.reason_kinds import kinds_of
from engine.settings import load_config
from jobs import answers, api, experiments
from webapp.layout import READING
from webapp.pages import compare, experiment
from webapp.previews import dataset_of_run
from webapp.variants import METHOD
from webapp.views import users as users_view

pytestmark = pytest.mark.browser

HOSTILE = (
    '<img src=x onerror="window.pwned=1"> ${window.pwned=2} {{window.pwned=3}} \u202e<script>window.pwned=4</script>'
)


def test_runs_are_compared_with_a_chosen_baseline(page: Page, at_quiet_studio: Studio) -> None:
    one, two = finished_run([], name="One"), finished_run(["finetune.steps=20", "distill.prompt=none"], name="Two")
    page.goto(f"{at_quiet_studio.url}/compare?runs={one},{two}&base={two}&metric=NDCG@5&hide={one}")
    figures = page.locator("#compare-figures")
    expect(figures.locator("thead")).to_contain_text("NDCG@5, pairedagainst Two")
    expect(figures.locator(f"tr[data-run={two}]")).to_contain_text("the baseline")
    expect(figures.locator(f"tr[data-run={one}] td").last).to_contain_text("to")
    assert figures.locator(".dr-best").count() >= 5
    settings = page.locator("#compare-settings tbody tr")
    assert settings.evaluate_all("rows => rows.map(row => row.dataset.setting)") == [
        "distill.prompt",
        "finetune.steps",
    ]
    shown = "chart => chart.data.map(trace => trace.name)"
    cost = page.locator("#compare-charts .js-plotly-plot").last
    assert cost.evaluate(shown) == ["Two"]
    page.get_by_label("Baseline").click()
    page.get_by_role("option", name="One").click()
    expect(figures.locator("thead")).to_contain_text("against One")
    page.wait_for_url(f"**base={one}**")
    page.locator("#compare-hidden").get_by_role("button", name="Remove 0").click()
    expect(page.locator("#compare-curves .js-plotly-plot")).to_have_count(4)
    page.wait_for_function(
        "() => [...document.querySelectorAll('#compare-charts .js-plotly-plot')].at(-1).data.length === 2"
    )
    page.wait_for_url(lambda url: "hide=" not in url)
    page.reload()
    expect(figures.locator("thead")).to_contain_text("against One")


def test_the_agreement_leads_to_the_users_behind_each_number(page: Page, at_quiet_studio: Studio) -> None:
    run_id = finished_run(["seed=3"], name="Looked into")
    table = read_predictions(api.status(run_id).folder / "predictions.parquet").table
    teacher, ours = (table[f"{name}/candidate_rank"] == 1 for name in ("sasrec", "delrec"))
    expected = set(table["user_id"][~teacher & ~ours])
    page.goto(f"{at_quiet_studio.url}/compare?runs={run_id}")
    cell = page.locator(f"#compare-agreement tr[data-run={run_id}]").get_by_label("None:")
    expect(cell).to_have_text(str(len(expected)))
    cell.click()
    page.wait_for_url("**/users?**outcome=none**")
    seen: set[str] = set()
    while True:
        expect(page.locator("#users tbody tr").first).to_be_visible()
        seen |= set(page.locator("#users tbody tr").evaluate_all("rows => rows.map(row => row.dataset.user)"))
        if not page.get_by_role("link", name="Next").count():
            break
        before = page.url
        page.get_by_role("link", name="Next").click()
        page.wait_for_url(lambda url, before=before: url != before)
        expect(page.locator("#users-pager")).to_contain_text("page 2")
    assert seen == expected
    page.get_by_role("link", name="All · 40").click()
    expect(page.locator("#users-pager")).to_contain_text("page 1 of 2, 40 users")
    first = page.locator("#users tbody tr").first
    expect(first.locator("td")).to_have_count(2 + len(api.results(run_id)["models"]))
    expect(first.locator("td").nth(2)).to_contain_text("#")

    # A figure by slice leads to its users, and from each of them to the reasons.
    part = next(it for it in api.results(run_id)["slices"] if it["by"] == "rarity" and it["users"])
    page.goto(f"{at_quiet_studio.url}/users?run={run_id}&model=delrec&slice=rarity:{part['name']}")
    expect(page.locator("#users-pager")).to_contain_text(f", {part['users']} user")
    hits = round(part["models"]["delrec"]["candidates.HR@1"]["value"] * part["users"])
    right = page.locator("#users-filters nav[aria-label=Outcome] a").filter(
        has_text=re.compile("^(Both|Only the model)")
    )
    assert sum(int(text.rpartition(" ")[2]) for text in right.all_inner_texts()) == hits
    for row in ("delrec", "llm-zero-shot"):  # the reasons are those of the row that the list is about
        page.goto(f"{at_quiet_studio.url}/users?run={run_id}&model={row}&slice=rarity:{part['name']}")
        why = page.get_by_role("link", name="Inspect user").first
        expect(why).to_have_attribute("href", re.compile(f"run={run_id}&user=.+&model={row}$"))
    page.locator("#measure-drivers").click()
    expect(page.locator("#drivers-progress")).to_contain_text("Waits for the worker")
    page.locator("#stop-drivers").click()
    expect(page.locator("#drivers-progress")).to_contain_text("Stopped. Ask again to go on.")
    answers.here("drivers", api.status(run_id), {"users": 3})
    page.reload()
    expect(page.locator("#drivers li").first).to_contain_text("Popularity: For fewer than two of these users")
    shown = page.locator("#drivers-charts .js-plotly-plot")
    expect(shown).to_have_count(len(kinds_of(dataset_of_run(api.status(run_id)).catalogue)[0]))
    expect(page.locator("#drivers-stages tr[data-change]").first.locator("td")).to_have_count(2)


def test_users_whose_ids_look_alike_are_told_apart() -> None:
    rows = [UserRow(user, (0,), 1, {"delrec": (1.0, 1.0)}) for user in ("Jose\u0301", "Jos\xe9", "Jo")]
    told = str(
        users_view.table(
            users_view.UserQuery("r-1", "delrec"), rows, str, ["delrec"], UserLabels(row.user_id for row in rows)
        )
    )
    assert told.count("[Jose\\u0301]") == told.count("[Jos\\xe9]") == 2  # as they stand, and for those who listen
    assert told.count("[") == 4


@pytest.mark.parametrize("part", ["users-head", "inspect-problem", "tour-problem"])
def test_pages_that_read_the_data_of_a_run_say_so_until_they_have(part: str) -> None:
    (found,) = (block for block in pages().blocks.values() if getattr(block, "elem_id", None) == part)
    assert found.value == READING  # type: ignore[attr-defined]
    answers = [
        fn for fn in pages().fns.values() if found in fn.outputs and any(event == "load" for _, event in fn.targets)
    ]
    assert len(answers) == 1


def test_titles_that_are_code_stay_text(page: Page, at_quiet_studio: Studio, tmp_path: Path) -> None:
    titles = [f"{number} {HOSTILE}" for number in range(30)]
    with (tmp_path / "items.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("item", "title"), *((n, title) for n, title in enumerate(titles))])
    with (tmp_path / "interactions.csv").open("w", newline="", encoding="utf-8") as handle:
        rows = [(user, (user + 3 * step) % 30, step) for user in range(24) for step in range(9)]
        csv.writer(handle).writerows([("user", "item", "timestamp"), *rows])
    data = f"data={{dataset: csv, path: '{tmp_path}', history: 5, candidates: 5}}"
    run_id = finished_run(
        [data, "eval.users=10", "eval.full_top=5", "distill.steps=2", "finetune.steps=2"], name="Hostile titles"
    )
    page.goto(f"{at_quiet_studio.url}/users?run={run_id}")
    expect(page.locator("#users tbody tr")).to_have_count(10)
    expect(page.locator("#users tbody tr b").first).to_contain_text('<img src=x onerror="window.pwned=1"> ${window')
    page.goto(f"{at_quiet_studio.url}/?clone={run_id}")
    expect(page.locator("#launch-command")).to_contain_text("csv")
    page.get_by_role("tab", name="Prompts").click()
    expect(page.locator("#prompts .dr-prompt")).to_have_count(3)
    expect(page.locator("#prompts .dr-in-history").first).to_contain_text("{{window.pwned=3}}")
    page.get_by_role("tab", name="Data set").click()
    expect(page.locator("#data-figures .dr-tile")).to_have_count(6)
    assert page.evaluate("window.pwned") is None
    assert page.locator("img[src=x]").count() == 0


def test_an_address_without_sense_says_so(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(f"{at_quiet_studio.url}/compare?runs=r-zzzzzz,../../x&model=<b>&metric=1&base=${{1}}")
    expect(page.locator("#compare-problem")).to_contain_text("Choose runs to compare")
    for query, said in (("", "names no run"), ("?run=r-zzzzzz", "no run 'r-zzzzzz'"), ("?run=../../etc", "no run")):
        page.goto(f"{at_quiet_studio.url}/users{query}")
        expect(page.locator("#users-head")).to_contain_text(said)
    run_id = api.launch(load_config("smoke"), "smoke")
    page.goto(f"{at_quiet_studio.url}/users?run={run_id}")
    expect(page.locator("#users-head")).to_contain_text("has no results yet")
    api.delete(run_id)


@pytest.mark.parametrize(
    ("changed", "renewed"),
    [("compare-runs", {"compare-baseline", "compare-curve", "compare-hidden"}), ("compare-baseline", set())],
)
def test_an_answer_leaves_the_fields_alone_that_it_does_not_concern(changed: str, renewed: set[str]) -> None:
    """Where answers are slow, another field has been changed meanwhile: its value must stay."""
    (found,) = (
        fn
        for fn in pages().fns.values()
        if fn.page == "compare"
        and any((block._id, "input") in fn.targets for block in fn.inputs if block.elem_id == changed)
    )
    answer = found.fn([], None, "delrec", "HR@1", [], [], "rarity")
    fields = zip(found.inputs, answer, strict=False)
    assert {field.elem_id for field, value in fields if value != gr.skip()} == renewed


def test_parts_without_anything_to_show_say_so_and_draw_no_axes() -> None:
    ids = [api.launch(load_config("smoke", overrides=[f"seed={n}"])) for n in range(2)]
    queued = [api.status(run_id) for run_id in ids]
    for made in (
        compare._draw(queued, compare.CompareQuery.sound(ids, ids, *[None] * 6)),
        experiment._draw(experiments.standing(experiments.gather(ids).id), None, METHOD, "HR@1", False),
    ):
        shown = "".join(piece for piece in made if isinstance(piece, str))
        assert set(re.findall('data-figures="([^"]*)"', shown)) == {"[]"}
        assert {*re.findall("None of these runs has ([a-z]+)", shown)} >= {"figures", "curves"}
        assert "experiment.html" not in shown


def test_runs_that_the_address_names_are_known_however_old(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [api.launch(load_config("smoke", overrides=[f"seed={n}"])) for n in range(3)]
    monkeypatch.setattr(compare, "MOST", 1)
    assert set(compare.known_runs([ids[0], "r-none"])) == {ids[0], ids[2]}
    assert set(compare.known_runs(None)) == {ids[2]}
