"""split=cold-items through every stage: who chose which cold item can change nothing that is trained.

Two worlds differ in their cold choices alone. Whatever is learned from one must be what is learned from the other, bit
by bit; a stage that looked at a cold choice anywhere would tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from engine import run_data
from engine.architectures import ARCHITECTURES
from engine.config import RunConfig
from engine.data import Dataset, Split, split_dataset
from engine.data.split import cold_items
from engine.distill.stage import make_tasks
from engine.distill.tasks import PatternSimulating
from engine.errors import StudioError
from engine.evaluate import Report, read_predictions
from engine.finetune.stage import FinetuneStage
from engine.llm.tiny import tiny_causal
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.run_folder import RunFolder
from engine.sequences import SequenceBatch
from engine.settings import load_config
from engine.stage_files import left
from engine.stages import TITLES, stage_names
from engine.teachers import Teacher, baselines, train_teacher
from engine.teachers import network as network_module
from engine.teachers.base import CatalogueScorer
from engine.training_prompts import TrainingBatch
from tests.stage_world import CANDIDATES, FORMS, SWITCHED_ON, letter_titles, make_dataset

ITEMS, USERS = 24, 30
SETTINGS = (
    *("data.split=cold-items", "data.cold_share=0.4", "data.candidates=5", "distill.teacher_top=3"),
    *(
        "data.history=8",
        "distill.steps=2",
        "distill.validation_users=4",
        "finetune.steps=3",
        "finetune.validate_every=3",
    ),
    *("finetune.validation_users=6", "teacher.epochs=2", "teacher.validate_every=1", "llm.window=6"),
)


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_config("smoke", overrides=SETTINGS)


def world(config: RunConfig, *, other: bool) -> tuple[Dataset, Split]:
    """Users with 12 of 24 items; in the ``other`` world tested items are swapped among themselves."""
    random = np.random.default_rng(5)
    dataset = make_dataset([random.permutation(ITEMS)[:12].tolist() for _ in range(USERS)], letter_titles(ITEMS))
    if other:
        tested, _ = cold_items(dataset, config.data, config.seed)
        swapped = np.arange(ITEMS)
        swapped[tested] = np.roll(tested, 1)
        dataset = replace(dataset, sequences=tuple(swapped[items] for items in dataset.sequences))
    return dataset, split_dataset(dataset, config.data, config.seed)


@pytest.fixture(scope="module")
def both(config: RunConfig) -> list[tuple[Dataset, Split]]:
    return [world(config, other=other) for other in (False, True)]


def test_the_worlds_differ_where_it_is_tested_only(both: list[tuple[Dataset, Split]]) -> None:
    (_, one), (_, two) = both
    assert np.array_equal(one.cold, two.cold)
    assert not np.array_equal(one.test.targets, two.test.targets)
    assert all(np.array_equal(a, b) for a, b in zip(one.train, two.train, strict=True))
    assert np.array_equal(one.validation.targets, two.validation.targets)
    assert one.weighing is not None
    assert two.weighing is not None
    assert np.array_equal(one.weighing.targets, two.weighing.targets)


def trained(config: RunConfig, split: Split, name: Any, folder: Path, **settings: Any) -> Teacher:
    own = config.teacher.model_copy(update=settings)
    return train_teacher(name, split, own, 0, folder / "checkpoint", Monitor(), "teacher")


@pytest.mark.parametrize("negatives", [None, 4])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_teachers_know_nothing_of_cold_items(
    name: str, negatives: int | None, config: RunConfig, both: list[tuple[Dataset, Split]], tmp_path: Path
) -> None:
    one, two = (
        trained(config, split, name, tmp_path / str(place), negatives=negatives, weight_decay=0.1)
        for place, (_, split) in enumerate(both)
    )
    for tensor, other in zip(one.network.state_dict().values(), two.network.state_dict().values(), strict=True):
        assert torch.equal(tensor, other)
    split = both[0][1]
    scores = one.catalogue_scores(split.test.histories)
    assert (scores[:, split.cold] == scores[:, split.cold[:1]]).all()  # ties: exactly at chance among themselves
    assert np.isfinite(scores).all()
    assert not one.network.items.weight[split.cold].any()
    untrained = Teacher(split.n_items, one.config)
    assert not torch.equal(one.network.items.weight[split.warm], untrained.network.items.weight[split.warm])


def test_a_cold_item_is_no_label_and_no_negative_of_a_teacher(
    config: RunConfig, both: list[tuple[Dataset, Split]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = both[0][1]
    rows: list[int] = []
    labels: set[int] = set()
    real = network_module.softmax_loss

    def recording(states: torch.Tensor, items: torch.Tensor, bias: torch.Tensor, wanted: torch.Tensor, s: float) -> Any:
        rows.append(len(items))
        labels.update(split.warm[wanted.numpy()].tolist())
        return real(states, items, bias, wanted, s)

    monkeypatch.setattr(network_module, "softmax_loss", recording)
    trained(config, split, "sasrec", tmp_path)
    assert set(rows) == {len(split.warm)}
    assert labels == set(np.concatenate(split.train).tolist())


def test_counting_models_count_none_of_them(both: list[tuple[Dataset, Split]]) -> None:
    for model in baselines(both[0][1]):
        scores = model.catalogue_scores(both[0][1].test.histories)
        assert not scores[:, both[0][1].cold].any()


def asked(config: RunConfig, dataset: Dataset, split: Split, teacher: Any) -> Iterator[tuple[list[str], np.ndarray]]:
    """Texts and possible answers of all training and validation questions of both stages, some steps of each."""
    for prompt in ("distilled", "lsr"):
        settings = config.model_copy(update={"distill": config.distill.model_copy(update={"prompt": prompt})})
        for task in make_tasks(settings, dataset, split, teacher, np.arange(USERS)):
            for questions in (*(task.batch(step) for step in range(6)), task.last()):
                yield _texts(questions), _answers(questions)
    stage = FinetuneStage(config, dataset, split, tiny_causal(0), None, teacher)
    for step in range(6):
        questions = stage.task.batch(step)
        yield _texts(questions), _answers(questions)
    yield ["validation"], stage.examples.targets


def _texts(questions: TrainingBatch | SequenceBatch) -> list[str]:
    return [segment.text for it in questions.prompts for segment in (*it.segments, *it.reply)]


def _answers(questions: TrainingBatch | SequenceBatch) -> np.ndarray:
    """Ids that are right, that are asked to be told from these, or to which a teacher gives a share."""
    if isinstance(questions, TrainingBatch):
        return questions.candidates
    return np.concatenate([*map(np.asarray, questions.labels), questions.learned.numpy()])


class LovesCold(CatalogueScorer):
    """A teacher whose favourites are the cold items, to tempt whoever asks it."""

    name = "sasrec"

    def __init__(self, split: Split) -> None:
        self.n_items = split.n_items
        self.row = np.where(np.isin(np.arange(split.n_items), split.cold), 9.0, 0.0).astype(np.float32)

    def catalogue_scores(self, histories: Any) -> np.ndarray:
        return np.tile(self.row, (len(histories), 1)) + np.arange(len(self.row), dtype=np.float32) / 100


@pytest.mark.parametrize("form", FORMS)
def test_no_question_of_either_stage_names_a_cold_item(form: str, both: list[tuple[Dataset, Split]]) -> None:
    """Neither in its text nor as an answer, right or wrong."""
    config = load_config("smoke", overrides=[*SETTINGS, *FORMS[form], "distill.soft_labels=true"])
    found = [list(asked(config, *it, LovesCold(it[1]))) for it in both]
    split, dataset = both[0][1], both[0][0]
    titles = {f" {dataset.catalogue.titles[item]}" for item in split.cold}
    assert sum(len(texts) for texts, _ in found[0]) > 1000
    for (texts, answers), (other, others) in zip(*found, strict=True):
        assert not titles & set(texts)
        assert texts == other
        assert len(answers)
        assert not np.isin(answers, split.cold).any()
        assert np.array_equal(answers, others)


def test_rps_aims_at_the_best_warm_item(both: list[tuple[Dataset, Split]]) -> None:
    dataset, split = both[0]
    config = load_config("smoke", overrides=[*SETTINGS, *CANDIDATES])
    tasks = make_tasks(config, dataset, split, LovesCold(split), np.arange(USERS))
    (rps,) = (task for task in tasks if isinstance(task, PatternSimulating))
    questions = rps.last()
    labels = np.take_along_axis(questions.candidates, questions.labels[:, None], axis=1)[:, 0]
    for user, label in zip(rps.users, labels, strict=True):
        unseen = np.setdiff1d(split.warm, split.train[user])
        assert label == unseen.max()


def test_rps_aims_at_the_best_warm_item_behind_every_title(
    config: RunConfig, both: list[tuple[Dataset, Split]]
) -> None:
    dataset, split = both[0]
    hard = config.model_copy(update={"distill": config.distill.model_copy(update={"soft_labels": False})})
    (rps,) = (t for t in make_tasks(hard, dataset, split, LovesCold(split), np.arange(USERS)) if t.name == "rps")
    questions = rps.last()
    assert isinstance(questions, SequenceBatch)
    assert questions.windows is not None
    for history, labels in zip(questions.windows.histories(), questions.labels, strict=True):
        assert labels.tolist() == [max(set(split.warm) - set(history[:n])) for n in range(len(history) + 1)]


def content(file: Path) -> Any:
    """All that a file says; the order in which safetensors writes names of what it says about tensors is none of it."""
    if file.suffix != ".safetensors":
        return file.read_bytes()
    with safe_open(file, framework="numpy") as opened:
        return opened.metadata(), {name: opened.get_tensor(name).tobytes() for name in opened.keys()}  # noqa: SIM118


@pytest.mark.parametrize("override", ["distill.prompt=distilled", "distill.prompt=lsr"])
def test_all_that_stages_leave_but_test_results_is_the_same_in_both_worlds(
    override: str, both: list[tuple[Dataset, Split]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config("smoke", overrides=[*SETTINGS, *SWITCHED_ON, "data.candidates=4", override])
    assert {name.partition(":")[0] for name in stage_names(config)} == set(TITLES)
    for place, (dataset, _) in enumerate(both):
        monkeypatch.setattr(run_data, "load_dataset", lambda *_, dataset=dataset: dataset)
        run_pipeline(config, tmp_path / str(place))
    learned = {f"{stage}: {name}": name for stage, names in left(config).items() for name in names if stage != "data"}
    differ = [
        told for told, name in learned.items() if content(tmp_path / "0" / name) != content(tmp_path / "1" / name)
    ]
    assert differ == ["evaluate: predictions.parquet", "evaluate: metrics.json"]


def test_cold_items_are_no_negatives_of_stage_2(
    config: RunConfig, both: list[tuple[Dataset, Split]], tmp_path: Path
) -> None:
    dataset, split = both[0]
    teacher = trained(config, split, "sasrec", tmp_path)
    questions = FinetuneStage(config, dataset, split, tiny_causal(0), None, teacher).task.batch(0)
    assert isinstance(questions, SequenceBatch)
    scores = torch.randn(len(questions), split.n_items, requires_grad=True)
    questions._loss(scores).backward()
    assert scores.grad is not None
    assert not scores.grad[:, split.cold].any()
    assert scores.grad[:, split.warm].abs().sum() > 0


def test_a_run_measures_both_ways_and_says_who_is_at_chance(tmp_path: Path) -> None:
    more = ("data.cold_share=0.5", "data.candidates=8", "distill.teacher_top=4", "eval.users=30")
    config = load_config("smoke", overrides=[*SETTINGS, *more])
    report = Report.model_validate(run_pipeline(config, tmp_path / "run", Monitor()))
    assert report.protocol_details.cold_items == 30
    assert "7 unseen ones drawn uniformly, all cold, and again with 7 warm ones" in report.protocol
    assert "at chance among cold ones (HR@1 0.125)" in report.protocol
    for row in report.models:
        assert set(row.warm_candidates) == set(row.candidates)
        if row.kind != "llm" and row.name != "text":  # which read titles
            assert row.candidates["HR@1"].value == pytest.approx(1 / 8)
            assert row.candidates["HR@5"].value == pytest.approx(5 / 8)
    assert {part.name for part in report.slices if part.by == "rarity" and part.users} == {"0"}
    assert any(it.metric == "warm_candidates.NDCG@5" for it in report.comparisons)
    table = read_predictions(tmp_path / "run" / "predictions.parquet").table
    assert (table["popularity/warm_rank"] >= table["popularity/candidate_rank"]).all()
    models = Models.load(RunFolder.open(tmp_path / "run"), Monitor())
    assert np.isin(np.stack(table["candidates"].to_list()), models.split.cold).all()


def test_too_few_cold_items_are_said_before_anything_is_trained(tmp_path: Path) -> None:
    config = load_config("smoke", overrides=[*SETTINGS, "data.cold_share=0.05", "data.candidates=8"])
    with pytest.raises(StudioError, match="different cold items"):
        run_pipeline(config, tmp_path / "run", Monitor())
    assert not (tmp_path / "run" / "teacher.safetensors").exists()
