"""The experiment of the falsification tests: a run's models, a fixed sample of test users, and a memory for answers.

What the tests ask is declared first and asked then, so that progress is known, a stopped command goes on where it was,
and a question that two tests share is asked once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine import distributed
from engine.config import RunConfig
from engine.data import Examples, Split, candidate_sets
from engine.distill.tasks import PatternSimulating, TemporalAnalysis
from engine.evaluate.evaluator import CHUNK, sample_users
from engine.evaluate.rows import RowFile, fingerprint
from engine.falsify.controls import Control
from engine.falsify.record import FindingBuilder
from engine.llm import Prompts, SoftPrompt
from engine.metrics.ranks import hit_rate, ndcg, target_columns, target_ranks
from engine.models import Models, WithoutAdapter
from engine.monitor import Monitor
from engine.plus import PlusRanker
from engine.ranking import CatalogueRanker, History, Ranker
from engine.rows import LLM_ROWS
from engine.run_folder import RunFolder
from engine.training_prompts import TrainingBatch
from engine.variants import LLMVariants

FOLDER = "falsification"
"""In the run's folder: prompts that were distilled as controls; while tests are under way, their answers too."""


@dataclass(frozen=True)
class Ask:
    """Scores ``[n, m]`` that are wanted; ``score`` answers a slice of them, ``key`` says what exactly is asked."""

    name: str
    key: str
    shape: tuple[int, int]
    score: Callable[[slice], np.ndarray]


