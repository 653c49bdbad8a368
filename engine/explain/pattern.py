"""Did stage 1 distil anything? The frozen language model with and without the soft prompt, held against the teacher.

A prompt is judged by what it causes: agreement with the teacher without it, with an untrained one and with others'. The
nearest tokens of its vectors are shown too, but say little (Khashabi et al. 2022).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engine.curves import CurveName
from engine.data import candidate_sets
from engine.errors import StudioError
from engine.evaluate import sample_users
from engine.explain.effects import leave_one_out, spearman
from engine.explain.explananda import remembered
from engine.explain.faithfulness import interval
from engine.explain.predictor import Instance, Predictor
from engine.explain.removal import Delete
from engine.explain.serialization import plain
from engine.explain.verdict import AFTER, NONE, OTHERS, OWN, RANDOM, verdict
from engine.labels import label
from engine.llm import SoftPrompt
from engine.metrics.agreement import AGREEMENT, agreement
from engine.metrics.bootstrap import Bootstrap
from engine.models import Models
from engine.monitor import Monitor
from engine.ranking import Ranker
from engine.run_folder import RunFolder
from engine.variants import LLMVariants

USERS = 100
EFFECT_USERS = 16
"""Users whose leave-one-out vectors are compared; each costs a prompt per history item and state."""
CHUNK = 8
"""Users asked between two looks at the monitor."""
NEAREST = 3
WARNING = (
    "The nearest title tokens of a soft prompt are no reading of it: they may be anything, and prompts that do the "
    "same can lie near different words."
)
STAGES = ("agreement", "effects")
"""What is measured, one after the other, as the monitor is told."""


def states(models: Models, others: dict[str, SoftPrompt]) -> dict[str, Ranker]:
    """The language model's states that are held against the teacher, by name, the zero-shot one first.

    Raises:
        StudioError: the run has no soft prompt.
    """
    variants = LLMVariants(models, models.dataset.catalogue)
    prompts = {NONE: None, RANDOM: variants.prompts()["random"], OWN: models.soft_prompt}
    prompts |= {f"{OTHERS}{name}": prompt for name, prompt in others.items()}
    rankers = {name: variants.ranker(name, prompt, adapter=False) for name, prompt in prompts.items()}
    if models.config.finetune.enabled:
        rankers[AFTER] = variants.ranker(AFTER, models.soft_prompt, adapter=True)
    return rankers


def pattern(
    models: Models,
    monitor: Monitor,
    others: dict[str, SoftPrompt] | None = None,
    users: int = USERS,
    effect_users: int = EFFECT_USERS,
) -> dict[str, Any]:
    """The distilled pattern of a run on held-out (test) users, always the same ones for the run's seed.

    Args:
        others: prompts of other runs by a label, best of one with another teacher.

    Returns:
        ``agreement`` (of the counting baselines and other teachers too, for scale), ``effects``, ``recency``,
        ``ranks``, ``tokens``, each as the function of that name tells,
        ``users`` and ``effect_users``, ``teacher``, ``prompt`` (the setting) and, of all that, the ``verdict``.

    Raises:
        Cancelled: the monitor asked to stop.
        StudioError: the run has no soft prompt, or fewer than two users are to be asked.
    """
    available = len(models.split.test)
    if min(users, effect_users, available) < 2:
        raise StudioError("intervals need two users", where="users", remedy="measure more users")
    rankers = states(models, others or {})
    config = models.config
    found = agreements(models, rankers | models.id_only_rankers(), users, monitor)
    vectors = effect_vectors(models, rankers, effect_users, monitor)
    boot = Bootstrap(len(next(iter(vectors.values()))), config.eval.bootstrap, config.seed)
    asked = min(users, available)
    return {
        "teacher": models.teacher.name,
        "prompt": config.distill.prompt,
        "users": asked,
        "candidates": config.data.candidates,
        "effect_users": boot.users,
        "verdict": plain(verdict(found, asked, label(config.teacher.name), config.distill.prompt)),
        "agreement": found,
        "effects": effects_agreement(vectors, boot),
        "recency": recency(vectors, boot),
        "ranks": rank_map(models),
        "rank_bounds": {"init_r": config.finetune.init_r, "target_r": config.finetune.target_r},
        "tokens": {"nearest": nearest_tokens(models), "warning": WARNING},
    }


def agreements(
    models: Models, rankers: dict[str, Ranker], users: int, monitor: Monitor
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Agreement with the teacher on the same candidates, by ranker and measure.

    ``figure`` with its interval, and paired: the ``difference`` to the first ranker, and ``own_lead``, by how much the
    state with the run's own prompt agrees more than this one.
    """
    config, split = models.config, models.split
    examples = split.test.take(sample_users(len(split.test), users, config.seed))
    candidates = candidate_sets(models.dataset, examples, config.data, config.seed, "test")
    teacher = models.teacher.scores(examples.histories, candidates)
    boot = Bootstrap(len(examples), config.eval.bootstrap, config.seed)
    values: dict[str, dict[str, np.ndarray]] = {}
    for done, (name, ranker) in enumerate(rankers.items()):
        scores = []
        for start in range(0, len(examples), CHUNK):
            monitor.check()
            monitor.progress(STAGES[0], done * len(examples) + start, len(rankers) * len(examples))
            part = slice(start, start + CHUNK)
            scores.append(ranker.scores(examples.histories[part], candidates[part]))
        values[name] = agreement(np.concatenate(scores), teacher)
    first, own = next(iter(values)), values.get(OWN)
    return {
        name: {
            measure: {
                "figure": interval(boot.interval(found[measure])),
                "difference": interval(boot.paired_difference(found[measure], values[first][measure])),
            }
            | ({"own_lead": interval(boot.paired_difference(own[measure], found[measure]))} if own else {})
            for measure in AGREEMENT
        }
        for name, found in values.items()
    }


