"""The models of one run, ready to rank: what evaluation, recommendations and explanations ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.config import RunConfig
from engine.data import Catalogue, Dataset, Split, split_dataset
from engine.evaluate.evaluator import Kind
from engine.finetune import load_adapter
from engine.llm import Backbone, LLMRanker, Prompts, PromptScorer, Record, SoftPrompt, load_backbone, make_verbalizer
from engine.monitor import Monitor
from engine.plus import Plus, PlusRanker, load_plus
from engine.questions import make_prompts
from engine.ranking import CatalogueRanker, History, Ranker
from engine.run_data import run_dataset
from engine.run_folder import RunFolder
from engine.stages import other_teachers, trained_teachers
from engine.teachers import Ensemble, Teacher, baselines, load_teacher


@dataclass
class Models:
    """Fills up as a run proceeds; :meth:`load` reads a finished run back."""

    config: RunConfig
    dataset: Dataset
    split: Split
    backbone: Backbone
    teachers: dict[str, Teacher] = field(default_factory=dict)
    soft_prompt: SoftPrompt | None = None
    plus: Plus | None = None

    @classmethod
    def load(cls, folder: RunFolder, monitor: Monitor) -> Models:
        """The models of a finished run; they score as they did when it was evaluated.

        Raises:
            StudioError: parts of the run are missing or damaged, its data are others by now, or a newer version wrote
                it.
        """
        config = folder.config()
        dataset = run_dataset(folder, config, monitor)
        backbone = load_backbone(config.llm, monitor, Record.read(folder.llm))
        models = cls(config, dataset, split_dataset(dataset, config.data, config.seed), backbone)
        for name in trained_teachers(config):
            file = folder.teacher(None if name == config.teacher.name else name)
            models.teachers[name] = load_teacher(file, models.split.n_items, config.teacher.device)
        if config.distill.prompt != "none":
            models.soft_prompt = SoftPrompt.load(folder.soft_prompt, models.backbone)
        if config.finetune.enabled:
            load_adapter(models.backbone, folder.adapter)
        if config.plus.enabled:
            models.plus = load_plus(models.new_plus(monitor), folder.plus)
        return models

    def new_plus(self, monitor: Monitor) -> Plus:
        """DELRec-plus without adapters, untrained, around a language model of its own."""
        config = self.config
        soft_prompt = self.soft_prompt if config.plus.soft_prompt else None
        backbone = load_backbone(config.llm, monitor, self.backbone.record)
        return Plus(config, self.dataset.catalogue, self.split, backbone, soft_prompt, self.teacher)

    @property
    def teacher(self) -> Teacher:
        """The teacher whose pattern is distilled and whose list the LLM re-ranks."""
        return self.teachers[self.config.teacher.name]

    @property
    def ensemble(self) -> Ensemble:
        """All teachers of the run as one, every copy of them."""
        return Ensemble(list(self.teachers.values()))

    @property
    def plus_teacher(self) -> Teacher | Ensemble:
        """Whom DELRec-plus learns from and is weighed against."""
        return self.ensemble if self.config.plus.teachers == "all" else self.teacher

    def untitled(self) -> dict[str, CatalogueRanker]:
        """Who ranks without reading a title, beside the teacher: counting baselines, other teachers and copies."""
        rankers: dict[str, CatalogueRanker] = {model.name: model for model in baselines(self.split)}
        return rankers | {name: it for name, it in self.teachers.items() if name != self.config.teacher.name}

    def prompts(self, catalogue: Catalogue | None = None) -> Prompts:
        """The prompts of this run; pass an extended catalogue for titles of one's own."""
        return make_prompts(self.config, catalogue or self.dataset.catalogue)

    def ranker(self, name: str, catalogue: Catalogue | None = None) -> Ranker:
        """The row of the results table called ``name``."""
        if name in self.teachers:
            return self.teachers[name]
        if name == "ensemble":
            return self.ensemble
        if name not in LLM_ROWS:
            return next(model for model in baselines(self.split) if model.name == name)
        catalogue = catalogue or self.dataset.catalogue
        if name == "delrec-plus" and self.plus:
            return PlusRanker(self.plus, self.plus_teacher, self.prompts(catalogue))
        soft_prompt = None if name == "llm-zero-shot" else self.soft_prompt
        scorer = PromptScorer(
            self.backbone,
            make_verbalizer(self.config.llm, self.backbone, catalogue),
            soft_prompt,
            self.config.llm.batch_size,
        )
        ranker = LLMRanker(name, scorer, self.prompts(catalogue), self.config.data.history)
        return ranker if name == "delrec" else WithoutAdapter(ranker)


@dataclass
class WithoutAdapter:
    """An LLM row answered by the base weights, although the fine-tuned adapter is attached to the same model."""

    ranker: LLMRanker

    @property
    def name(self) -> str:
        return self.ranker.name

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        with self.ranker.scorer.backbone.without_adapter():
            return self.ranker.scores(histories, candidates)


LLM_ROWS = ("llm-zero-shot", "llm-distilled", "delrec", "delrec-plus")


def table_rows(config: RunConfig) -> dict[str, Kind]:
    """Rows of the results table in order, with their kinds; rows without the stage behind them are left out."""
    rows: dict[str, Kind] = {"popularity": "baseline", "markov": "baseline", config.teacher.name: "teacher"}
    rows |= dict.fromkeys(other_teachers(config), "teacher")
    if len(trained_teachers(config)) > 1:
        rows["ensemble"] = "teacher"
    possible = {
        "llm-zero-shot": True,
        "llm-distilled": config.distill.prompt != "none",
        "delrec": config.finetune.enabled,
        "delrec-plus": config.plus.enabled,
    }
    return rows | {name: "llm" for name in LLM_ROWS if possible[name] and name in config.eval.llm_rows}


def last_row(config: RunConfig) -> str:
    """The row that answers for the run as a whole: that of its last stage."""
    return "delrec-plus" if config.plus.enabled else method_row(config)


def method_row(config: RunConfig) -> str:
    """The row of the last stage of the paper's method, whose prompts list candidates: what explanations explain."""
    if config.finetune.enabled:
        return "delrec"
    return "llm-zero-shot" if config.distill.prompt == "none" else "llm-distilled"


def other_run_prompt(config: RunConfig, run: RunFolder, backbone: Backbone) -> SoftPrompt:
    """The soft prompt of the run that ``distill.prompt_run`` names: a folder, or the id of a run beside this one."""
    named = Path(str(config.distill.prompt_run))
    other = RunFolder.open(named if named.is_absolute() else run.path.parent / named.name)
    earlier = Record.read(other.llm)
    if earlier is not None and backbone.record is not None:
        earlier.check(backbone.record, backbone.name)
    return SoftPrompt.load(other.soft_prompt, backbone)