class FalsificationSample:
    """Everything that the tests ask, about the same users.

    Args:
        users: test users, at most as many as there are.
        controls: prompts beside the run's own.
    """

    def __init__(self, models: Models, run: RunFolder, users: int, controls: Sequence[Control], monitor: Monitor):
        self.models, self.run, self.monitor = models, run, monitor
        self.controls = list(controls)
        self.config: RunConfig = models.config
        self.examples: Examples = models.split.test.take(sample_users(len(models.split.test), users, self.config.seed))
        self.candidates = candidate_sets(models.dataset, self.examples, self.config.data, self.config.seed, "test")
        self.columns = target_columns(self.candidates, self.examples.targets)
        self.variants = LLMVariants(models, models.dataset.catalogue)
        self.prompts: dict[str, SoftPrompt | None] = {
            "no prompt": None,
            "random prompt": self.variants.prompts()["random"],
            "distilled prompt": models.soft_prompt,
            **{control.name: control.prompt for control in controls},
        }

    @property
    def lists(self) -> bool:
        """Whether prompts list candidates."""
        return self.config.llm.prompts == "candidates"

    def evidence(self) -> FindingBuilder:
        """An empty record for one test."""
        return FindingBuilder(self.config.eval.bootstrap, self.config.seed)

    def ask(self, test: int, asks: Sequence[Ask]) -> dict[str, np.ndarray]:
        """Ask everything, users in chunks that processes share; float32 ``[n, m]`` by name.

        Raises:
            Cancelled: the monitor asked to stop; what was answered is kept.
        """
        stage, total = f"falsify:{test}", sum(ask.shape[0] for ask in asks)
        found: dict[str, np.ndarray] = {}
        before = 0
        for ask in asks:
            path = self.run.path / FOLDER / f"answers-{re.sub(r'[^a-z0-9]+', '-', ask.name.lower())}.safetensors"
            file = RowFile(path, ask.key, {"scores": (ask.shape, np.float32)})
            while file.done < ask.shape[0]:
                self.monitor.check()
                part = slice(file.done, min(file.done + CHUNK * distributed.world_size(), ask.shape[0]))
                file.arrays["scores"][part] = _shared(ask, part)
                file.done = part.stop
                file.save()
                self.monitor.progress(stage, before + file.done, total)
            before += ask.shape[0]
            self.monitor.progress(stage, before, total)
            found[ask.name] = file.arrays["scores"]
        return found

    def ranked(
        self,
        name: str,
        ranker: Ranker,
        histories: Sequence[History] | None = None,
        candidates: np.ndarray | None = None,
        version: str = "",
    ) -> Ask:
        """The evaluation's question to ``ranker``, or the same about other histories or candidates."""
        asked = self.examples.histories if histories is None else histories
        listed = self.candidates if candidates is None else candidates
        key = fingerprint([name, version, listed, *(np.asarray(history, np.int64) for history in asked)])
        return Ask(name, key, listed.shape, lambda part: ranker.scores(asked[part], listed[part]))

    def questioned(self, name: str, prompt: SoftPrompt, questions: TrainingBatch) -> Ask:
        """One of stage 1's tasks put to the frozen language model with ``prompt``."""
        scorer = self.variants.scorer(prompt, adapter=False)
        texts = [question.text() for question in questions.prompts]
        key = fingerprint([name, self.version(prompt), questions.candidates, *texts])

        def score(part: slice) -> np.ndarray:
            with scorer.backbone.without_adapter():
                return scorer.scores(questions.prompts[part], questions.candidates[part])

        return Ask(name, key, questions.candidates.shape, score)

    def frozen(self, name: str) -> Ask:
        """The evaluation's question to the frozen language model with the prompt called ``name``."""
        prompt = self.prompts[name]
        return self.ranked(name, self.variants.ranker(name, prompt, adapter=False), version=self.version(prompt))

    def rows(self) -> dict[str, Ranker]:
        """The rows of the results table that read titles and learned from the teacher; the last answers for the run."""
        return {
            row.name: self.models.ranker(row.name) for row in LLM_ROWS if row.soft_prompt and row.enabled(self.config)
        }

    def rps(self, *, ranks: bool) -> TrainingBatch:
        """RPS about the whole test histories, which stage 1 never saw, with or without the teacher's ranks."""
        config = self.config.model_copy(
            update={"distill": self.config.distill.model_copy(update={"show_teacher_ranks": ranks})}
        )
        catalogue = self.models.dataset.catalogue
        task = PatternSimulating(
            config, self._held_out(), catalogue, self.examples.users, self.models.prompts(), self.models.teacher
        )
        return task.last()

    def ta(self, *, revealed: bool) -> TrainingBatch:
        """TA about the ends of the test histories, with or without the item that came next."""
        about = self.config, self._held_out(), self.models.dataset.catalogue, self.examples.users
        return TemporalAnalysis(*about, self.models.prompts(), revealed=revealed).last()

    def hits(self, scores: np.ndarray) -> np.ndarray:
        """HR@1 of each user, float64 ``[n]``, for scores of the evaluation's candidates."""
        return hit_rate(target_ranks(scores, self.columns), 1)

    def gains(self, scores: np.ndarray) -> np.ndarray:
        """NDCG@5 of each user, float64 ``[n]``."""
        return ndcg(target_ranks(scores, self.columns), 5)

    def id_only_rankers(self) -> dict[str, CatalogueRanker]:
        """Who ranks without reading a title, beside the teacher: the models', and those whose prompts are compared."""
        compared = (control.teacher for control in self.controls if control.teacher is not None)
        return self.models.id_only_rankers() | {teacher.name: teacher for teacher in compared}

    def scores(self, ranker: Ranker) -> np.ndarray:
        """float32 ``[n, m]``: what a ranker that costs nothing to ask thinks of the evaluation's candidates."""
        return ranker.scores(self.examples.histories, self.candidates)

    def forget_answers(self) -> None:
        """Remove what was kept to go on from; controls stay."""
        for path in (self.run.path / FOLDER).glob("answers-*.safetensors"):
            path.unlink(missing_ok=True)  # another process may have been first

    @staticmethod
    def version(prompt: SoftPrompt | None) -> str:
        """Tells prompts apart by all that their files hold."""
        if prompt is None:
            return ""
        return fingerprint([tensor.detach().cpu().numpy() for tensor in prompt.tensors().values()])

    def _held_out(self) -> Split:
        """The split with whole test histories in the place of training sequences."""
        train = [np.empty(0, np.int64)] * len(self.models.split.train)
        for user, history in zip(self.examples.users, self.examples.histories, strict=True):
            train[user] = history
        return replace(self.models.split, train=tuple(train))


def _shared(ask: Ask, part: slice) -> np.ndarray:
    def own(rows: slice) -> np.ndarray:
        return ask.score(slice(part.start + rows.start, part.start + rows.stop))

    return distributed.map_rows(part.stop - part.start, own)


def with_prompts(ranker: Ranker, prompts: Prompts) -> Ranker:
    """A row that reads titles, asked in other words; one that reads none stays as it is."""
    if isinstance(ranker, PlusRanker):
        parts = {name: with_prompts(part, prompts) for name, part in ranker.parts.items()}
        return PlusRanker(parts, ranker.weights, ranker.n_items)  # type: ignore[arg-type]
    if isinstance(ranker, WithoutAdapter):
        return replace(ranker, ranker=replace(ranker.ranker, prompts=prompts))
    return replace(ranker, prompts=prompts) if hasattr(ranker, "prompts") else ranker  # type: ignore[type-var]
