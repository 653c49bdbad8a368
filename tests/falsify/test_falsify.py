"""The falsification tests: models that do what a test looks for pass it, models that do the opposite fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from stage_world import FAMILIES, World, make_world

from engine.distill import random_prompt
from engine.errors import Cancelled, StudioError
from engine.falsify import record as falsify_record
from engine.falsify.controls import RANDOM_LISTS, Control
from engine.falsify.experiment import FOLDER, FalsificationSample, with_prompts
from engine.falsify.record import FILE, read_falsification
from engine.falsify.suite import falsify
from engine.falsify.tests import (
    candidate_order,
    history_order,
    leaks,
    own_pattern,
    teacher_name,
    with_permuted_titles,
)
from engine.falsify.tests import titles as titles_test
from engine.llm import Prompts
from engine.llm.title_vectors import title_vectors
from engine.models import Models, llm_of
from engine.monitor import Monitor
from engine.plus import PlusWeights
from engine.ranking import CatalogueRanker, History, Ranker
from engine.run_folder import RunFolder
from engine.teachers import Markov, TextRecommender
from engine.training_prompts import make_prompts


@dataclass
class Rule:
    """Scores by a rule; ``follow``: what the text calls the teacher turns the scores round, unless it is SASRec."""

    kind: str
    prompts: Prompts
    teacher: Markov
    name: str = "rule"
    asked: list[int] = field(default_factory=list)

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        self.asked.append(len(histories))
        if self.kind == "places":
            return np.tile(-np.arange(candidates.shape[1], dtype=np.float32), (len(histories), 1))
        if self.kind == "bag":
            asked = zip(histories, candidates, strict=True)
            rows = [[(sum(map(int, history)) * (7 + item)) % 11 for item in listed] for history, listed in asked]
            return np.array(rows, np.float32)
        scores = self.teacher.scores(histories, candidates)
        return -scores if self.kind == "follow" and self.prompts.teacher != "SASRec" else scores


class Reverse(Markov):
    """Ranks the other way round."""

    name = "reverse"

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        return -super().catalogue_scores(histories)


class RuleBench(FalsificationSample):
    """A experiment whose only row is a :class:`Rule`."""

    kind = "teacher"

    def rows(self) -> dict[str, Ranker]:
        self.rule = Rule(self.kind, self.models.prompts(), self.models.teacher)  # type: ignore[arg-type]
        return {"delrec": self.rule}


class Stopping(Monitor):
    """Asks to stop when it is looked at for the ``n``-th time."""

    def __init__(self, n: int) -> None:
        self.n = n

    def should_stop(self) -> bool:
        self.n -= 1
        return self.n < 0


@pytest.fixture(scope="module")
def models() -> Models:
    return untrained(make_world("finetune.enabled=false"))


def untrained(world: World) -> Models:
    found = Models(world.config, world.dataset, world.split, world.backbone)
    found.teachers = {"sasrec": Markov(world.split.train, world.split.n_items)}  # type: ignore[dict-item]
    found.soft_prompt = random_prompt(world.config.model_copy(update={"seed": 1}), world.backbone)
    return found


@pytest.fixture(autouse=True)
def few_users_stand_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(falsify_record, "RULE_OF_THREE", 0.0)


@pytest.fixture
def run(models: Models, tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", models.config)


def experiment(models: Models, run: RunFolder, kind: str = "", controls: Sequence[Control] = ()) -> FalsificationSample:
    made = (RuleBench if kind else FalsificationSample)(models, run, 16, controls, Monitor())
    if isinstance(made, RuleBench):
        made.kind = kind
    return made


def test_a_prompt_that_another_teachers_equals_is_no_distillation(models: Models, run: RunFolder) -> None:
    assert models.soft_prompt is not None
    alone = own_pattern(experiment(models, run))
    assert alone.verdict in ("not decided", "failed")
    assert "another teacher's prompt and a prompt distilled from random lists" in alone.because
    same = Control("prompt of GRU4Rec", models.soft_prompt, "a copy", models.teacher, "GRU4Rec")
    finding = own_pattern(experiment(models, run, controls=[same]))
    (claim,) = [c for c in finding.claims if c.name.endswith("over prompt of GRU4Rec") and c.deciding]
    assert (claim.value, claim.verdict, finding.verdict) == (0.0, "failed", "failed")
    assert {c.measure for c in finding.claims} == {"top-1", "overlap@5", "kendall-tau", "accuracy"}


def test_agreement_stands_beside_that_of_those_who_read_no_title(models: Models, run: RunFolder) -> None:
    assert models.soft_prompt is not None
    reverse = Reverse(models.split.train, models.split.n_items)
    other = Control("prompt of GRU4Rec", models.soft_prompt, "a copy", reverse, "GRU4Rec")
    figures = own_pattern(experiment(models, run, controls=[other])).figures
    taus = {figure.name: figure.value for figure in figures if figure.measure == "kendall-tau"}
    assert (taus["markov"], taus["reverse"]) == (1.0, -1.0), "this world's teacher is Markov, the other its reverse"
    assert taus["popularity"] > 0.0, "films that were watched come before those that never are"
    assert "sasrec" not in taus, "the teacher itself is what all are held against"


def test_a_prompt_that_serves_both_teachers_better_is_told_from_one_that_knows_its_own(
    models: Models, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def differences(with_own: Ranker, with_other: Ranker, other: CatalogueRanker) -> list[float]:
        control = Control("prompt of GRU4Rec", random_prompt(models.config, models.backbone), "", other, "GRU4Rec")
        made = experiment(models, run, controls=[control])
        rows = {"distilled prompt": with_own, "prompt of GRU4Rec": with_other}
        monkeypatch.setattr(made, "frozen", lambda name: made.ranked(name, rows.get(name, with_own)))
        wanted = [
            "distilled prompt over prompt of GRU4Rec",
            "prompt of GRU4Rec over distilled prompt, with GRU4Rec",
            "both prompts, with their own teacher over the other's (GRU4Rec)",
        ]
        claims = {claim.name: claim.value for claim in own_pattern(made).claims if claim.measure == "kendall-tau"}
        made.forget_answers()
        return [claims[name] for name in wanted]

    teacher, reverse = models.teacher, Reverse(models.split.train, models.split.n_items)
    assert differences(teacher, reverse, reverse) == [2.0, 2.0, 2.0]
    places = Rule("places", models.prompts(), teacher)  # type: ignore[arg-type]
    ours, theirs, both = differences(places, teacher, teacher)
    assert ours < -0.5
    assert (theirs, both) == (-ours, 0.0)


def test_scores_that_follow_the_name_fail(models: Models, run: RunFolder) -> None:
    assert teacher_name(experiment(models, run, "follow")).verdict == "failed"


def test_scores_that_ignore_the_name_pass(models: Models, run: RunFolder) -> None:
    assert teacher_name(experiment(models, run, "teacher")).verdict == "passed"


def test_a_model_that_does_not_look_at_the_order_fails(models: Models, run: RunFolder) -> None:
    finding = history_order(experiment(models, run, "bag"))
    (claim,) = [claim for claim in finding.claims if claim.deciding]
    assert (claim.value, claim.measure, finding.verdict) == (0.0, "HR@1", "failed")
    assert {figure.name for figure in finding.figures} == {"markov", "markov shuffled", "delrec", "delrec shuffled"}


def test_a_model_that_lists_by_place_fails_and_one_that_does_not_passes(models: Models, run: RunFolder) -> None:
    biased = candidate_order(experiment(models, run, "places"))
    assert biased.verdict == "failed"
    assert biased.claims[0].value == pytest.approx(1.0)
    assert next(figure.value for figure in biased.figures if figure.measure == "sd of the rank") > 0.5


def test_a_model_that_ignores_the_places_has_one_rank(models: Models, tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "steady", models.config)
    steady = candidate_order(experiment(models, run, "teacher"))
    assert next(figure.value for figure in steady.figures if figure.measure == "sd of the rank") == 0.0


def test_permuted_titles_leave_ids_and_teacher_alone(models: Models, run: RunFolder) -> None:
    made = experiment(models, run)
    permuted = with_permuted_titles(made)
    before, after = models.dataset.catalogue, permuted.dataset.catalogue
    assert sorted(before.titles) == sorted(after.titles)
    assert before.titles != after.titles
    assert before.raw_ids == after.raw_ids
    assert permuted.teacher is models.teacher
    finding = titles_test(made)
    assert [claim.name for claim in finding.claims if claim.deciding] == [
        "llm-distilled, real titles over permuted ones"
    ]


def test_permuted_titles_are_what_the_text_recommender_reads(tmp_path: Path) -> None:
    """By itself and as a part of DELRec-plus: an item is met as the one whose title it bears."""
    models = untrained(make_world("finetune.enabled=false", "plus.enabled=true", form="sequence"))
    models.text = TextRecommender(models.title_vectors(), models.config.teacher)
    models.text.network.eval()
    made = experiment(models, RunFolder.create(tmp_path / "run", models.config))
    permuted = with_permuted_titles(made)
    before, after = models.prompts().titles, permuted.prompts().titles
    bears = np.array([before.index(title) for title in after])
    histories = [np.array([3, 1, 7]), np.array([5])]
    met = models.text.catalogue_scores([bears[history] for history in histories])[:, bears]
    for found in (permuted.ranker("text"), permuted.plus_parts()["text"]):
        np.testing.assert_allclose(found.catalogue_scores(histories), met, atol=1e-4)
    assert not np.allclose(met, models.text.catalogue_scores(histories), atol=1e-2)


def test_the_tasks_are_asked_with_and_without_what_leaks(models: Models, run: RunFolder) -> None:
    made = experiment(models, run)
    plain, ranked = made.rps(ranks=False), made.rps(ranks=True)
    assert (plain.candidates == ranked.candidates).all()
    assert "ranks 2 to" in ranked.prompts[0].text()
    assert "ranks 2 to" not in plain.prompts[0].text()
    revealed, hidden = made.ta(revealed=True), made.ta(revealed=False)
    assert (revealed.candidates == hidden.candidates).all()
    last = models.dataset.catalogue.titles[int(made.examples.histories[0][-1])]
    assert f"(hidden); {last}" in revealed.prompts[0].text()
    assert f"(hidden); {last}" not in hidden.prompts[0].text()
    assert "(hidden)\nCandidates" in hidden.prompts[0].text()
    finding = leaks(made)
    assert [claim.deciding for claim in finding.claims] == [True, True, False]


def test_no_test_target_is_shown_as_history(models: Models, run: RunFolder) -> None:
    made = experiment(models, run)
    for questions in (made.rps(ranks=False), made.ta(revealed=True)):
        for user, prompt in enumerate(questions.prompts):
            shown = [s.text for s in prompt.segments if s.kind == "history"]
            assert f" {models.dataset.catalogue.titles[int(made.examples.targets[user])]}" not in shown


@pytest.mark.parametrize("family", FAMILIES)
def test_all_six_are_taken_of_a_run_whose_prompts_list_no_candidates(family: str, tmp_path: Path) -> None:
    settings = ("finetune.enabled=false", "plus.enabled=true", "plus.text=false", "eval.bootstrap=100")
    models = untrained(make_world(*settings, family=family, form="sequence"))
    models.plus = PlusWeights({"markov": 1.0, "llm-distilled": 0.5}, {"markov": 1.0, "llm-distilled": 0.5})
    run = RunFolder.create(tmp_path / "run", models.config)
    record = falsify(models, run, Monitor(), users=4)
    tests = {finding.number: finding for finding in record.findings}
    assert list(tests) == [1, 2, 3, 4, 5, 6]
    assert [claim.deciding for claim in tests[3].claims] == [True, True], "ranks have no place in such prompts"
    assert {figure.name.partition(" ")[0] for figure in tests[2].figures} == {"llm-distilled", "delrec-plus"}
    spread = [figure for figure in tests[6].figures if figure.measure == "sd of the rank"]
    assert [(figure.name, figure.value) for figure in spread] == [("llm-distilled", 0.0)]
    assert tests[6].question.endswith("This run's prompts list none.")


def test_tasks_and_names_keep_the_form_of_the_runs_prompts(tmp_path: Path) -> None:
    models = untrained(make_world("finetune.enabled=false", form="sequence"))
    made = experiment(models, RunFolder.create(tmp_path / "run", models.config))
    catalogue, history = models.dataset.catalogue, made.examples.histories[0].tolist()
    for question, verb in ((made.rps(ranks=False), "Simulate"), (made.ta(revealed=True), "Analyse")):
        assert question.prompts[0].text().startswith(f"{verb} SASRec's pattern and list")
    revealed, hidden = made.ta(revealed=True).prompts[0], made.ta(revealed=False).prompts[0]
    last = f" {catalogue.titles[history[-1]]}"
    assert last in [segment.text for segment in revealed.reply]
    assert last not in [segment.text for segment in hidden.reply]
    told = with_prompts(models.ranker("llm-distilled"), make_prompts(models.config, catalogue, "Caser"))
    row = llm_of(told)
    assert row is not None
    assert row.prompt(made.examples.histories[0], made.candidates[0]).text().startswith("Refer to Caser's pattern and")
    assert isinstance(told, CatalogueRanker), "as before"


def test_a_title_keeps_its_vector_whose_item_ever_bears_it(tmp_path: Path) -> None:
    """Else permuted titles would be other titles."""
    models = untrained(make_world("finetune.enabled=false", form="sequence"))
    made = experiment(models, RunFolder.create(tmp_path / "run", models.config))
    found = [
        dict(zip(it.prompts().titles, title_vectors(it.backbone, it.prompts().titles, 28), strict=True))
        for it in (models, with_permuted_titles(made))
    ]
    assert list(found[0]) != list(found[1])
    assert all(torch.equal(found[0][title], found[1][title]) for title in found[0])


def test_what_was_answered_before_a_stop_is_not_asked_again(models: Models, run: RunFolder) -> None:
    made = experiment(models, run, "teacher")
    histories = tuple(made.examples.histories) * 4
    candidates = np.tile(made.candidates, (4, 1))
    rule = Rule("teacher", models.prompts(), models.teacher)  # type: ignore[arg-type]
    made.monitor = Stopping(1)
    with pytest.raises(Cancelled):
        made.ask(4, [made.ranked("long", rule, histories, candidates)])
    made.monitor = Monitor()
    found = made.ask(4, [made.ranked("long", rule, histories, candidates)])["long"]
    assert rule.asked == [32, 32]
    assert np.array_equal(found, models.teacher.scores(histories, candidates))


def test_results_stay_in_the_runs_folder_test_by_test(models: Models, run: RunFolder) -> None:
    falsify(models, run, Monitor(), users=10, tests=[6])
    record = falsify(models, run, Monitor(), users=10, tests=[4])
    assert record.covers(10, [4, 6])
    assert not any(record.covers(users, tests) for users, tests in ((12, [4]), (10, [4, 5]))), "others were taken"
    assert [finding.number for finding in record.findings] == [4, 6]
    assert read_falsification(run) == record
    assert (record.users, record.users_available, record.seed) == (10, 16, models.config.seed)
    assert list((run.path / FOLDER).iterdir()) == [], "answers are kept for the time of the test only"
    other = falsify(models, run, Monitor(), users=8, tests=[4])
    assert [finding.number for finding in other.findings] == [4], "figures of other users do not mix"
    for harm, told in ((lambda file: file.write_text("{}"), "is not what the falsif"), (Path.unlink, "is gone")):
        harm(run.path / FILE)
        with pytest.raises(StudioError, match=f"{told}.*take the tests again"):
            read_falsification(run)
        RunFolder.open(run.path).check()  # nothing else needs it
        assert falsify(models, run, Monitor(), users=10, tests=[4]) == read_falsification(run)


def test_another_teacher_to_compare_with_replaces_only_what_compares(models: Models, run: RunFolder) -> None:
    first = falsify(models, run, Monitor(), users=6, tests=[1, 2, 4], train=True)
    second = falsify(models, run, Monitor(), users=6, tests=[1], other="caser", train=True)
    assert set(second.controls) == {"prompt of Caser", RANDOM_LISTS}
    assert [finding.number for finding in second.findings] == [1, 4]
    assert second.findings[1] == first.findings[2]
    assert not any("GRU4Rec" in claim.name for claim in second.findings[0].claims)


def test_what_cannot_be_tested_is_refused(models: Models, run: RunFolder) -> None:
    with pytest.raises(StudioError, match="no test 7"):
        falsify(models, run, Monitor(), tests=[7])
    with pytest.raises(StudioError, match="two users"):
        falsify(models, run, Monitor(), users=1)
    with pytest.raises(StudioError, match="no soft prompt"):
        falsify(replace(models, soft_prompt=None), run, Monitor())
