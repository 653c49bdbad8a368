"""Whose recommendation is explained, where histories are longer than models remember and titles are one's own."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_run import tiny_models

from engine.errors import StudioError
from engine.explain.effects import LeaveOneOut
from engine.explain.evidence import gather
from engine.explain.explainer import Explainer, explain
from engine.explain.explananda import (
    ExplanationTarget,
    explanandum_of_edited,
    explanandum_of_titles,
    explanandum_of_user,
)
from engine.explain.explanandum import Explanandum
from engine.explain.row_predictors import RowPredictors
from engine.explain.why_not import places_of_all
from engine.models import Models

ROW = ExplanationTarget(model="sasrec", beside="llm-distilled")


@pytest.fixture(scope="module")
def forgetful() -> Models:
    """Models that read three titles, of which teachers remember five, of histories of a dozen."""
    return tiny_models("data.history=3", "teacher.max_length=5")


def test_a_removal_in_the_history_does_what_its_effect_says(forgetful: Models) -> None:
    """Whoever takes a title out of the list sees what its bar tells: nothing older moves in for it."""
    whole = explanandum_of_user(forgetful, "user 3", ROW)
    assert len(whole.rows.older) == 2
    titles = [f"id:{whole.catalogue.raw_ids[item]}" for item in whole.instance.history]
    effects = Explainer(whole).deletions().margin
    scores = whole.model.full()
    for place in range(len(titles)):
        left = titles[:place] + titles[place + 1 :]
        edited = explanandum_of_edited(forgetful, "user 3", left, ROW)
        assert edited.rows.older.tolist() == whole.rows.older.tolist()
        about = edited.about(whole.instance.target).model
        margin = _margin(scores, whole.instance.target) - _margin(about.full(), whole.instance.target)
        assert margin == pytest.approx(effects[place], abs=1e-5)


def test_places_are_among_all_items_that_the_user_has_not_had_however_long_ago(forgetful: Models) -> None:
    for user in range(4):
        explained = explanandum_of_user(forgetful, f"user {user}", ROW, candidates="catalogue")
        places = places_of_all(explained)
        best = explained.instance.candidates[explained.model.full().argmax()]
        assert min(place for place in places if place is not None) <= places.count(places[0]), places
        assert int(best) not in explained.seen
        had = forgetful.dataset.sequences[forgetful.dataset.user_ids.index(f"user {user}")]
        assert explained.seen < {*had.tolist()}
        assert len(explained.seen) > len(explained.instance.history) + len(explained.rows.older)
        assert not explained.seen & {*explained.pool()}


class ReadsTitles:
    """Scores whatever the catalogue holds, one's own titles best of all."""

    name, reads_titles = "sasrec", True

    def __init__(self, size: int) -> None:
        self.size = size

    def scores(self, histories: list[np.ndarray], candidates: np.ndarray) -> np.ndarray:
        return np.take_along_axis(self.catalogue_scores(histories), candidates, axis=1)

    def catalogue_scores(self, histories: list[np.ndarray]) -> np.ndarray:
        return np.tile(np.arange(self.size, dtype=np.float32), (len(histories), 1))


@pytest.mark.parametrize("candidates", ["catalogue", "sampled"])
def test_titles_of_ones_own_are_never_recommended_by_a_row_that_reads_titles(
    monkeypatch: pytest.MonkeyPatch, candidates: str
) -> None:
    """Nor is the title that says nothing, which stands in the catalogue behind them."""
    models = tiny_models()
    monkeypatch.setattr(RowPredictors, "_bare", lambda self, row: ReadsTitles(len(self.catalogue)))
    own = ["game A", "wholly new"]
    explained = (
        explanandum_of_titles(models, own, ROW)
        if candidates == "catalogue"
        else explanandum_of_edited(models, "user 3", own, ROW, "catalogue")
    )
    assert (explained.instance.candidates < models.split.n_items).all()
    assert {place for place in places_of_all(explained) if place} >= {1.0}
    assert len(explained.catalogue) > models.split.n_items


def test_where_too_little_is_left_to_rank_it_is_said_what_to_do(forgetful: Models) -> None:
    titles = [f"id:{raw_id}" for raw_id in forgetful.dataset.catalogue.raw_ids]
    for left, said in enumerate(("0 candidates are", "1 candidate is")):
        with pytest.raises(StudioError, match=f"{said} left outside the history") as told:
            explanandum_of_titles(forgetful, titles[left:], ROW)
        assert told.value.remedy == "shorten the history"
    assert len(explanandum_of_titles(forgetful, titles[2:], ROW).instance.candidates) == 2


def _margin(scores: np.ndarray, target: int) -> float:
    return float(scores[target] - np.delete(scores, target).max())


def test_without_all_titles_the_answer_is_what_the_search_and_the_first_sentence_both_say() -> None:
    """One of two titles, two of two: the sentence above tells what comes without them, the search below must too."""
    models = tiny_models()
    for titles in (["game A"], ["game A", "game B"], ["game C", "game A"]):
        explained: Explanandum = explanandum_of_titles(models, titles, ROW)
        reasons = Explainer(explained)
        removal, necessity = reasons.search.removal, reasons.evidence().necessity
        if necessity and necessity.rank_after > 1:
            assert removal is not None
            assert "nor any larger one" not in reasons.search.sentence


@pytest.mark.parametrize(
    ("margin", "named"),
    [([3.0, 0.1, -1.0], ["game A"]), ([0.1, 2.0, 1.0], ["game B", "game C"]), ([0.1, -2.0, 0.0], [])],
)
def test_the_first_sentence_names_only_titles_that_mattered(margin: list[float], named: list[str]) -> None:
    explained = explanandum_of_titles(tiny_models(), ["game A", "game B", "game C"], ROW)
    lead = np.zeros((4, 1, len(explained.instance.candidates)), np.float32)
    lead[:, 0, explained.instance.target] = 10 - np.array([0.0, *margin])
    effects = LeaveOneOut(ROW.model or "", explained.instance.target, lead[0, 0], lead[1:])
    found = gather(explained, effects, None).necessity
    assert list(found.titles if found else ()) == named


@pytest.mark.parametrize("row", ["llm-distilled", "sasrec"])
def test_where_history_and_candidates_are_the_whole_catalogue_no_other_item_is_put_in(row: str) -> None:
    models = tiny_models("eval.full_top=100", "llm.prompts=sequence", form="sequence")
    known = models.dataset.catalogue.titles[:4]
    explained = explanandum_of_titles(models, list(known), ExplanationTarget(model=row))
    everything = {*explained.instance.history.tolist(), *explained.instance.candidates.tolist()}
    assert everything >= {*range(models.split.n_items)}
    report = explain(Explainer(explained), ["summary", "effects", "counterfactual", "why_not", "order"])
    assert report.effects is not None
    assert "delete" in report.effects.model
    assert "random" not in report.effects.model
    assert "random" not in report.effects.beside
