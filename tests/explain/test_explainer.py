"""A whole explanation of tiny models: what it holds, that its numbers fit together, and bad input."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from stage_world import FAMILIES, FORMS
from tiny_run import tiny_models

from engine.errors import StudioError
from engine.explain.explainer import PARTS, Explainer, OnPart, explain
from engine.explain.explananda import (
    ExplanationTarget,
    explanandum_of_edited,
    explanandum_of_titles,
    explanandum_of_user,
)
from engine.explain.explanandum import Explanandum
from engine.explain.rationale import WriterOptions
from engine.explain.report import CandidatePool, ExplanationReport
from engine.explain.serialization import plain
from engine.llm import SoftPrompt
from engine.models import Models
from engine.rows import last_row, method_row
from webapp.commands import explain as shell


@pytest.fixture(scope="module")
def models() -> Models:
    return tiny_models()


def _stored(explainer: Explainer, parts: Collection[str] = PARTS, on_part: OnPart | None = None) -> dict[str, Any]:
    return explain(explainer, parts, on_part).to_json()


def test_an_explanation_of_a_user_is_json_whose_numbers_fit_together(models: Models) -> None:
    explained = explanandum_of_user(models, "user 3")
    other = {"abc": SoftPrompt.from_vocabulary(models.backbone, 3, seed=9)}
    answer = _stored(Explainer(explained, other))
    assert answer == json.loads(json.dumps(answer, allow_nan=False))
    assert set(PARTS) == set(answer) & set(PARTS) | set(answer["inapplicable"])
    history, candidates = answer["history"], answer["candidates"]
    assert [item["item"] for item in history] == models.dataset.sequences[3][:-1][-12:].tolist()
    assert [item["item"] for item in candidates if item["chosen_next"]] == [models.dataset.sequences[3][-1]]
    assert answer["answer"]["rank"] == 1.0, "by default the model's own first answer is explained"
    assert set(answer["effects"]["model"]) == {"delete", "placeholder", "random"}
    assert set(answer["effects"]["beside"]) == {"delete", "random"}
    assert all(len(found["margin"]) == len(history) for found in answer["effects"]["model"].values())
    assert [rung["model"] for rung in answer["ladder"]] == ["sasrec", "llm-zero-shot", "llm-distilled"]
    own = answer["ladder"][-1]
    assert own["margin"] == pytest.approx(answer["answer"]["margin"], abs=1e-4)
    for effect in answer["prompt"]["prompts"]:
        before = effect["margin_effect"] + effect["answer"]["margin"]
        assert before == pytest.approx(answer["answer"]["margin"], abs=1e-3)
    assert [effect["prompt"] for effect in answer["prompt"]["prompts"]] == ["removed", "shuffled", "random", "run abc"]
    removed = answer["prompt"]["prompts"][0]["answer"]["scores"]
    assert removed == pytest.approx(answer["ladder"][1]["scores"], abs=1e-4), "no prompt, no adapter: the zero-shot row"
    assert answer["prompt"]["adapter"] is None
    gradients = answer["gradients"]
    gap = sum(gradients["items"]) - (gradients["lead"] - gradients["baseline"])
    assert abs(gap) == pytest.approx(gradients["completeness_error"], abs=1e-3)
    assert answer["summary"]["sentence"] in answer["summary"]["fallback"]
    best = answer["rationale"]["texts"][0]
    assert (best["weights"], best["grounding"]["badge"]) == ("base", "grounded"), "even random weights keep the grammar"
    assert len(answer["rationale"]["texts"]) == 1, "it holds, so no other is written"
    assert "SENTENCE_" in answer["free"]["grammar"]
    assert answer["free"]["text"]["weights"] == "base"
    lead = answer["rather"]["lead"]
    assert lead == pytest.approx(answer["answer"]["margin"], abs=1e-4), "the strongest rival defines the margin"


def test_items_that_look_alike_are_told_by_their_ids_wherever_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    models = tiny_models()
    catalogue = models.dataset.catalogue
    titles = (("Game\ufe0f X" if item % 2 else "game X") + str(item // 2) for item in range(len(catalogue)))
    twins = replace(catalogue, titles=tuple(titles))
    models.dataset = replace(models.dataset, catalogue=twins)
    explained = explanandum_of_user(models, "user 3")
    answer = _stored(
        Explainer(explained), [part for part in PARTS if part not in ("gradients", "rationale", "prompt", "free")]
    )
    for item in (*answer["history"], *answer["candidates"], answer["rather"]["rather_than"]):
        assert item["title"].endswith(f" X{item['item'] // 2} [id:{item['raw_id']}]")
    told = answer["summary"]["fallback"]
    assert told.count(" X") == len(re.findall(r" X\d+ \[id:", told)) > 0
    assert answer["summary"]["evidence"]["target"] == twins.display(answer["target"]["item"]), "as the model reads it"
    chosen = answer["candidates"][-1]["raw_id"]
    assert f" [id:{chosen}] is what is explained" in _refusal(
        lambda: explanandum_of_user(models, "user 3", ExplanationTarget(f"id:{chosen}", f"id:{chosen}"))
    )
    shell._show(ExplanationReport.read(answer))
    said = " ".join(capsys.readouterr().out.split())
    assert said.count(" X") == len(re.findall(r" X\d+ \[id:", said)) > len(answer["history"] + answer["candidates"])
    assert "typed" not in said


def _refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(StudioError) as told:
        ask()
    return str(told.value)


def test_the_deletion_effects_are_those_of_single_questions(models: Models) -> None:
    explained = explanandum_of_user(models, "user 1")
    effects = Explainer(explained).deletions()
    history = explained.instance.history
    ranker = models.ranker("llm-distilled")
    for place in range(len(history)):
        alone = ranker.scores([np.delete(history, place)], explained.instance.candidates[None])[0]
        assert effects.without[place, 0] == pytest.approx(alone, abs=1e-4)


def test_a_chosen_item_is_explained_and_added_where_it_is_no_candidate(models: Models) -> None:
    explained = explanandum_of_user(models, "user 3", ExplanationTarget(models.dataset.catalogue.titles[20]))
    assert explained.instance.candidates[explained.instance.target] == 20
    listed = explanandum_of_user(models, "user 3").instance.candidates
    missing = next(item for item in range(14, 28) if item not in listed)
    explained = explanandum_of_user(models, "user 3", ExplanationTarget(f"movie {chr(65 + missing)}"))
    assert explained.instance.candidates[explained.instance.target] == missing
    assert "was added to the candidates" in explained.notes[-1]


def test_the_rival_can_be_chosen_and_its_lead_is_what_the_scores_say(models: Models) -> None:
    explained = explanandum_of_user(models, "user 3")
    first = Explainer(explained).measure_rather()
    assert not first["chosen"]
    shown = (first["rather_than"]["item"], explained.instance.candidates[explained.instance.target])
    column = next(column for column in range(3) if explained.instance.candidates[column] not in shown)
    for other in (
        explained.against(column),
        explanandum_of_user(models, "user 3", ExplanationTarget(rival=_name(models, explained, column))),
    ):
        found = Explainer(other).measure_rather()
        assert found["chosen"]
        assert found["rather_than"]["item"] == explained.instance.candidates[column]
        scores = explained.model.full()
        assert found["lead"] == pytest.approx(scores[explained.instance.target] - scores[column], abs=1e-4)
        without = explained.model.scores([np.delete(explained.instance.history, 0)])[0]
        after = without[explained.instance.target] - without[column]
        assert found["effects"][0] == pytest.approx(found["lead"] - after, abs=1e-4)


def test_a_rival_from_outside_joins_the_candidates_and_nobody_is_her_own(models: Models) -> None:
    listed = explanandum_of_user(models, "user 3").instance.candidates
    missing = next(item for item in range(14, 28) if item not in listed)
    wanted = ExplanationTarget(
        models.dataset.catalogue.raw_ids[int(listed[0])], models.dataset.catalogue.titles[missing]
    )
    explained = explanandum_of_user(models, "user 3", wanted)
    assert explained.instance.candidates[[explained.instance.target, explained.rival]].tolist() == [listed[0], missing]
    assert "was added to the candidates" in explained.notes[-1]
    title = models.dataset.catalogue.titles[int(listed[1])]
    with pytest.raises(StudioError, match="cannot be its own rival"):
        explanandum_of_user(models, "user 3", ExplanationTarget(title, title))
    with pytest.raises(StudioError, match=r"no item 'Zzyzx Road'.*rival"):
        explanandum_of_user(models, "user 3", ExplanationTarget(rival="Zzyzx Road"))


def _name(models: Models, explained: Explanandum, column: int) -> str:
    return models.dataset.catalogue.raw_ids[int(explained.instance.candidates[column])]


@pytest.mark.parametrize("candidates", ["sampled", "catalogue"])
def test_an_edited_history_is_asked_about_the_same_candidates(models: Models, candidates: CandidatePool) -> None:
    whole = explanandum_of_user(models, "user 3", candidates=candidates)
    titles = [entry.title for entry in whole.entries]
    as_it_is = explanandum_of_edited(models, "user 3", titles, candidates=candidates)
    assert as_it_is.instance.candidates.tolist() == whole.instance.candidates.tolist()
    assert as_it_is.model.full().tolist() == whole.model.full().tolist()
    assert as_it_is.beside.full().tolist() == whole.beside.full().tolist(), "what is older stays, too"
    added = whole.title(int(whole.instance.candidates[0]))
    edited = explanandum_of_edited(models, "user 3", [*titles[1:], added, "wholly new"], candidates=candidates)
    assert edited.instance.candidates.tolist() == whole.instance.candidates[1:].tolist()
    assert any(note.startswith(f"{added} stands in the history now") for note in edited.notes)
    assert [entry.item is None for entry in edited.entries][-2:] == [False, True]
    assert edited.true_item == whole.true_item


def test_on_the_catalogue_the_candidates_are_the_teachers_best(models: Models) -> None:
    explained = explanandum_of_user(models, "user 3", candidates="catalogue")
    scores = models.teacher.catalogue_scores([models.dataset.sequences[3][:-1]])[0]
    assert explained.instance.candidates[0] not in models.dataset.sequences[3][:-1]
    assert (np.diff(scores[explained.instance.candidates]) <= 0).all()


def test_unknown_titles_are_kept_for_the_language_model_and_marked(models: Models) -> None:
    explained = explanandum_of_titles(models, ["game A", "<b>${x}</b> {{y}} 🎬 שלום", "game B"])
    answer = _stored(Explainer(explained), ["effects", "summary"])
    assert [item["known"] for item in answer["history"]] == [True, False, True]
    assert answer["history"][1]["title"] == "<b>${x}</b> {{y}} 🎬 שלום"
    assert "only what reads titles sees" in answer["notes"][0]
    assert answer["effects"]["beside"]["delete"]["margin"][1] == 0.0
    assert answer["effects"]["model"]["delete"]["margin"][1] != 0.0


def test_one_title_is_enough(models: Models) -> None:
    answer = _stored(Explainer(explanandum_of_titles(models, ["game A"])))
    assert len(answer["effects"]["model"]["delete"]["margin"]) == 1
    assert answer["effects"]["agreement"]["delete"] is None
    assert answer["order"]["model"]["shuffled_margin"] is None


def test_of_many_titles_the_last_are_read_and_it_is_said(models: Models) -> None:
    titles = [f"wholly new title number {number}" for number in range(499)]
    explained = explanandum_of_titles(models, [*titles, "game A"])
    assert len(explained.instance.history) == 12
    assert "reads the last 12 of 500 titles" in explained.notes[-1]


def test_the_exact_prompt_is_told_with_its_titles_in_their_places(models: Models) -> None:
    answer = _stored(Explainer(explanandum_of_user(models, "user 3")), ["reading"])
    pieces = {(piece["kind"], piece["index"]): piece["text"] for piece in answer["reading"]["segments"]}
    for place, item in enumerate(answer["history"]):
        assert item["title"].partition(" (")[0] in pieces["history", place]
    assert ("candidate", len(answer["candidates"]) - 1) in pieces
    assert answer["reading"]["soft_tokens"] == len(models.soft_prompt or ())
    assert answer["reading"]["tokens"] > answer["reading"]["soft_tokens"]


@pytest.mark.parametrize("family", FAMILIES)
def test_all_parts_are_measured_of_a_model_that_reads_no_candidates(family: str) -> None:
    models = tiny_models(family=family, form="sequence")
    explained = explanandum_of_user(models, "user 3")
    answer = _stored(Explainer(explained), [part for part in PARTS if part != "rationale"])
    assert answer == json.loads(json.dumps(answer, allow_nan=False))
    found = answer["reading"]
    assert found["answer"] == ""
    assert not [piece for piece in (*found["segments"], *found["reply"]) if piece["kind"] == "candidate"]
    told = [piece["text"] for piece in found["reply"] if piece["kind"] == "history"]
    assert told == [f" {item['title']}" for item in answer["history"]]
    assert "stability" not in answer, "there is no order of candidates to shuffle"
    assert "reads no list" in answer["inapplicable"]["stability"]
    assert [rung["model"] for rung in answer["ladder"]] == ["sasrec", "llm-zero-shot", "llm-distilled"]
    for rung in answer["ladder"][1:]:
        row = models.ranker(rung["model"]).scores([explained.instance.history], explained.instance.candidates[None])[0]
        assert rung["scores"] == pytest.approx(row.tolist(), abs=1e-4), "those of the table's rows"
    gradients = answer["gradients"]
    gap = sum(gradients["items"]) - (gradients["lead"] - gradients["baseline"])
    assert abs(gap) == pytest.approx(gradients["completeness_error"], abs=1e-3)
    assert gradients["lead"] == pytest.approx(answer["answer"]["margin"], abs=1e-3)
    assert any(gradients["items"])
    for effect in answer["prompt"]["prompts"]:
        before = effect["margin_effect"] + effect["answer"]["margin"]
        assert before == pytest.approx(answer["answer"]["margin"], abs=1e-3)


def test_titles_of_ones_own_are_read_without_candidates_too() -> None:
    answer = _stored(
        Explainer(explanandum_of_titles(tiny_models(form="sequence"), ["game A", "wholly new", "game B"])), ["effects"]
    )
    assert [item["known"] for item in answer["history"]] == [True, False, True]
    assert answer["effects"]["model"]["delete"]["margin"][1] != 0.0


def test_bad_input_is_told_in_one_line(models: Models) -> None:
    for match, make in {
        "history is empty": lambda: explanandum_of_titles(models, []),
        "501 titles": lambda: explanandum_of_titles(models, ["x"] * 501),
        "none of these titles is known": lambda: explanandum_of_titles(models, ["🎬", "<script>"]),
        "no test user": lambda: explanandum_of_user(models, "nobody"),
        "no item": lambda: explanandum_of_user(models, "user 3", ExplanationTarget("Zzyzx Road")),
        "stands in the history": lambda: explanandum_of_titles(
            models, ["game A", "game B"], ExplanationTarget("game A")
        ),
        "there is no part 'magic'": lambda: explain(Explainer(explanandum_of_titles(models, ["game A"])), ["magic"]),
    }.items():
        with pytest.raises(StudioError, match=match):
            make()


def test_an_over_long_title_of_ones_own_is_cut_for_the_prompt(models: Models) -> None:
    explain(Explainer(explanandum_of_titles(models, ["game A", "x" * 5000])), ["summary"])


@pytest.mark.parametrize("form", FORMS)
def test_a_run_without_soft_prompt_has_no_effect_of_it(form: str) -> None:
    models = tiny_models("distill.prompt=none", form=form)
    assert method_row(models.config) == "llm-zero-shot"
    answer = _stored(Explainer(explanandum_of_user(models, "user 3")), ["prompt", "ladder", "reading", "gradients"])
    assert answer["prompt"] == {"prompts": None, "adapter": None}
    assert [rung["model"] for rung in answer["ladder"]] == ["sasrec", "llm-zero-shot"]


def test_plain_values_are_finite_or_refused() -> None:
    assert plain({"a": np.array([[1.23456789]]), "b": (np.int64(3), None, True)}) == {
        "a": [[1.23457]],
        "b": [3, None, True],
    }
    with pytest.raises(ValueError, match="no plain form"):
        plain(float("nan"))


def test_a_run_with_delrec_plus_is_explained_by_the_paper_s_method() -> None:
    config = tiny_models("plus.enabled=true", "finetune.enabled=true", form="sequence").config
    assert (last_row(config), method_row(config)) == ("delrec-plus", "delrec")


def test_what_is_measured_and_written_so_far_is_stored(models: Models) -> None:
    heard: list[dict[str, Any]] = []
    writing = WriterOptions(prompt="Say hello.", samples=2)
    reasons = Explainer(explanandum_of_user(models, "user 3"), writing=writing)
    answer = _stored(reasons, ["summary", "rationale"], lambda partial: heard.append(dict(partial)))
    assert [told["measuring"] for told in heard[:2]] == ["summary", "rationale"]
    assert all(told["target"] == answer["target"] for told in heard)
    assert heard[1]["summary"] == answer["summary"], "parts that are done stand beside the one under way"
    words = [told["writing"] for told in heard[2:]]
    assert {told["request"] for told in words} == {"Say hello."} == {answer["rationale"]["request"]}
    assert all(a["texts"][0] == b["texts"][0][: len(a["texts"][0])] for a, b in itertools.pairwise(words))
    assert [text.strip() for text in words[-1]["texts"]] == [text["text"] for text in answer["rationale"]["texts"]]


def test_a_quick_row_has_its_sentence_before_a_language_model_beside_it_is_asked(models: Models) -> None:
    explained = explanandum_of_user(models, "user 3", ExplanationTarget(model="sasrec", beside="llm-distilled"))
    heard: list[tuple[int, dict[str, Any]]] = []
    answer = _stored(Explainer(explained), ["summary"], lambda told: heard.append((explained.beside.asked, dict(told))))
    (asked, first), (_, second) = heard
    assert asked == 0
    early = ExplanationReport.read(first)
    assert early.beside is None
    told = ExplanationReport.read(answer).summary
    assert early.summary and told  # noqa: PT018 - for mypy
    assert (early.summary.sentence, early.summary.evidence.history) == (told.sentence, told.evidence.history)
    assert second["beside"] == answer["beside"]
    assert "puts it at #" in answer["summary"]["fallback"]


def test_a_candidate_is_explained_from_what_was_asked_already(models: Models) -> None:
    explained = explanandum_of_user(models, "user 3")
    assert Explainer(explained).effects
    asked = explained.model.asked
    column = explained.column(explained.title(int(explained.instance.candidates[2])))
    assert column == 2
    reused = Explainer(explained.about(column)).effects["delete"].margin
    assert explained.model.asked == asked
    anew = explanandum_of_user(
        models, "user 3", ExplanationTarget(explained.title(int(explained.instance.candidates[2])))
    )
    anew.model.full()  # asked first and by itself, as above: sums in float32 depend on what is asked together
    assert reused.tolist() == pytest.approx(Explainer(anew).effects["delete"].margin)
    missing = next(item for item in range(28) if item not in explained.instance.candidates)
    assert explained.column(explained.title(missing)) is None
