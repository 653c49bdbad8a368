"""The models of one run, ready to rank: what evaluation, recommendations and explanations ask."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from engine.config import RunConfig
from engine.data import Catalogue, Dataset, Split, split_dataset
from engine.errors import StudioError
from engine.finetune import load_adapter
from engine.llm import (
    Backbone,
    BackboneFingerprint,
    LLMRanker,
    Prompts,
    PromptScorer,
    SoftPrompt,
    load_backbone,
    make_verbalizer,
)
from engine.llm.ranker import SequenceRanker
from engine.llm.title_vectors import title_vectors
from engine.llm.two_step import TitleSimilarity, TwoStepRanker
from engine.llm.verbalizers import TitleHead, TitleLikelihood, Verbalizer, titles_of_vectors
from engine.llm.verbalizers.base import NEUTRAL
from engine.monitor import SILENT, Monitor
from engine.plus import PlusRanker, PlusWeights
from engine.ranking import CatalogueRanker, History, Ranker
from engine.recommend import Recommendation, recommend
from engine.rows import BASELINES, TEXT, checked_row, fitted_rows, last_row, method_row, row_spec
from engine.run_data import run_dataset
from engine.run_folder import RunFolder
from engine.stages import trained_teachers
from engine.teachers import Ensemble, Teacher, TextRecommender, baselines, load_teacher, load_text
from engine.training import Tensors
from engine.training_prompts import llm_ranker, make_prompts
from engine.verbalizers import VERBALIZERS


@dataclass
class Models:
    """Fills up as a run proceeds; :meth:`load` reads a finished run back."""

    config: RunConfig
    dataset: Dataset
    split: Split
    backbone: Backbone
    teachers: dict[str, Teacher] = field(default_factory=dict)
    soft_prompt: SoftPrompt | None = None
    head: Tensors = field(default_factory=dict)
    """What stage 2 taught the verbalizer's head."""
    text: TextRecommender | None = None
    """Where it is a part of DELRec-plus; about the data set's titles."""
    plus: PlusWeights | None = None
    priors: dict[str, float] = field(default_factory=dict)
    """Of the rows that rank by likelihoods, where these are fitted (:mod:`engine.calibration`)."""

    @classmethod
    def load(cls, folder: RunFolder | Path | str, monitor: Monitor = SILENT) -> Models:
        """The models of a finished run; they score as they did when it was evaluated.

        >>> models = engine.Models.load(folder)
        >>> models.ranker("delrec").scores([[0, 1]], np.array([[5, 6, 7]])).shape  # one history, three candidates
        (1, 3)

        Items are dense ids here; ``models.dataset.catalogue`` tells their titles.

        Raises:
            StudioError: parts of the run are missing or damaged, its data are others by now, or a newer version wrote
                it.
        """
        if not isinstance(folder, RunFolder):
            folder = RunFolder.open(folder)
        folder.check_parts()
        folder.check()
        config = folder.config()
        dataset = run_dataset(folder, config, monitor)
        record = BackboneFingerprint.read(folder.llm)
        if record is None and folder.keeps_model_record:
            raise lost("the record of the run's language model", folder.llm)
        backbone = load_backbone(config.llm, monitor, record, config.run.placement)
        models = cls(config, dataset, split_dataset(dataset, config.data, config.seed), backbone)
        for name in trained_teachers(config):
            file = folder.teacher(None if name == config.teacher.name else name)
            models.teachers[name] = load_teacher(file, models.split.n_items, config.teacher.device)
        if config.distill.prompt != "none":
            models.soft_prompt = SoftPrompt.load(folder.soft_prompt, models.backbone, models.split.n_items)
        if config.finetune.enabled:
            load_adapter(models.backbone, folder.adapter)
            models.head = load_head(config, folder)
        models.priors = read_priors(folder.calibration)
        if not models.priors.keys() >= set(fitted_rows(config)):
            raise lost("what the run takes off likelihoods", folder.calibration)
        if config.plus.enabled:
            models.load_text(folder)
            models.plus = PlusWeights.read(folder.plus, models.plus_names)
        return models

    def recommend(self, history: Sequence[str | int], k: int = 10) -> Recommendation:
        """What the teacher and the run's last stage put after ``history``, as :func:`engine.recommend.recommend` says.

        >>> titles = models.dataset.catalogue.titles[:2]
        >>> found = models.recommend([*titles, "id:7", "A title that no catalogue has"], k=3)
        >>> [place.rank for place in found.llm.items], [entry.title for entry in found.unknown]
        ([1, 2, 3], ['A title that no catalogue has'])
        """
        popularity, _ = baselines(self.split)
        return recommend(
            history,
            note=self.dataset.note,
            catalogue=self.dataset.catalogue,
            teacher=self.teacher,
            popularity=popularity,
            llm=partial(self.ranker, last_row(self.config)),
            k=k,
            top=self.config.eval.full_top,
        )

    def prior(self, row: str) -> float:
        """What a row that ranks by likelihoods takes off: so many times those without the history."""
        return self.priors.get(row, 0.0) if self.config.llm.prior is None else self.config.llm.prior

    def verbalizer(self, row: str, catalogue: Catalogue, soft_prompt: SoftPrompt | None) -> Verbalizer:
        """What turns the output of the language model into scores in the row of this name, with ``soft_prompt``."""
        llm = self.config.llm
        if row_spec(row).likelihood(self.config):
            prompts = self.prompts(catalogue)
            without = prompts.lsr([], [], False) if llm.prompts == "sequence" else NEUTRAL
            return TitleLikelihood(self.backbone, prompts.titles, self.split.n_items, self.prior(row), without)
        verbalizer = make_verbalizer(llm, self.backbone, catalogue, self.split.popularity(), self.config.seed)
        if isinstance(verbalizer, TitleHead):
            learned = (row_spec(row).adapter and self.head) or (soft_prompt and soft_prompt.head)
            if learned:
                verbalizer.take(learned)
            verbalizer.requires_grad_(False)
        return verbalizer

    def title_vectors(self, catalogue: Catalogue | None = None) -> Tensor:
        """float32 ``[titles, k]`` of the run's catalogue, or one extended by titles of one's own."""
        titles = titles_of_vectors(self.config.llm, catalogue or self.dataset.catalogue)
        return title_vectors(self.backbone, titles, self.split.n_items)

    def load_text(self, folder: RunFolder) -> None:
        """Read DELRec-plus's text recommender, if the run has one.

        Raises:
            StudioError: missing or damaged.
        """
        if self.config.plus.text:
            vectors, device = self.title_vectors(), self.config.teacher.device
            self.text = load_text(folder.files.checked(folder.text), vectors, device)

    @property
    def plus_names(self) -> list[str]:
        """What DELRec-plus is a sum of, by names of rows."""
        return [self.plus_teacher.name, *([TEXT] if self.config.plus.text else []), method_row(self.config)]

    def plus_parts(self, catalogue: Catalogue | None = None) -> dict[str, CatalogueRanker]:
        """The same themselves; pass an extended catalogue for titles of one's own."""
        parts = {name: self.ranker(name, catalogue) for name in self.plus_names}
        if other := next((part.name for part in parts.values() if not isinstance(part, CatalogueRanker)), None):
            raise TypeError(f"{other} does not rank the whole catalogue")
        return parts  # type: ignore[return-value]

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
        """Against whom DELRec-plus weighs the language model."""
        return self.ensemble if self.config.plus.teachers == "all" else self.teacher

    def id_only_rankers(self) -> dict[str, CatalogueRanker]:
        """Who ranks without reading a title, beside the teacher: counting baselines, other teachers and copies."""
        rankers: dict[str, CatalogueRanker] = {model.name: model for model in baselines(self.split)}
        return rankers | {name: it for name, it in self.teachers.items() if name != self.config.teacher.name}

    def prompts(self, catalogue: Catalogue | None = None) -> Prompts:
        """The prompts of this run; pass an extended catalogue for titles of one's own."""
        return make_prompts(self.config, catalogue or self.dataset.catalogue)

    def ranker(self, name: str, catalogue: Catalogue | None = None) -> Ranker:
        """The row of the results table called ``name``.

        Raises:
            StudioError: the run has no such row.
        """
        name = checked_row(self.config, name, "Models.ranker")
        if name in self.teachers:
            return self.teachers[name]
        if name == "ensemble":
            return self.ensemble
        if name in BASELINES:
            return next(model for model in baselines(self.split) if model.name == name)
        catalogue = catalogue or self.dataset.catalogue
        if name == TEXT:
            assert self.text is not None
            return self.text.about(self.title_vectors(catalogue))
        row = row_spec(name)
        if row.mixed:
            assert self.plus is not None
            return PlusRanker(self.plus_parts(catalogue), self.plus, self.split.n_items)
        soft_prompt = self.soft_prompt if row.soft_prompt else None
        verbalizer = self.verbalizer(name, catalogue, soft_prompt)
        scorer = PromptScorer(self.backbone, verbalizer, soft_prompt, self.config.llm.batch_size)
        prompts = self.prompts(catalogue)
        if isinstance(verbalizer, TitleLikelihood) and self.config.llm.prompts == "sequence":
            history = self.config.data.history
            reader = WithoutAdapter(LLMRanker(name, scorer, prompts, history))
            similarity = TitleSimilarity(self.title_vectors(catalogue), self.split.n_items, history)
            return TwoStepRanker(reader, similarity, self.config.eval.full_top)
        ranker = llm_ranker(name, scorer, prompts, self.config, self.split.n_items)
        return ranker if row.adapter else without_adapter(ranker)


