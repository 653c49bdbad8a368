"""Stage 2: AdaLoRA learns to recommend, the soft prompt stays as it is (paper section IV-C)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from engine import distributed
from engine.config import RunConfig
from engine.data.candidates import candidate_sets
from engine.data.dataset import Dataset
from engine.data.split import Split
from engine.finetune.adalora import AdaLora
from engine.finetune.examples import NextItem
from engine.llm.activation_cache import ActivationCache, ActivationFile
from engine.llm.backbone import Backbone
from engine.llm.prompts import Prompts
from engine.llm.scorer import PromptScorer
from engine.llm.sequence_prompts import SequencePrompts
from engine.llm.soft_prompt import SoftPrompt
from engine.llm.verbalizers import TitleHead, learning, make_verbalizer
from engine.metrics.ranks import hit_rate, ndcg, target_columns, target_ranks
from engine.monitor import Monitor
from engine.optim import StageOptimizer
from engine.ranking import PrefixRanker
from engine.seeds import generator
from engine.sequence_tasks import NextTitle
from engine.training import FitArguments, Tensors, fit
from engine.training_prompts import llm_ranker, make_prompts

SELECT = "NDCG@10"


def finetune(
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    backbone: Backbone,
    soft_prompt: SoftPrompt | None,
    teacher: PrefixRanker | None,
    checkpoint: Path,
    monitor: Monitor,
) -> dict[str, Tensor]:
    """Attach an AdaLoRA adapter to ``backbone`` and train it; its best version is left in place.

    Every prompt is asked ``finetune.passes`` times. What is frozen, soft prompt and lower layers, makes the same of it
    each time, which is kept beside ``checkpoint``; that changes nothing but the time.

    Best is the highest NDCG@10 on a sample of validation users, ranked on the protocol's candidates. The untrained
    adapter takes part, and so do steps before the final allocation, whose ranks are above the budget still.

    Args:
        teacher: whose probabilities are learned from, with ``finetune.soft_labels``.

    Returns:
        What the verbalizer's head has learned (:meth:`TitleHead.learned`); empty for those without one.

    Raises:
        Cancelled: the monitor asked to stop; ``checkpoint`` holds what is needed to continue.
        StudioError: settings that do not fit the model or the data, or diverged training.
    """
    stage = FinetuneStage(config, dataset, split, backbone, soft_prompt, teacher, checkpoint.parent)
    plan = FitArguments(
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
        backbone.cache_activations(None)
    ranks = stage.adalora.ranks()
    monitor.metrics("finetune", progress.best_step, {f"rank.{module}": rank for module, rank in ranks.items()})
    monitor.message(
        f"best adapter: step {progress.best_step}, NDCG@10 {progress.best_value:.3f} on validation users,"
        f" mean rank {np.mean(list(ranks.values())):.1f}"
    )
    return stage.head.copied() if stage.head else {}


class FinetuneStage:
    """A :class:`engine.training.Trainable` whose only trainable tensors are the adapter's and a verbalizer's head.

    ``scratch``: the folder of what is kept of frozen layers, see :class:`engine.llm.activation_cache.ActivationFile`.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        split: Split,
        backbone: Backbone,
        soft_prompt: SoftPrompt | None,
        teacher: PrefixRanker | None = None,
        scratch: Path | None = None,
    ) -> None:
        self.settings = config.finetune
        self.seed = config.seed
        self.micro_batch = config.llm.micro_batch
        if soft_prompt is not None:
            soft_prompt.requires_grad_(False)
        verbalizer = make_verbalizer(config.llm, backbone, dataset.catalogue, split.popularity(), config.seed)
        self.head = verbalizer if isinstance(verbalizer, TitleHead) else None
        if self.head and soft_prompt is not None and soft_prompt.head:
            self.head.take(soft_prompt.head)
        self.adalora = AdaLora(backbone, config.finetune, config.seed)
        trainable = self.adalora.parameters | (self.head.trainable() if self.head else {})
        self.optimizer = StageOptimizer(trainable, config.finetune)
        self.scorer = PromptScorer(backbone, verbalizer, soft_prompt, config.llm.batch_size)
        prompts = make_prompts(config, dataset.catalogue)
        everybody, soft = np.arange(len(split.train)), soft_prompt is not None
        everywhere = backbone.left_to_right
        self.task = make_task(
            config, dataset, split, prompts, everybody, soft=soft, everywhere=everywhere, teacher=teacher
        )
        self.ranker = llm_ranker("delrec", self.scorer, prompts, config, split.n_items)
        self.examples = split.validation.take(validation_places(config, len(split.validation)))
        self.candidates = candidate_sets(dataset, self.examples, config.data, config.seed, "validation")
        frozen, again = backbone.layers_below(config.finetune.top_layers), config.finetune.passes > 1
        # validation asks the same every time
        backbone.cache_activations(ActivationCache(frozen, ActivationFile(scratch), learned=again))

    def train_step(self, step: int) -> dict[str, float]:
        total = 0.0
        with self.adalora.dropout(), learning(self.head):
            for part, share in distributed.own_parts(self.task.batch(self.batch_number(step)), self.micro_batch):
                loss = share * part.loss(self.scorer)
                loss.backward()
                total += float(loss.detach())
        (total,) = distributed.all_reduce_gradients(self.optimizer.parameters.values(), total)
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
        scores = distributed.map_rows(
            len(self.examples),
            lambda own: self.ranker.scores(self.examples.histories[own], self.candidates[own]),
        )
        ranks = target_ranks(scores, target_columns(self.candidates, self.examples.targets))
        return {"HR@1": float(hit_rate(ranks, 1).mean()), SELECT: float(ndcg(ranks, 10).mean())}

    def state(self) -> dict[str, Tensor]:
        return self.optimizer.state() | self.adalora.state()

    def load_state(self, tensors: Tensors) -> None:
        self.optimizer.load_state(tensors)
        self.adalora.load_state(tensors)

    def weights(self) -> dict[str, Tensor]:
        return self.adalora.weights() | (self.head.learned() if self.head else {})

    def load_weights(self, tensors: Tensors) -> None:
        self.adalora.load_weights(tensors)
        if self.head:
            self.head.take(tensors)


def make_task(
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    prompts: Prompts,
    users: np.ndarray,
    *,
    soft: bool,
    everywhere: bool = True,
    teacher: PrefixRanker | None = None,
) -> NextItem | NextTitle:
    """The stage's task in the form of the ``prompts``, asked about ``users``.

    Args:
        soft: whether the prompts hold a soft prompt.
        everywhere: whether the model answers at every place of a text that it has read.
        teacher: as of :func:`finetune`.

    Raises:
        StudioError: no user can be asked.
    """
    settings = config.finetune
    if isinstance(prompts, SequencePrompts):
        return NextTitle(
            config,
            split,
            users,
            prompts,
            soft=soft,
            batch_size=settings.batch_size,
            everywhere=everywhere,
            teacher=teacher,
            share=settings.soft_labels,
        )
    return NextItem(
        config,
        split,
        dataset.catalogue,
        users,
        prompts,
        soft=soft,
        batch_size=settings.batch_size,
        history_dropout=settings.history_dropout,
    )


def validation_places(config: RunConfig, available: int) -> np.ndarray:
    """int64: which of the ``available`` validation questions the stage asks, drawn with the seed, ascending."""
    size = min(config.finetune.validation_users, available)
    places: np.ndarray = generator(config.seed, "finetune", "validation").choice(available, size, replace=False)
    return np.sort(places)
