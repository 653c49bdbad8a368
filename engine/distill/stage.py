"""Stage 1: the soft prompt learns, the LLM stays as it is (paper section IV-B)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine import distributed
from engine.config import RunConfig
from engine.data.dataset import Dataset
from engine.data.split import Split
from engine.distill.tasks import ALPHA, PatternSimulating, TemporalAnalysis
from engine.distill.weights import task_weights
from engine.errors import StudioError
from engine.finetune.examples import NextItem
from engine.labels import label
from engine.llm.backbone import Backbone
from engine.llm.conditioner import Conditioner
from engine.llm.scorer import PromptScorer
from engine.llm.sequence_prompts import SequencePrompts
from engine.llm.soft_prompt import SoftPrompt
from engine.llm.verbalizers import TitleHead, learning, make_verbalizer
from engine.monitor import Monitor
from engine.optim import StageOptimizer
from engine.ranking import PrefixRanker
from engine.seeds import generator
from engine.sequence_tasks import NextTitle, distil_tasks
from engine.sequences import SequenceBatch
from engine.teachers import Teacher
from engine.training import FitArguments, Tensors, fit
from engine.training_prompts import TrainingBatch, TrainingTask, make_prompts

SELECT = "objective"


def distil(
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    teacher: PrefixRanker,
    backbone: Backbone,
    checkpoint: Path,
    monitor: Monitor,
    states_of: Teacher | None = None,
) -> SoftPrompt:
    """Train a soft prompt of ``config.distill.soft_tokens`` vectors and return its best version, frozen.

    With ``distill.prompt=lsr`` it is trained on LSR instead of TA and RPS, with as many steps and prompts.

    Up to ``distill.validation_users`` users (a quarter of all at most) are kept out of the training. Validation asks
    them the stage's own tasks, at the end of their training sequences. The best version has the highest ``objective``:
    minus the mean of the tasks' losses, equally weighted, because the dynamic weights change from step to step.
    With ``distill.conditional`` the prompt depends on the history by the states of ``teacher``, or of ``states_of``.
    The curve ``validation.accuracy.rps`` is the share of these users for whom the LLM names the teacher's first choice.

    Raises:
        Cancelled: the monitor asked to stop; ``checkpoint`` holds what is needed to continue.
        StudioError: data too small for the tasks, prompts longer than the context, or diverged training.
    """
    stage = DistilStage(config, dataset, split, teacher, backbone, states_of)
    plan = FitArguments(
        name="distil",
        steps=config.distill.steps,
        seed=config.seed,
        select=SELECT,
        validate_every=config.distill.validate_every,
        lr=f"distill.lr={config.distill.lr}",
    )
    fit(stage, plan, checkpoint, monitor)
    stage.soft_prompt.requires_grad_(False)
    stage.soft_prompt.head = stage.head.copied() if stage.head else {}
    return stage.soft_prompt


def random_prompt(config: RunConfig, backbone: Backbone) -> SoftPrompt:
    """The soft prompt as training finds it, frozen: ``distill.prompt=random`` stops here."""
    prompt = SoftPrompt.from_vocabulary(backbone, config.distill.soft_tokens, config.seed)
    return prompt.requires_grad_(False)


class DistilStage:
    """A :class:`engine.training.Trainable` that learns the soft prompt, how it depends on the history, and a head."""

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        split: Split,
        teacher: PrefixRanker,
        backbone: Backbone,
        states_of: Teacher | None = None,
    ) -> None:
        self.config = config
        self.soft_prompt = random_prompt(config, backbone)
        network = states_of or teacher
        if config.distill.conditional:
            assert isinstance(network, Teacher)
            self.soft_prompt.conditioner = Conditioner(network, backbone.width).to(backbone.device)
        self.soft_prompt.requires_grad_(True)
        verbalizer = make_verbalizer(config.llm, backbone, dataset.catalogue, split.popularity(), config.seed)
        self.scorer = PromptScorer(backbone, verbalizer, self.soft_prompt, config.llm.batch_size)
        self.head = verbalizer if isinstance(verbalizer, TitleHead) else None
        if config.distill.item_embeddings:
            assert isinstance(network, Teacher)
            assert self.head is not None
            if (embeddings := network.item_embeddings()) is None:
                raise StudioError(
                    f"{label(network.name)} has no embeddings of items",
                    where="distill.item_embeddings",
                    remedy="unset it, or choose another teacher",
                )
            self.head.add_embeddings(embeddings)
        self.trainable = {"soft_prompt": self.soft_prompt.weight} | (self.head.trainable() if self.head else {})
        if self.soft_prompt.conditioner is not None:
            self.trainable["conditioner"] = self.soft_prompt.conditioner.projection
        self.optimizer = StageOptimizer(self.trainable, config.distill)
        trained, held_out = part_users(config, split)
        everywhere = backbone.left_to_right
        self.tasks = make_tasks(config, dataset, split, teacher, trained, everywhere=everywhere)
        asked = make_tasks(config, dataset, split, teacher, held_out, everywhere=everywhere)
        self.held_out = {task.name: task.last() for task in asked}

    def train_step(self, step: int) -> dict[str, float]:
        """One backward pass per task; the gradients, not the losses, are mixed, so that no third pass is needed."""
        values: dict[str, float] = {}
        gradients: dict[str, list[Tensor]] = {}
        for task in self.tasks:
            if len(questions := task.batch(step)):  # windows of one title hide none
                values[f"loss.{task.name}"], gradients[task.name] = self._gradient(questions)
        norms = {name: float(gradient[0].norm()) for name, gradient in gradients.items()}  # the soft prompt's
        weights = task_weights(norms, self.config.distill)
        for place, parameter in enumerate(self.trainable.values()):
            parameter.grad = sum(
                (weights[name] * gradients[name][place] for name in weights), torch.zeros_like(parameter)
            )
        values["lr"] = self.optimizer.step(step)
        self.optimizer.zero_grad()
        return values | {f"weight.{name}": weight for name, weight in weights.items()}

    def _gradient(self, questions: TrainingBatch | SequenceBatch) -> tuple[float, list[Tensor]]:
        total, parameters = 0.0, list(self.trainable.values())
        gradients = [torch.zeros_like(parameter) for parameter in parameters]
        with learning(self.head):
            for part, share in distributed.own_parts(questions, self.config.llm.micro_batch):
                loss = share * part.loss(self.scorer)
                added = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
                for gradient, more in zip(gradients, added, strict=True):
                    gradient += more
                total += float(loss.detach())
        (total,) = distributed.all_reduce(gradients, total)
        return total, gradients

    def validate(self) -> dict[str, float]:
        """Loss and accuracy of each task on users that were kept out of the training, and the objective."""
        values: dict[str, float] = {}
        losses = []
        for name, questions in self.held_out.items():
            values[f"loss.{name}"], values[f"accuracy.{name}"] = questions.measured(
                self.scorer, self.config.llm.micro_batch
            )
            losses.append(values[f"loss.{name}"])
        return values | {SELECT: -float(np.mean(losses))}

    def state(self) -> dict[str, Tensor]:
        return self.optimizer.state()

    def load_state(self, tensors: Tensors) -> None:
        self.optimizer.load_state(tensors)

    def weights(self) -> dict[str, Tensor]:
        return {name: parameter.data for name, parameter in self.trainable.items()}

    def load_weights(self, tensors: Tensors) -> None:
        self.soft_prompt.weight.data.copy_(tensors["soft_prompt"])
        if self.soft_prompt.conditioner is not None:
            self.soft_prompt.conditioner.projection.data.copy_(tensors["conditioner"])
        if self.head:
            self.head.take(tensors)


def part_users(config: RunConfig, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """int64 users to train on and, drawn with the seed, users kept out to validate on.

    Raises:
        StudioError: fewer than two users can be asked at all.
    """
    shortest = ALPHA + 2 if config.distill.ta and config.llm.prompts == "candidates" else 2
    able = [user for user in np.unique(split.validation.users) if len(split.train[user]) >= shortest]
    if len(able) < 2:
        raise StudioError(
            f"stage 1 trains on some users and validates on others; of {len(split.validation)},"
            f" {len(able) or 'none'} has the {shortest} training interactions that this takes",
            where="data",
            remedy="bring more users or longer sequences, or do without: distill.prompt=none"
            + (", or distill.ta=false" if shortest > 2 else ""),
        )
    size = min(config.distill.validation_users, (len(able) + 3) // 4)
    held_out = np.sort(generator(config.seed, "distil", "held out").choice(able, size, replace=False).astype(np.int64))
    return np.setdiff1d(np.arange(len(split.train)), held_out), held_out


def make_tasks(
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    teacher: PrefixRanker,
    users: np.ndarray,
    *,
    everywhere: bool = True,
) -> Sequence[TrainingTask | NextTitle]:
    """The stage's tasks by its settings, asked about ``users``; LSR gets the prompts of all the tasks it stands for.

    ``everywhere``: whether the model answers at every place of a text that it has read.
    """
    settings, catalogue = config.distill, dataset.catalogue
    prompts = make_prompts(config, catalogue)
    if isinstance(prompts, SequencePrompts):
        return distil_tasks(config, split, prompts, teacher, users, everywhere=everywhere)
    if settings.prompt == "lsr":
        batch_size = settings.batch_size * max(1, settings.ta + settings.rps)
        return [NextItem(config, split, catalogue, users, prompts, soft=True, batch_size=batch_size)]
    tasks: list[TrainingTask] = []
    if settings.ta:
        tasks.append(TemporalAnalysis(config, split, catalogue, users, prompts))
    if settings.rps:
        tasks.append(PatternSimulating(config, split, catalogue, users, prompts, teacher))
    return tasks
