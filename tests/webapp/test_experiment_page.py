"""The page of an experiment: variants, both kinds of spread, tests, copies; large ones in time; leading it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from smoke_runs import finished_run
from webapp_studio import Studio

from db import lifecycle, metrics, runs, stages
from db.stages import Stage
from db.store import writing
from engine.evaluate.paired import UserMetrics
from engine.experiment.parsing import make_plan
from engine.experiment.search import make_search
from engine.experiment.space import read_space
from engine.metrics.bootstrap import Interval
from engine.settings import load_config
from jobs import api, experiments, process, searches
from jobs.experiment_forecast import forecast_experiment
from webapp import variants
from webapp.charts import LONGEST_LABEL, cut
from webapp.pages import experiment as page_of
from webapp.svg import LONGEST
from webapp.views import compare
from webapp.views import experiment as view


def _made(count: int, points: int = 0) -> str:
    """An experiment of runs that are done, without results; ``points`` of one curve each."""
    ids = []
    for number in range(count):
        config = load_config("smoke", overrides=[f"seed={number % 3}", f"finetune.steps={10 + number // 3}"])
        ids.append(runs.create(f"run {number}", config.model_dump(mode="json"), state="starting").id)
        with writing() as session:
            if points:
                line = [("finetune", "loss.lsr", step, 1.0 / step) for step in range(1, points + 1)]
                metrics.append(ids[-1], line, session)
            lifecycle.end(ids[-1], "done", session)
    return experiments.gather(ids, "together", "does it <b>hold</b>?").id


def _answers(monkeypatch: pytest.MonkeyPatch, users: int = 100) -> None:
    """What models answered, better with more steps of stage 2."""

    def answer(run, model):
        chance = 0.3 if run.config["finetune"]["steps"] == 10 else 0.9
        values = (np.random.default_rng(run.seed).random(users) < chance).astype(float)
        named = {"HR@1": values, "HR@5": values, "NDCG@5": values}
        return UserMetrics(np.arange(users), np.full((users, 2), run.seed), named)

    monkeypatch.setattr(variants, "answers_of", answer)


def test_variants_are_told_apart_by_settings_and_seeds_are_their_runs(monkeypatch):
    _answers(monkeypatch)
    found = variants.group_runs(experiments.standing(_made(6)))
    assert [(group.label, sorted(group.runs)) for group in found] == [
        ("finetune.steps=10", [0, 1, 2]),
        ("finetune.steps=11", [0, 1, 2]),
    ]
    variants.read_answers(found, variants.METHOD)
    figures = variants.spreads(found, page_of.METRICS)
    differences = variants.against(found, 0, "HR@1")
    assert differences[1].holm < 0.01
    assert (differences[1].seeds, differences[1].better) == (3, 3)
    told = variants.table("T", found, figures, differences, page_of.METRICS, "HR@1", found[0])
    assert told.columns[:3] == ["variant", "finetune.steps", "seeds"]
    assert told.rows[0][-3] == "the baseline"
    assert "standard deviation over seeds" in told.note
    assert "interval over users" in told.note
    assert "Holm" in told.note
    shown = str(view.results(found, figures, differences, page_of.METRICS, "HR@1", found[0]))
    assert "above in 3 of 3: better" in shown
    asked = {name: f"&model=delrec&metric={name.replace('@', '%40')}" for name in page_of.METRICS}
    one, other = (",".join(run.id for run in group.runs.values()) for group in found)
    for rest in asked.values():
        for ids in (one, other):
            assert f'href="./compare?runs={ids}{rest}"'.replace("&", "&amp;") in shown
    assert f'href="./compare?runs={one},{other}{asked["HR@1"]}"'.replace("&", "&amp;") in shown
    assert shown.count("<a ") == 2 * len(asked) + 1
    assert "<a " not in view.results(found, figures, differences, page_of.METRICS, "HR@1", found[0], frozen=True)
    asked = {name: f"&model=delrec&metric={name.replace('@', '%40')}" for name in page_of.METRICS}
    one, other = (",".join(run.id for run in group.runs.values()) for group in found)
    for rest in asked.values():
        for ids in (one, other):
            assert f'href="./compare?runs={ids}{rest}"'.replace("&", "&amp;") in shown
    assert f'href="./compare?runs={one},{other}{asked["HR@1"]}"'.replace("&", "&amp;") in shown
    assert shown.count("<a ") == 2 * len(asked) + 1
    assert "<a " not in view.results(found, figures, differences, page_of.METRICS, "HR@1", found[0], frozen=True)
    seeds = str(view.by_seed(found, "HR@1"))
    assert all(f"./run?id={run.id}" in seeds for group in found for run in group.runs.values())


def test_every_table_can_be_copied_and_leads_to_its_runs_but_for_the_file_without_a_script(monkeypatch):
    _answers(monkeypatch)
    runs_ = experiments.standing(_made(6)).runs
    found = variants.group_runs(experiments.standing("together"))
    variants.read_answers(found, variants.METHOD)
    told = variants.seed_table("T", found, "HR@1")
    assert (told.columns, len(told.rows)) == (["variant", "seed 0", "seed 1", "seed 2"], 2)
    assert str(told.rows[0][1]) in view.by_seed(found, "HR@1")
    known = {run.id: {"0": (3, Interval(0.5, 0.25, 0.75))} for run in runs_}
    called = variants.run_names(found)
    arguments = (runs_, called, known, ["0"], "candidates.HR@1", {run.id: 0 for run in runs_})
    live, frozen = compare.slices(*arguments), compare.slices(*arguments, frozen=True)
    assert "begin{tabular}" in live
    assert ".500 [.250, .750]" in live
    assert all(f"finetune.steps={steps}, seed {seed}" in frozen for steps in (10, 11) for seed in range(3))
    assert all(f"./run?id={run.id}" in live for run in runs_)
    assert not re.search("<button|<a ", frozen)


def test_charts_tell_the_variants_of_a_grid_apart():
    labels = [f"teacher.name={a}, distill.prompt={b}" for a in ("sasrec", "gru4rec") for b in ("distilled", "none")]
    for longest in (LONGEST_LABEL, LONGEST):
        short = [cut(label, longest) for label in labels]
        assert len(set(short)) == 4
        assert all(len(label) <= longest for label in short)
    assert cut("lr=1", 26) == "lr=1"
    assert cut("x" * 30, 26) == "x" * 25 + "…"


def test_names_and_questions_are_text():
    assert "does it &lt;b&gt;hold&lt;/b&gt;?" in view.head(experiments.standing(_made(1)))


def test_failures_tell_their_reasons():
    run_id = runs.create("bad", load_config("smoke").model_dump(mode="json"), state="starting").id
    lifecycle.finish(run_id, "failed", error="no column 'item'", remedy="name it")
    told = view.head(experiments.standing(experiments.gather([run_id], "bad").id))
    assert "no column &#x27;item&#x27; — name it" in told


def test_variants_that_the_base_cannot_have_are_told_in_the_preview_and_on_the_page():
    base = load_config("smoke", overrides=["finetune.enabled=false"])
    plan = make_plan("smoke", base, template="ablations")
    told = "<b>without stage 2</b> is left out: there is no stage 2 with finetune.enabled=false"
    assert told in view.expected(forecast_experiment(plan))
    assert told in view.head(experiments.standing(experiments.start(plan).id))


def test_sixty_runs_of_many_points_are_drawn(monkeypatch):
    _answers(monkeypatch, users=500)
    found = experiments.standing(_made(60, points=1000))
    drawn = page_of._draw(found, None, variants.METHOD, "HR@1", False)
    assert "finetune.steps=29" in str(drawn)


@pytest.mark.browser
def test_ticked_runs_are_put_into_an_experiment(page: Page, at_quiet_studio: Studio) -> None:
    ids = [api.launch(load_config("smoke", overrides=[f"seed={n}"])) for n in range(2)]
    page.goto(f"{at_quiet_studio.url}/runs")
    for run_id in ids:
        page.locator(f"[data-pick={run_id}]").check()
    page.locator("#edit-picked").click()
    page.locator("#picked-experiment input, #picked-experiment textarea").fill("ticked")
    page.locator("#save-picked").click()
    expect(page.locator("#picked-said")).to_contain_text("Saved")
    assert {run.id for run in experiments.standing("ticked").runs} == set(ids)
    experiments.delete("ticked", with_runs=True)


def _baseline_of_a_page_that_saw_its_first_results(page: Page, studio: Studio) -> None:
    """Opened while a search was open, the page has a baseline to choose once it is closed."""
    made = searches.start(make_search("smoke", load_config("smoke"), read_space(["teacher.name=sasrec,gru4rec"])))
    page.goto(f"{studio.url}/experiment?id={made.id}")
    expect(page.locator("#experiment-search")).to_be_visible()
    searches.close(made.id)
    experiments.add(made.id, [finished_run([], name="D")])
    expect(page.locator("#experiment-results tbody tr")).to_have_count(1)
    expect(page.get_by_label("Baseline")).not_to_have_value("")


@pytest.mark.browser
def test_an_experiment_is_read_and_led_in_the_browser(page: Page, at_quiet_studio: Studio) -> None:
    one, two = finished_run([], name="A"), finished_run(["finetune.enabled=false"], name="B")
    made = experiments.gather([one, two], "is stage 2 needed?")
    experiments.add(made.id, [api.launch(load_config("smoke", overrides=["seed=5"]), name="C")])
    page.goto(f"{at_quiet_studio.url}/experiment")
    page.get_by_role("link", name="is stage 2 needed?").click()
    results = page.locator("#experiment-results tbody tr")
    expect(results).to_have_count(2)
    expect(results.first).to_contain_text("users")
    figure = results.first.get_by_role("link").first  # the mean of one run, as the other has no results yet
    expect(figure).to_have_attribute("href", f"./run?id={one}")
    figure.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/run?id={one}")
    page.go_back()
    results.last.get_by_role("link").nth(1).click()  # the difference, behind the figure of the metric asked for
    page.wait_for_url("**/compare?runs=*")
    expect(page.locator("#compare-figures tbody tr")).to_have_count(2)
    page.go_back()
    expect(page.locator("#experiment-seeds").get_by_role("link").first).to_have_attribute("href", f"./run?id={one}")
    expect(page.locator("#experiment-copies code").first).to_have_text(re.compile("begin{table}"))
    page.locator("#experiment-pause").click()
    expect(page.locator("#experiment-said")).to_contain_text("1 run waiting")
    expect(page.locator("#experiment-head")).to_contain_text("paused")
    page.get_by_label("Baseline").click()
    page.get_by_role("option", name="finetune.enabled=false").click()
    expect(page.locator("#experiment-results thead")).to_contain_text("against finetune.enabled=false")
    page.wait_for_url("**base=finetune.enabled*")
    _baseline_of_a_page_that_saw_its_first_results(page, at_quiet_studio)
    page.goto(f"{at_quiet_studio.url}/experiment?id=nothing")
    expect(page.locator("#experiment-head")).to_contain_text("no experiment 'nothing'")


@pytest.mark.browser
def test_an_experiment_is_previewed_and_launched_from_the_form(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(f"{at_quiet_studio.url}/?preset=smoke")
    expect(page.locator("#launch-summary")).to_contain_text("smoke")  # the address has filled the form
    page.locator("#vary-settings textarea").fill("teacher.name=sasrec,gru4rec\ndistill.steps=5,6")
    page.locator("#vary-seeds input, #vary-seeds textarea").fill("0-1")
    page.locator("#vary-preview").click()
    expect(page.locator("#vary-said")).to_contain_text("8 runs")
    expect(page.locator("#vary-said tbody tr")).to_have_count(8)
    page.locator("#vary-settings textarea").fill("teacher.nam=a")
    page.locator("#vary-launch").click()
    expect(page.locator("#vary-said")).to_contain_text("did you mean teacher.name?")
    page.locator("#vary-settings textarea").fill("distill.steps=5,6")
    page.locator("#vary-name input, #vary-name textarea").fill("from the form")
    page.locator("#vary-launch").click()
    page.wait_for_url("**/experiment?id=x-*")
    expect(page.locator("#experiment-head")).to_contain_text("4 runs: 4 queued")
    experiments.delete("from the form", with_runs=True)


@pytest.mark.browser
def test_a_search_is_begun_in_the_form_and_closed_on_its_page(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(f"{at_quiet_studio.url}/?preset=smoke")
    expect(page.locator("#launch-summary")).to_contain_text("smoke")
    page.locator("#vary-search > button").click()
    page.locator("#vary-settings textarea").fill("finetune.lr=1e-2..1e-4")
    page.locator("#search-start").click()
    expect(page.locator("#search-said")).to_contain_text("nothing in it to choose from")
    page.locator("#vary-settings textarea").fill("finetune.lr=1e-4..1e-2")
    page.locator("#search-preview").click()
    expect(page.locator("#search-said")).to_contain_text("20 trials at most")
    page.locator("#vary-name input, #vary-name textarea").fill("searched")
    page.locator("#search-start").click()
    page.wait_for_url("**/experiment?id=x-*")
    expect(page.locator("#experiment-search")).to_contain_text("1 of 20 configurations begun: 1 under way")
    expect(page.locator("#experiment-results")).to_be_hidden()
    (run,) = experiments.standing("searched").runs
    lifecycle.claim(run.id, process.owner())
    with writing() as session:
        metrics.append(run.id, [("finetune", "validation.NDCG@10", step, 0.1 * step) for step in (1, 2)], session)
        stages.save(run.id, [Stage("finetune", "done", 1.0, 2, 2, "step")], session)
        lifecycle.end(run.id, "validated", session)
    expect(page.locator("#search-best")).to_contain_text(".200 with finetune.lr=0.001")
    expect(page.locator("#search-best a").first).to_have_attribute("href", f"./?clone={run.id}")
    page.locator("#experiment-close").click()
    expect(page.locator("#experiment-said")).to_contain_text(f"Closed: {run.name} goes on to the test users")
    expect(page.locator("#experiment-close")).to_be_hidden()
    experiments.cancel("searched")
    experiments.delete("searched", with_runs=True)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_of_ablations_the_metric_asked_for_and_its_paired_difference_are_seen_without_scrolling(
    page: Page, at_quiet_studio: Studio, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    _answers(monkeypatch)
    plan = make_plan("smoke", load_config("smoke"), template="ablations=gru4rec", seed_text="0-1")
    made = experiments.start(plan)
    for run in experiments.standing(made.id).runs:
        lifecycle.claim(run.id, process.owner())
        lifecycle.finish(run.id, "done")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{at_quiet_studio.url}/experiment?id={made.id}&metric=NDCG%405")
    heads = page.locator("#experiment-results thead th")
    expect(heads.nth(0)).to_have_text("Variant")
    expect(heads.nth(1)).to_contain_text("NDCG@5")
    expect(heads.nth(2)).to_contain_text("NDCG@5, paired")
    ends = "(all) => Math.max(...all.map((it) => it.getBoundingClientRect().right))"
    scrolled = page.locator("#experiment-results .dr-scroll")
    assert page.locator("#experiment-results tr > :nth-child(3)").evaluate_all(ends) <= scrolled.evaluate_all(ends)
    experiments.delete(made.id, with_runs=True)