def llm_of(ranker: Ranker) -> LLMRanker | None:
    """The language model behind a row, whatever is around it left out; ``None`` where none answers alone."""
    if isinstance(ranker, TwoStepRanker):
        ranker = ranker.reader
    if isinstance(ranker, WithoutAdapter):
        ranker = ranker.ranker
    return ranker if isinstance(ranker, LLMRanker) else None


def without_adapter(ranker: LLMRanker) -> WithoutAdapter:
    """``ranker`` by the base weights; it scores the catalogue where ``ranker`` does."""
    return CatalogueWithoutAdapter(ranker) if isinstance(ranker, SequenceRanker) else WithoutAdapter(ranker)


@dataclass
class WithoutAdapter:
    """An LLM row answered by the base weights, although the fine-tuned adapter is attached to the same model."""

    ranker: LLMRanker
    reads_titles = True

    @property
    def name(self) -> str:
        return self.ranker.name

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        with self.ranker.scorer.backbone.without_adapter():
            return self.ranker.scores(histories, candidates)


class CatalogueWithoutAdapter(WithoutAdapter):
    """The same for one that scores the whole catalogue."""

    ranker: SequenceRanker

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        with self.ranker.scorer.backbone.without_adapter():
            return self.ranker.catalogue_scores(histories)


def load_head(config: RunConfig, run: RunFolder) -> Tensors:
    """What stage 2 taught the verbalizer's head; nothing for verbalizers without one.

    Raises:
        StudioError: missing or damaged.
    """
    if not VERBALIZERS[config.llm.verbalizer].learns:
        return {}
    try:
        return load_file(run.files.checked(run.head))
    except (OSError, SafetensorError) as error:
        remedy = "restore it, or start the run anew"
        raise StudioError(
            f"no usable head of the language model: {error}", where=str(run.head), remedy=remedy
        ) from None


def lost(what: str, path: Path) -> StudioError:
    """What to raise where a file is gone without which answers would be others."""
    return StudioError(f"{what} is gone", where=str(path), remedy="restore it, or start the run anew")


def read_priors(path: Path) -> dict[str, float]:
    """What :func:`engine.calibration.calibrate` fitted, by row; nothing where no file is.

    Raises:
        StudioError: the file is damaged.
    """
    try:
        return {str(row): float(prior) for row, prior in json.loads(path.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        remedy = "delete it and resume the run"
        raise StudioError(f"the calibration is damaged: {error}", where=str(path), remedy=remedy) from None
