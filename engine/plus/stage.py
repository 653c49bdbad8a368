"""Training of DELRec-plus: every interaction of every training sequence is a label once in each pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine.config import RunConfig
from engine.data import Split
from engine.metrics.full import catalogue_ranks
from engine.metrics.ranks import hit_rate, ndcg
from engine.monitor import Monitor
from engine.optim import StageOptimizer
from engine.plus.mix import weigh
from engine.plus.model import Plus
from engine.plus.ranker import PlusRanker
from engine.plus.reading import READINGS
from engine.ranking import History
from engine.seeds import generator
from engine.teachers import Ensemble, Teacher
from engine.teachers.base import BATCH
from engine.teachers.windows import Batch, Windows
from engine.training import Plan, Tensors, fit

STAGE = "plus"
SELECT = "NDCG@10"


def train_plus(
    config: RunConfig, plus: Plus, split: Split, teacher: Teacher | Ensemble, checkpoint: Path, monitor: Monitor
) -> None:
    """Train adapters and head; the best version by validation NDCG@10 is left in place, weighed against the teacher.

    Args:
        teacher: whose probabilities it learns from and is weighed against.

    Raises:
        Cancelled: the monitor asked to stop; ``checkpoint`` holds what is needed to continue.
        StudioError: diverged training.
    """
    plan = Plan(
        name=STAGE,
        steps=config.plus.steps,
        seed=config.seed,
        select=SELECT,
        validate_every=config.plus.validate_every,
        lr=f"plus.lr={config.plus.lr}",
    )
    plus.attach_adapter()
    progress = fit(PlusStage(config, plus, split, teacher), plan, checkpoint, monitor)
    plus.head.know_nothing_of(torch.from_numpy(split.cold))
    if config.plus.prior:
        available = split.weighing or split.validation
        examples = available.take(sample(config, len(available), config.plus.weighed_users, "weighed"))
        ranker = PlusRanker(plus, teacher, plus.prompts)
        opinions = teacher.catalogue_scores(examples.histories), ranker.llm_scores(examples.histories)
        plus.weights = weigh(*opinions, examples.histories, examples.targets)
    of_teacher, of_llm = plus.weights.tolist()
    monitor.message(
        f"best DELRec-plus: step {progress.best_step}, NDCG@10 {progress.best_value:.3f} by itself on validation users;"
        f" weights: teacher {of_teacher:.2f}, language model {of_llm:.2f}"
    )


def sample(config: RunConfig, available: int, wanted: int, purpose: str) -> np.ndarray:
    """int64: sorted places of at most ``wanted`` validation users, drawn with the seed."""
    random = generator(config.seed, STAGE, purpose)
    return np.sort(random.choice(available, min(wanted, available), replace=False))


class PlusStage:
    """A :class:`engine.training.Trainable`: adapters, head and behaviour tokens learn, all else is frozen."""

    def __init__(self, config: RunConfig, plus: Plus, split: Split, teacher: Teacher | Ensemble) -> None:
        self.config, self.plus, self.teacher = config, plus, teacher
        self.windows = Windows(split.train, config.plus.window + 1, start=split.n_items)  # as for all teachers
        self.passes: list[list[Batch]] = []
        self.optimizer = StageOptimizer(plus.trainable(), config.plus)
        self.ranker = PlusRanker(plus, teacher, plus.prompts)
        chosen = sample(config, len(split.validation), config.plus.validation_users, "validation")
        self.examples = split.validation.take(chosen)
        self.learned = torch.from_numpy(split.warm).to(plus.head.bias.device)
        self.cold = split.cold

    def train_step(self, step: int) -> dict[str, float]:
        batch, total = self._batch(step), 0.0
        labels = int(batch.real.sum())
        settings = self.config.plus
        for rows in torch.arange(len(batch.real)).split(self.config.llm.micro_batch * READINGS[settings.reading].share):
            inputs, real = batch.inputs[rows], batch.real[rows]
            histories = [window[1:][held[1:]].numpy() for window, held in zip(inputs, real, strict=True)]
            scores = self.plus.head(self.plus.states(histories, dropout=settings.dropout))
            loss = self._loss(scores, batch.labels[rows][real], histories) / labels
            loss.backward()
            total += float(loss.detach())
        rate = self.optimizer.step(step)
        self.optimizer.zero_grad()
        return {"loss": total, "lr": rate}

    def _loss(self, scores: Tensor, labels: Tensor, histories: Sequence[History]) -> Tensor:
        """Summed cross-entropy of ``scores [N, items]`` against the labels and the teacher's probabilities.

        Cold items take no part: as everybody's negatives they would be learned after all.
        """
        share, labels = self.config.plus.soft_labels, labels.to(scores.device)
        if len(self.cold):
            scores, labels = scores[:, self.learned], torch.searchsorted(self.learned, labels)
        loss = (1 - share) * cross_entropy(scores, labels, reduction="sum")
        if share:
            opinions = self.teacher.prefix_scores(histories).to(scores.device)
            if len(self.cold):
                opinions = opinions[:, self.learned].log_softmax(1)
            loss = loss + share * cross_entropy(scores, opinions.exp(), reduction="sum")
        return loss

    def validate(self) -> dict[str, float]:
        """HR@1 and NDCG@10 of the language model by itself, among all items that the user has not seen."""
        first, gains = [], []
        for begin in range(0, len(self.examples), BATCH):
            part = self.examples.take(range(begin, min(begin + BATCH, len(self.examples))))
            scores = self.ranker.llm_scores(part.histories)
            scores[:, self.cold] = -np.inf
            ranks = catalogue_ranks(scores, part.histories, part.targets)
            first.append(hit_rate(ranks, 1))
            gains.append(ndcg(ranks, 10))
        return {"HR@1": float(np.concatenate(first).mean()), SELECT: float(np.concatenate(gains).mean())}

    def state(self) -> dict[str, Tensor]:
        return self.optimizer.state()

    def load_state(self, tensors: Tensors) -> None:
        self.optimizer.load_state(tensors)

    def weights(self) -> dict[str, Tensor]:
        return {name: parameter.data for name, parameter in self.plus.trainable().items()}

    def load_weights(self, tensors: Tensors) -> None:
        for name, weight in self.weights().items():
            weight.copy_(tensors[name])

    def _batch(self, step: int) -> Batch:
        """Batch number ``step`` of all passes in a row; a pass is cut and shuffled by its number alone."""
        number = 0
        while True:
            if number == len(self.passes):
                random = generator(self.config.seed, STAGE, "pass", number)
                self.passes.append(list(self.windows.batches(self.config.plus.batch_size, random)))
            if step < len(self.passes[number]):
                return self.passes[number][step]
            step -= len(self.passes[number])
            number += 1
