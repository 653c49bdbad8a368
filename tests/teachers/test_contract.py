"""What every ranker of items promises, counted or trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.architectures import ARCHITECTURES, TeacherName
from engine.config import TeacherConfig
from engine.data import Split
from engine.fields import Setting, describe
from engine.labels import label
from engine.monitor import Monitor
from engine.ranking import CatalogueRanker, PrefixRanker
from engine.settings import load_config
from engine.teachers import CatalogueScorer, Teacher, base, train_teacher
from engine.teachers import teacher as teacher_module
from engine.teachers.network import Network, network_class
from engine.teachers.windows import Windows
from tests.teachers.conftest import MORE, MORE_TRAINING, N_ITEMS, RING, TINY, UNSEEN, leave_one_out, walk

HISTORIES = [walk(begin, length) for begin, length in ((0, 5), (7, 1), (3, 9), (0, 0), (11, 2), (5, 5), (2, 12))]
CANDIDATES = np.array([np.random.default_rng(row).permutation(N_ITEMS)[:6] for row in range(len(HISTORIES))])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_line_of_the_register_is_all_that_makes_a_teacher_of_a_network(name: str) -> None:
    assert issubclass(network_class(name), Network)
    assert load_config(overrides=[f"teacher.name={name}", f"teacher.also={name}"]).teacher.name == name
    choices = {setting.name: setting.choices for setting in describe()}
    assert choices["teacher.name"] == choices["teacher.also"] == tuple(ARCHITECTURES)
    assert label(name) == ARCHITECTURES[name].label != name
    assert "-" not in name, "copies are called by the name, a hyphen and a number"
    assert label(f"{name}-2") == f"{label(name)}, copy 2"


def test_sections_of_one_teacher_s_settings_are_called_by_its_name() -> None:
    names = {setting.name.split(".")[1] for setting in describe() if setting.name.count(".") == 2}
    assert names
    assert names <= set(ARCHITECTURES)


TRAINED_ALIKE = {
    *("name", "also", "copies", "epochs", "patience", "validate_every", "batch_size", "lr", "weight_decay"),
    *("validation_users", "device"),
}
"""Settings of the training, which is the same for all."""
CHANGES: dict[str, object] = {
    "max_length": 4, "width": 12, "layers": 1, "heads": 2, "dropout": 0.3, "label_smoothing": 0.2, "negatives": 5,
}  # fmt: skip


def _another(setting: Setting) -> object:
    """A value that the setting may have and has not by default."""
    now = setting.default
    if setting.choices:
        return next(choice for choice in setting.choices if choice != now)
    if setting.kind == "switch":
        return not now
    if setting.kind == "whole":
        return 8 if now is None else now + 1
    assert setting.kind == "number", f"{setting.name} is free text: say here what else it may be"
    return now / 2 if now and now >= 0.5 else 1 - (now or 0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_setting_has_an_effect_or_is_said_to_have_none(name: str, ring: Split) -> None:
    own = [setting for setting in describe() if setting.name.startswith(f"teacher.{name}.")]
    shared = {field for field in TeacherConfig.model_fields if field not in ARCHITECTURES}
    assert {*CHANGES} == shared - TRAINED_ALIKE
    changes: list[dict[str, object]] = [{field: value} for field, value in CHANGES.items()]
    changes += [{name: {setting.name.split(".")[2]: _another(setting)}} for setting in own]

    def gradients(change: dict[str, object]) -> list[object]:
        torch.manual_seed(0)
        config = TeacherConfig.model_validate({**TINY.model_dump(), "name": name, **change})
        network = network_class(name)(N_ITEMS, config).train()
        random = np.random.default_rng(0)
        batch = next(Windows(ring.train, config.max_length + 1, network.start).batches(config.batch_size, random))
        network.backward(batch, torch.arange(N_ITEMS), random)
        return [weight.grad.numpy().tobytes() for weight in network.parameters() if weight.grad is not None]

    idle = [change for change in changes if gradients(change) == gradients({})]
    ignored = [{field: value} for field, value in CHANGES.items() if field in ARCHITECTURES[name].ignores]
    assert idle == ignored, (
        f"settings that change nothing, beside `ignores` of {name}'s line in engine/architectures.py"
    )
    for change in idle:
        (told,) = TeacherConfig.model_validate({"name": name, **change}).warnings()
        (field, value), *_ = change.items()
        assert f"teacher.{field}={value} does nothing to {ARCHITECTURES[name].label}" in told
    assert TeacherConfig.model_validate({"name": name}).warnings() == ()


def test_settings_of_a_teacher_that_is_not_trained_are_said() -> None:
    (told,) = TeacherConfig.model_validate({"caser": {"filters": 3}}).warnings()
    assert "no Caser is trained" in told
    assert TeacherConfig.model_validate({"also": ["caser"], "caser": {"filters": 3}}).warnings() == ()
    (told,) = TeacherConfig.model_validate({"also": ["gsasrec"], "negatives": 9}).warnings()
    assert "teacher.gsasrec.negatives=256 is its own" in told


def test_answers_the_question_that_all_rankers_answer(ranker: CatalogueScorer) -> None:
    assert isinstance(ranker, CatalogueRanker)
    everything, some = ranker.catalogue_scores(HISTORIES), ranker.scores(HISTORIES, CANDIDATES)
    assert everything.shape == (len(HISTORIES), N_ITEMS)
    assert some.shape == CANDIDATES.shape
    assert everything.dtype == some.dtype == np.float32
    assert np.isfinite(everything).all()


@pytest.mark.parametrize("name", ["markov", *ARCHITECTURES, "ensemble"])
def test_learns_that_films_follow_each_other_in_a_ring(name: str, rankers: dict[str, CatalogueScorer]) -> None:
    histories = [walk(begin, length) for begin in range(RING) for length in (2, 4, 6)]
    best = rankers[name].catalogue_scores(histories).argmax(axis=1)
    assert best.tolist() == [(history[-1] + 1) % RING for history in histories], MORE.format(name=name)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_it_learns_is_how_often_an_item_follows(name: TeacherName, tmp_path: Path) -> None:
    """Stage 1 learns from these probabilities: of four users who watched film 0, three go on with 1 and one with 2."""
    split = leave_one_out([np.array([0, 1 if user % 4 else 2, 3, 4]) for user in range(48)], 5)
    config = TeacherConfig.model_validate(TINY.model_dump() | MORE_TRAINING.get(name, {}) | {"dropout": 0.0})
    found = train_teacher(name, split, config, 0, tmp_path / "checkpoint", Monitor(), "teacher")
    share = np.exp(found.catalogue_scores([[0]])[0, 1:3])
    assert share == pytest.approx([0.75, 0.25], abs=0.1), f"logprobs of {name}'s network undoes what its loss does"


def test_what_nobody_watched_comes_last(ranker: CatalogueScorer) -> None:
    scores = ranker.catalogue_scores([np.array([], dtype=np.int64)])[0]
    assert scores.argmin() == UNSEEN
    assert (np.delete(scores, UNSEEN) > scores[UNSEEN]).all()


def test_batch_equals_single(ranker: CatalogueScorer) -> None:
    together = ranker.catalogue_scores(HISTORIES)
    alone = np.concatenate([ranker.catalogue_scores([history]) for history in HISTORIES])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_order_of_users_does_not_matter(ranker: CatalogueScorer) -> None:
    backwards = ranker.scores(HISTORIES[::-1], CANDIDATES[::-1])
    np.testing.assert_allclose(backwards[::-1], ranker.scores(HISTORIES, CANDIDATES), rtol=0, atol=1e-5)


def test_permuted_candidates_permute_the_scores(ranker: CatalogueScorer) -> None:
    order = np.array([3, 1, 5, 0, 4, 2])
    expected = ranker.scores(HISTORIES, CANDIDATES)[:, order]
    np.testing.assert_array_equal(ranker.scores(HISTORIES, CANDIDATES[:, order]), expected)


def test_candidates_score_as_in_the_catalogue(ranker: CatalogueScorer) -> None:
    everything = ranker.catalogue_scores(HISTORIES)
    for user, row in enumerate(ranker.scores(HISTORIES, CANDIDATES)):
        np.testing.assert_array_equal(row, everything[user][CANDIDATES[user]])


def test_many_users_are_scored_in_parts(ranker: CatalogueScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, everything = ranker.scores(HISTORIES, CANDIDATES), ranker.catalogue_scores(HISTORIES)
    for module in (base, teacher_module):
        monkeypatch.setattr(module, "BATCH", 3)
    np.testing.assert_allclose(ranker.scores(HISTORIES, CANDIDATES), whole, rtol=0, atol=1e-5)
    np.testing.assert_allclose(ranker.catalogue_scores(HISTORIES), everything, rtol=0, atol=1e-5)


def test_unknown_titles_in_a_history_are_passed_over(ranker: CatalogueScorer) -> None:
    own = [np.insert(history, len(history) // 2, [N_ITEMS, N_ITEMS + 70]) for history in HISTORIES]
    np.testing.assert_array_equal(ranker.catalogue_scores(own), ranker.catalogue_scores(HISTORIES))
    only = ranker.catalogue_scores([[N_ITEMS + 1, N_ITEMS + 2]])
    np.testing.assert_allclose(only, ranker.catalogue_scores([[]]), rtol=0, atol=1e-6)


def test_every_prefix_scores_as_if_it_were_asked_alone(ranker: CatalogueScorer) -> None:
    """Histories longer than a teacher's memory (6), with titles it does not know, twice the same, as lists too."""
    strange = np.array([N_ITEMS, 3, 4, N_ITEMS + 9, 5, 6, 7, 8, 9, N_ITEMS, 10, 11])
    histories = [*HISTORIES, strange, strange[:4], walk(3, 4), walk(0, 30), list(range(5)), [N_ITEMS], [-1, 2]]
    assert isinstance(ranker, PrefixRanker)
    together = ranker.prefix_scores(histories)
    assert (together.dtype, together.requires_grad) == (torch.float32, False)
    prefixes = [history[:length] for history in histories for length in range(len(history) + 1)]
    assert together.shape == (len(prefixes), N_ITEMS)
    alone = np.concatenate([ranker.catalogue_scores([prefix]) for prefix in prefixes])
    np.testing.assert_allclose(together.numpy(), alone, rtol=0, atol=1e-4)


def test_prefixes_are_read_in_parts_and_without_dropout(teacher: Teacher, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = teacher.prefix_scores(HISTORIES)
    monkeypatch.setattr(teacher_module, "BATCH", 2)
    teacher.network.train()
    try:
        parts = teacher.prefix_scores(HISTORIES)
        assert teacher.network.training
    finally:
        teacher.network.eval()
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5)


def test_no_history_has_no_prefix(ranker: CatalogueScorer) -> None:
    assert ranker.prefix_scores([]).shape == (0, N_ITEMS)
    assert ranker.prefix_scores([[], []]).shape == (2, N_ITEMS)


def test_nobody_to_score_is_no_error(ranker: CatalogueScorer) -> None:
    assert ranker.catalogue_scores([]).shape == (0, N_ITEMS)
