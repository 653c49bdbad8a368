"""Stage 1: the soft prompt learns, the LLM stays as it is (paper section IV-B)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.config import RunConfig
from engine.data.dataset import Dataset
from engine.data.split import Split
from engine.distill.tasks import ALPHA, PatternSimulating, TemporalAnalysis
from engine.distill.weights import task_weights
from engine.errors import StudioError
from engine.finetune.examples import NextItem
from engine.llm.backbone import Backbone
from engine.llm.scorer import PromptScorer
from engine.llm.soft_prompt import SoftPrompt
from engine.llm.verbalizers import make_verbalizer
from engine.monitor import Monitor
from engine.optim import StageOptimizer
from engine.questions import Questions, Task, make_prompts
from engine.ranking import CatalogueRanker
from engine.seeds import generator
from engine.training import Plan, Tensors, fit

SELECT = "objective"


def distil(
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    teacher: CatalogueRanker,
    backbone: Backbone,
    checkpoint: Path,
    monitor: Monitor,
) -> SoftPrompt:
    """Train a soft prompt of ``config.distill.soft_tokens`` vectors and return its best version, frozen.

    With ``distill.prompt=lsr`` it is trained on LSR instead of TA and RPS, with as many steps and prompts.

    Up to ``distill.validation_users`` users (a quarter of all at most) are kept out of the training. Validation asks
    them the stage's own tasks, at the end of their training sequences. The best version has the highest ``objective``:
    minus the mean of the tasks' losses, equally weighted, because the dynamic weights change from step to step.
    The curve ``validation.accuracy.rps`` is the share of these users for whom the LLM names the teacher's first choice.

    Raises:
        Cancelled: the monitor asked to stop; ``checkpoint`` holds what is needed to continue.
        StudioError: data too small for the tasks, prompts longer than the context, or diverged training.
    """
    stage = DistilStage(config, dataset, split, teacher, backbone)
    plan = Plan(
        name="distil",
        steps=config.distill.steps,
        seed=config.seed,
        select=SELECT,
        validate_every=config.distill.validate_every,
        lr=f"distill.lr={config.distill.lr}",
    )
    fit(stage, plan, checkpoint, monitor)
    stage.soft_prompt.requires_grad_(False)
    return stage.soft_prompt


def random_prompt(config: RunConfig, backbone: Backbone) -> SoftPrompt:
    """The soft prompt as training finds it, frozen: ``distill.prompt=random`` stops here."""
    prompt = SoftPrompt.from_vocabulary(backbone, config.distill.soft_tokens, config.seed)
    return prompt.requires_grad_(False)


class DistilStage:
    """A :class:`engine.training.Trainable` whose only trainable tensor is the soft prompt."""

    def __init__(
        self, config: RunConfig, dataset: Dataset, split: Split, teacher: CatalogueRanker, backbone: Backbone
    ) -> None:
        self.config = config
        self.soft_prompt = random_prompt(config, backbone).requires_grad_(True)
        verbalizer = make_verbalizer(config.llm, backbone, dataset.catalogue)
        self.scorer = PromptScorer(backbone, verbalizer, self.soft_prompt, config.llm.batch_size)
        self.optimizer = StageOptimizer({"soft_prompt": self.soft_prompt.weight}, config.distill)
        trained, held_out = part_users(config, split)
        self.tasks = make_tasks(config, dataset, split, teacher, trained)
        self.held_out = {task.name: task.last() for task in make_tasks(config, dataset, split, teacher, held_out)}

    def train_step(self, step: int) -> dict[str, float]:
        """One backward pass per task; the gradients, not the losses, are mixed, so that no third pass is needed."""
        values: dict[str, float] = {}
        gradients: dict[str, Tensor] = {}
        for task in self.tasks:
            values[f"loss.{task.name}"], gradients[task.name] = self._gradient(task.batch(step))
        norms = {name: float(gradient.norm()) for name, gradient in gradients.items()}
        weights = task_weights(norms, self.config.distill)
        self.soft_prompt.weight.grad = sum((weights[name] * gradients[name] for name in weights), torch.zeros(()))
        values["lr"] = self.optimizer.step(step)
        self.optimizer.zero_grad()
        return values | {f"weight.{name}": weight for name, weight in weights.items()}

    def _gradient(self, questions: Questions) -> tuple[float, Tensor]:
        weight = self.soft_prompt.weight
        total, gradient = 0.0, torch.zeros_like(weight)
        for part, share in questions.parts(self.config.llm.micro_batch):
            loss = share * self.scorer.loss(part.prompts, part.candidates, part.aims)
            gradient += torch.autograd.grad(loss, weight)[0]
            total += float(loss.detach())
        return total, gradient

    def validate(self) -> dict[str, float]:
        """Loss and accuracy of each task on users that were kept out of the training, and the objective."""
        values: dict[str, float] = {}
        losses = []
        for name, questions in self.held_out.items():
            scores = torch.from_numpy(self.scorer.scores(questions.prompts, questions.candidates))
            labels = torch.from_numpy(questions.labels)
            losses.append(float(torch.nn.functional.cross_entropy(scores, labels)))
            values[f"loss.{name}"] = losses[-1]
            values[f"accuracy.{name}"] = float((scores.argmax(1) == labels).float().mean())
        return values | {SELECT: -float(np.mean(losses))}

    def state(self) -> dict[str, Tensor]:
        return self.optimizer.state()

    def load_state(self, tensors: Tensors) -> None:
        self.optimizer.load_state(tensors)

    def weights(self) -> dict[str, Tensor]:
        return {"soft_prompt": self.soft_prompt.weight.data}

    def load_weights(self, tensors: Tensors) -> None:
        self.soft_prompt.weight.data.copy_(tensors["soft_prompt"])


def part_users(config: RunConfig, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """int64 users to train on and, drawn with the seed, users kept out to validate on.

    Raises:
        StudioError: fewer than two users can be asked at all.
    """
    shortest = ALPHA + 2 if config.distill.ta else 2
    able = [user for user in np.unique(split.validation.users) if len(split.train[user]) >= shortest]
    if len(able) < 2:
        raise StudioError(
            f"stage 1 trains on some users and validates on others; of {len(split.validation)},"
            f" {len(able) or 'none'} has the {shortest} training interactions that this takes",
            where="data",
            remedy="bring more users or longer sequences, or do without: distill.prompt=none"
            + (", or distill.ta=false" if config.distill.ta else ""),
        )
    size = min(config.distill.validation_users, (len(able) + 3) // 4)
    held_out = np.sort(generator(config.seed, "distil", "held out").choice(able, size, replace=False).astype(np.int64))
    return np.setdiff1d(np.arange(len(split.train)), held_out), held_out


def make_tasks(
    config: RunConfig, dataset: Dataset, split: Split, teacher: CatalogueRanker, users: np.ndarray
) -> Sequence[Task]:
    """The stage's tasks by its settings, asked about ``users``; LSR gets the prompts of all the tasks it stands for."""
    settings, catalogue = config.distill, dataset.catalogue
    prompts = make_prompts(config, catalogue)
    if settings.prompt == "lsr":
        batch_size = settings.batch_size * max(1, settings.ta + settings.rps)
        return [NextItem(config, split, catalogue, users, prompts, soft=True, batch_size=batch_size)]
    tasks: list[Task] = []
    if settings.ta:
        tasks.append(TemporalAnalysis(config, split, catalogue, users, prompts))
    if settings.rps:
        tasks.append(PatternSimulating(config, split, catalogue, users, prompts, teacher))
    return tasks
