"""Stage 2: AdaLoRA learns to recommend, the soft prompt stays as it is (paper section IV-C)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from engine.config import RunConfig
from engine.data.candidates import candidate_sets
from engine.data.dataset import Dataset
from engine.data.split import Split
from engine.finetune.adalora import AdaLora
from engine.finetune.examples import NextItem
from engine.llm.backbone import Backbone
from engine.llm.ranker import LLMRanker
from engine.llm.scorer import PromptScorer
from engine.llm.soft_prompt import SoftPrompt
from engine.llm.verbalizers import make_verbalizer
from engine.metrics.ranks import hit_rate, ndcg, target_columns, target_ranks
from engine.monitor import Monitor
from engine.optim import StageOptimizer
from engine.questions import make_prompts
from engine.seeds import generator
from engine.training import Plan, Tensors, fit

SELECT = "NDCG@10"


def finetune(
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    backbone: Backbone,
    soft_prompt: SoftPrompt | None,
    checkpoint: Path,
    monitor: Monitor,
) -> None:
    """Attach an AdaLoRA adapter to ``backbone`` and train it; its best version is left in place.

    Every prompt is asked ``finetune.passes`` times. What is frozen, soft prompt and lower layers, makes the same of it
    each time, which a backbone may remember; that changes nothing but the time.

    Best is the highest NDCG@10 on a sample of validation users, ranked on the protocol's candidates. The untrained
    adapter takes part, and so do steps before the final allocation, whose ranks are above the budget still.

    Raises:
        Cancelled: the monitor asked to stop; ``checkpoint`` holds what is needed to continue.
        StudioError: settings that do not fit the model or the data, or diverged training.
    """
    stage = FinetuneStage(config, dataset, split, backbone, soft_prompt)
    plan = Plan(
        name="finetune",
        steps=config.finetune.steps,
        seed=config.seed,
        select=SELECT,
        validate_every=config.finetune.validate_every,
        lr=f"finetune.lr={config.finetune.lr}",
    )
    try:
        progress = fit(stage, plan, checkpoint, monitor)
    finally:
        backbone.remember(0)
    ranks = stage.adalora.ranks()
    monitor.metrics("finetune", progress.best_step, {f"rank.{module}": rank for module, rank in ranks.items()})
    monitor.message(
        f"best adapter: step {progress.best_step}, NDCG@10 {progress.best_value:.3f} on validation users,"
        f" mean rank {np.mean(list(ranks.values())):.1f}"
    )


class FinetuneStage:
    """A :class:`engine.training.Trainable` whose only trainable tensors are the adapter's."""

    def __init__(
        self, config: RunConfig, dataset: Dataset, split: Split, backbone: Backbone, soft_prompt: SoftPrompt | None
    ) -> None:
        self.settings = config.finetune
        self.seed = config.seed
        self.micro_batch = config.llm.micro_batch
        if soft_prompt is not None:
            soft_prompt.requires_grad_(False)
        verbalizer = make_verbalizer(config.llm, backbone, dataset.catalogue)
        self.adalora = AdaLora(backbone, config.finetune, config.seed)
        self.optimizer = StageOptimizer(self.adalora.parameters, config.finetune)
        self.scorer = PromptScorer(backbone, verbalizer, soft_prompt, config.llm.batch_size)
        prompts = make_prompts(config, dataset.catalogue)
        self.task = NextItem(
            config,
            split,
            dataset.catalogue,
            np.arange(len(split.train)),
            prompts,
            soft=soft_prompt is not None,
            batch_size=config.finetune.batch_size,
            history_dropout=config.finetune.history_dropout,
        )
        self.ranker = LLMRanker("delrec", self.scorer, prompts, config.data.history)
        self.examples = split.validation.take(validation_places(config, len(split.validation)))
        self.candidates = candidate_sets(dataset, self.examples, config.data, config.seed, "validation")
        adapted = config.finetune.top_layers or backbone.layer_count
        backbone.remember(backbone.layer_count - adapted if config.finetune.passes > 1 else 0)

    def train_step(self, step: int) -> dict[str, float]:
        total = 0.0
        with self.adalora.dropout():
            for part, share in self.task.batch(self.batch_number(step)).parts(self.micro_batch):
                loss = share * self.scorer.loss(part.prompts, part.candidates, part.aims)
                loss.backward()
                total += float(loss.detach())
        orthogonality = self.adalora.orthogonality()
        (self.settings.orthogonality * orthogonality).backward()
        rate = self.optimizer.step(step)
        allowed = self.adalora.allocate(step, self.optimizer)
        self.optimizer.zero_grad()
        return {
            "loss.lsr": total,
            "loss.orthogonality": float(orthogonality.detach()),
            "lr": rate,
            "rank.mean": allowed,
        }

    def batch_number(self, step: int) -> int:
        """Which batch is asked at ``step``: all in turn, then all again in other orders."""
        distinct = -(-self.settings.steps // self.settings.passes)
        again, place = divmod(step, distinct)
        if not again:
            return place
        return int(generator(self.seed, "finetune", "pass", again).permutation(distinct)[place])

    def validate(self) -> dict[str, float]:
        """HR@1 and NDCG@10 on the sampled validation users, with the protocol's candidates."""
        scores = self.ranker.scores(self.examples.histories, self.candidates)
        ranks = target_ranks(scores, target_columns(self.candidates, self.examples.targets))
        return {"HR@1": float(hit_rate(ranks, 1).mean()), SELECT: float(ndcg(ranks, 10).mean())}

    def state(self) -> dict[str, Tensor]:
        return self.optimizer.state() | self.adalora.state()

    def load_state(self, tensors: Tensors) -> None:
        self.optimizer.load_state(tensors)
        self.adalora.load_state(tensors)

    def weights(self) -> dict[str, Tensor]:
        return self.adalora.weights()

    def load_weights(self, tensors: Tensors) -> None:
        self.adalora.load_weights(tensors)


def validation_places(config: RunConfig, available: int) -> np.ndarray:
    """int64: which of the ``available`` validation questions the stage asks, drawn with the seed, ascending."""
    size = min(config.finetune.validation_users, available)
    places: np.ndarray = generator(config.seed, "finetune", "validation").choice(available, size, replace=False)
    return np.sort(places)
