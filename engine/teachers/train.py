"""Trains a neural teacher: windows, validation and steps are the same for all, the loss is the architecture's own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from engine import distributed
from engine.architectures import TeacherName
from engine.config import TeacherConfig
from engine.data import Split
from engine.dropout import drawn_for
from engine.labels import label
from engine.metrics.full import catalogue_ranks
from engine.metrics.ranks import ndcg
from engine.monitor import Monitor
from engine.seeds import derive, generator
from engine.teachers.base import BATCH, CatalogueScorer
from engine.teachers.popularity import Popularity
from engine.teachers.teacher import Teacher, Validated
from engine.teachers.windows import Windows
from engine.training import FitArguments, Tensors, diverged, fit, load_optimizer_state, optimizer_state

T = TypeVar("T", bound=Teacher)
SELECT = "NDCG@10"
DIVERGED = 10
"""Times the loss of guessing, from which on training has lost its way, however finite the numbers are."""


def train_teacher(
    name: TeacherName, split: Split, config: TeacherConfig, seed: int, checkpoint: Path, monitor: Monitor, stage: str
) -> Teacher:
    """A new teacher called ``name``, trained as by :func:`train`; ``config.name`` is not looked at."""
    torch.manual_seed(derive(seed, name, "weights"))
    teacher = Teacher(split.n_items, config.model_copy(update={"name": name}))
    return train(teacher, split, seed, checkpoint, monitor, stage)


def train(teacher: T, split: Split, seed: int, checkpoint: Path, monitor: Monitor, stage: str) -> T:
    """Train ``teacher`` until its validation NDCG@10 on the full catalogue stops rising; the best weights are kept.

    Untrained ones are never kept: a teacher that has learned nothing has nothing to teach. One that validates no better
    than popularity is told to ``monitor``, and :attr:`Teacher.validated` says so ever after.

    Args:
        teacher: untrained; it is moved to where ``teacher.device`` says.
        split: only ``train`` is learned from; ``validation`` decides when to stop.
        seed: determines batches and dropout.
        checkpoint: where training continues from if the file exists; the caller removes it afterwards.
        stage: the name under which progress and curves are reported.

    Raises:
        engine.errors.Cancelled: the monitor asked to stop; calling again continues exactly.
        engine.errors.StudioError: training diverged.
    """
    config = teacher.config
    plan = FitArguments(
        name=stage,
        steps=config.epochs,
        seed=seed,
        select=SELECT,
        validate_every=config.validate_every,
        patience=config.patience,
        unit="epoch",
        lr=f"teacher.lr={config.lr}",
        keep_untrained=False,
    )
    teacher.place(config.device)
    epochs = _Epochs(teacher, split, seed)
    progress = fit(epochs, plan, checkpoint, monitor)
    teacher.validated = Validated(progress.best_value, epochs.popularity)
    if teacher.validated.useless:
        monitor.message(
            f"{label(teacher.name)} is no better than popularity on the validation users: {SELECT}"
            f" {progress.best_value:.3f} against {epochs.popularity:.3f}; train it longer or with another teacher.lr"
            " before it teaches anything"
        )
    return teacher


class _Epochs:
    """A :class:`engine.training.Trainable` whose step is a pass over all training interactions."""

    def __init__(self, teacher: Teacher, split: Split, seed: int) -> None:
        self.teacher, self.config, self.seed = teacher, teacher.config, seed
        self.network = teacher.network
        self.validation = split.validation
        if len(self.validation) > self.config.validation_users:
            drawn = generator(seed, "teacher", "validation").choice(
                len(self.validation), self.config.validation_users, replace=False
            )
            self.validation = self.validation.take(np.sort(drawn))
        self.learned, self.cold = (torch.from_numpy(ids).to(teacher.device) for ids in (split.warm, split.cold))
        self._know_nothing_of_cold()
        self.popularity = self._ndcg(Popularity(split.train, split.n_items))
        self.loss: float | None = None
        self.windows = Windows(split.train, self.config.max_length + 1, self.network.start)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.config.lr, weight_decay=self.config.weight_decay, fused=True
        )

    def train_step(self, step: int) -> dict[str, float]:
        """One epoch; its batches are drawn from (seed, epoch), its learning rate falls linearly over all epochs."""
        self.optimizer.param_groups[0]["lr"] = self.config.lr * (1 - step / self.config.epochs)
        random = generator(self.seed, self.teacher.name, "epoch", step)
        drawing = generator(self.seed, self.teacher.name, "negatives", step)
        self.network.train()
        total, count, device = 0.0, 0.0, self.teacher.device
        for batch in self.windows.batches(self.config.batch_size, random):
            self.optimizer.zero_grad()
            shared = replace(batch.to(device), rows=distributed.own_rows(len(batch.real)))
            with drawn_for(distributed.own_rows(len(batch.real)), len(batch.real)):
                loss, labels = self.network.backward(shared, self.learned, drawing)
            times = (
                distributed.world_size() if len(batch.real) < distributed.world_size() else 1
            )  # too few to be shared: all take all
            loss, labels = self._together(loss / times, labels / times)
            total, count = total + loss, count + labels
            self.optimizer.step()
        self._know_nothing_of_cold()
        self.network.eval()
        self.loss, self.epoch = total / max(count, 1), step + 1
        return {"loss": self.loss}

    def _together(self, loss: float, labels: float) -> tuple[float, float]:
        """The summed loss of all processes and of how many labels; gradients become those of its mean."""
        if distributed.world_size() > 1:
            gradients = [it.grad for it in self.network.parameters() if it.grad is not None]
            for gradient in gradients:
                gradient *= labels
            loss, labels = distributed.all_reduce(gradients, loss, labels)
            for gradient in gradients:
                gradient /= labels
        return loss, labels

    def _know_nothing_of_cold(self) -> None:
        if len(self.cold):
            self.network.reset_cold_items(self.cold, self.learned)

    def validate(self) -> dict[str, float]:
        """NDCG@10 of the validation items among all items that the user has not seen, and popularity's.

        Raises:
            engine.errors.StudioError: the loss is far above that of guessing, or scores are not numbers.
        """
        uniform = self.network.uniform_loss()
        if self.loss is not None and self.loss > DIVERGED * uniform:
            why = f"its loss is {self.loss:.3g}, that of guessing is {uniform:.3g}"
            raise diverged("epoch", self.epoch, why, f"teacher.lr={self.config.lr}")
        return {SELECT: self._ndcg(self.teacher), "popularity": self.popularity}

    def _ndcg(self, ranker: CatalogueScorer) -> float:
        """NaN where scores are not numbers, which no comparison would notice."""

        def gains(own: slice) -> np.ndarray:
            found = []
            for users in np.array_split(np.arange(own.start, own.stop), -(-(own.stop - own.start) // BATCH)):
                part = self.validation.take(users)
                scores = ranker.catalogue_scores(part.histories)
                if np.isnan(scores).any():
                    return np.full(own.stop - own.start, math.nan)
                found.append(ndcg(catalogue_ranks(scores, part.histories, part.targets), 10))
            return np.concatenate(found)

        return float(distributed.map_rows(len(self.validation), gains).mean())

    def state(self) -> dict[str, Tensor]:
        """Weights and AdamW's moments."""
        return self.weights() | optimizer_state(self.optimizer)

    def load_state(self, tensors: Tensors) -> None:
        """Put back what :meth:`state` returned."""
        names = self.weights().keys()
        self.load_weights({name: tensors[name] for name in names})
        load_optimizer_state(self.optimizer, tensors)

    def weights(self) -> dict[str, Tensor]:
        """The network's parameters."""
        return self.network.state_dict()

    def load_weights(self, tensors: Tensors) -> None:
        """Put back what :meth:`weights` returned."""
        self.network.load_state_dict(dict(tensors))