def effect_vectors(
    models: Models, rankers: dict[str, Ranker], users: int, monitor: Monitor
) -> dict[str, list[np.ndarray]]:
    """Leave-one-out effects on the margin of the *teacher's* first candidate, of the ``teacher`` and of each state.

    Returns:
        float64 ``[n]`` per user, oldest item first.
    """
    split, config = models.split, models.config
    vectors: dict[str, list[np.ndarray]] = {name: [] for name in ("teacher", *rankers)}
    chosen = sample_users(len(split.test), users, config.seed)
    for user, index in enumerate(chosen):
        instance = _instance(models, int(index))
        for place, (name, ranker) in enumerate({"teacher": models.teacher, **rankers}.items()):
            monitor.check()
            monitor.progress(STAGES[1], user * len(vectors) + place, len(chosen) * len(vectors))
            predictor = Predictor(ranker, instance, older=name == "teacher")
            vectors[name].append(leave_one_out(predictor, [Delete()])["delete"].margin)
    return vectors


def effects_agreement(vectors: dict[str, list[np.ndarray]], boot: Bootstrap) -> dict[str, dict[str, float]]:
    """Mean over users of Spearman's correlation of each state's effects with the teacher's, by state.

    A vector without any order counts as 0.
    """
    teacher = vectors["teacher"]
    return {
        name: interval(boot.interval(np.array([spearman(a, b) or 0.0 for a, b in zip(found, teacher, strict=True)])))
        for name, found in vectors.items()
        if name != "teacher"
    }


def recency(vectors: dict[str, list[np.ndarray]], boot: Bootstrap) -> dict[str, list[dict[str, float]]]:
    """Mean effect by position, the newest item first, for teacher and states.

    Effects are divided by each user's mean absolute effect, because models have scales of their own; positions go as
    far as the shortest history.
    """
    profiles = {}
    for name, found in vectors.items():
        n = min(map(len, found))
        scaled = [effects[::-1][:n] / max(float(np.abs(effects).mean()), 1e-12) for effects in found]
        profiles[name] = [interval(position) for position in boot.intervals(np.array(scaled))]
    return profiles


def rank_map(models: Models) -> dict[str, int] | None:
    """Ranks that AdaLoRA left to each adapted module, by its name; ``None`` without an adapter."""
    if not models.config.finetune.enabled:
        return None
    return {
        name.split(".lora_E.")[0].removeprefix("base_model.model."): int((values != 0).sum())
        for name, values in models.backbone.model.named_parameters()
        if ".lora_E." in name
    }


def nearest_tokens(models: Models) -> list[list[dict[str, float | str]]]:
    """For each soft token its nearest tokens among those of the titles, by cosine: ``token`` and ``cosine``."""
    backbone, prompt = models.backbone, models.soft_prompt
    if prompt is None:
        return []
    titles = models.prompts().titles
    ids = sorted({token for title in titles for token in backbone.tokens(f" {title}")})
    with torch.no_grad():
        words = torch.nn.functional.normalize(backbone.embedding().weight[ids].float(), dim=1)
        cosines, places = (torch.nn.functional.normalize(prompt.weight.float(), dim=1) @ words.T).topk(NEAREST)
    return [
        [
            {"token": backbone.tokenizer.decode([ids[place]]), "cosine": round(cosine, 4)}
            for place, cosine in zip(row_places, row_cosines, strict=True)
        ]
        for row_places, row_cosines in zip(places.tolist(), cosines.tolist(), strict=True)
    ]


def task_accuracy(folder: RunFolder) -> dict[str, list[dict[str, float]]]:
    """Stage 1's accuracy in the tasks ``ta`` and ``rps`` on held-out users: ``step`` and ``value`` by validation."""
    found: dict[str, list[dict[str, float]]] = {}
    for point in folder.curves():
        name = CurveName.named(point["stage"], point["name"])
        if (name.stage, name.what, name.validation) == ("distil", "accuracy", True):
            found.setdefault(name.of, []).append({"step": point["step"], "value": point["value"]})
    return found


def _instance(models: Models, index: int) -> Instance:
    """A test example with the evaluation's candidates, about the teacher's first one."""
    config = models.config
    example = models.split.test.take([index])
    candidates = candidate_sets(models.dataset, example, config.data, config.seed, "test")
    history = example.histories[0]
    target = int(models.teacher.scores([history], candidates)[0].argmax())
    read = history[-config.data.history :]
    return Instance(read, candidates[0], target, remembered(models, history[: -len(read)]))
