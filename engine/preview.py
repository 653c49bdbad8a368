"""What a run will ask, shown before it runs: the three prompts of an example user, with their lengths in tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.config import RunConfig
from engine.data import Dataset, Split, split_dataset
from engine.data.references import resolve_user
from engine.distill.stage import make_tasks
from engine.errors import StudioError
from engine.feasibility import check_data, longest_prompt, soft_tokens
from engine.finetune.stage import make_task
from engine.llm import Prompt, PromptEncoder, Prompts, load_encoder
from engine.llm.unknown_tokens import unread
from engine.sequence_tasks import NextTitle
from engine.sequences import SequenceBatch
from engine.teachers import baselines
from engine.training_prompts import TrainingTask, make_prompts


@dataclass(frozen=True)
class PromptPreview:
    """One prompt as the model will read it."""

    task: str
    """TA, RPS or LSR."""
    prompt: Prompt
    answer: str
    """The right title, behind the end of the prompt."""
    tokens: int | None
    """Length with the soft prompt and the model's own template; None where the tokenizer is not here yet."""
    questions: int = 1
    """What is asked of it: before every title of a list that the model goes on with, and at the end."""


@dataclass(frozen=True)
class Preview:
    """The prompts of one user, and how long prompts can get."""

    user: str
    """Her id in the data set."""
    prompts: tuple[PromptPreview, ...]
    soft_tokens: int
    longest: int | None
    """Tokens of a prompt made of the data set's longest titles."""
    context: int | None
    """Most tokens that the model takes."""
    notes: tuple[str, ...]
    """What the reader must know: a tokenizer that is not here or cannot read the titles, a prompt that does not fit."""


def preview_prompts(config: RunConfig, dataset: Dataset, user: str | None = None) -> Preview:
    """The prompts of ``user`` (by default of the first one with a long enough sequence), cut at her last item.

    TA and LSR prompts are those of the training. RPS asks for the teacher's first choice, and no teacher is trained
    yet: the Markov counts stand in for it.

    Raises:
        StudioError: no such user, a sequence that is too short, or data that the run would refuse.
    """
    split = split_dataset(dataset, config.data, config.seed)
    check_data(config, dataset, split)
    prompts = make_prompts(config, dataset.catalogue)
    encoder, notes = _encoder(config)
    place = None if user is None else _place(dataset, user)
    tasks = _tasks(config, dataset, split, prompts, place, everywhere=encoder is None or not encoder.encoder_decoder)
    longest: int | None = None
    if encoder is not None:
        notes += unread(encoder, prompts.titles)
        try:
            longest = longest_prompt(config, encoder, prompts)
        except StudioError as error:
            notes.append(str(error))
    shown = tuple(_shown(task, prompts, encoder, soft_tokens(config)) for task in tasks)
    context = encoder.context if encoder else None
    about = dataset.user_ids[tasks[0].users[0]]
    return Preview(about, shown, soft_tokens(config), longest, context, tuple(notes))


def _tasks(
    config: RunConfig, dataset: Dataset, split: Split, prompts: Prompts, user: int | None, *, everywhere: bool
) -> list[TrainingTask | NextTitle]:
    """The tasks that the settings switch on, each about the same user: TA, RPS, LSR."""
    distils, soft = config.distill.prompt == "distilled", soft_tokens(config) > 0
    markov = baselines(split)[1]

    def about(users: np.ndarray) -> list[TrainingTask | NextTitle]:
        tasks = make_tasks(config, dataset, split, markov, users, everywhere=everywhere) if distils else []
        return [
            *sorted(tasks, key=lambda task: ("ta", "rps").index(task.name)),
            make_task(config, dataset, split, prompts, users, soft=soft, everywhere=everywhere),
        ]

    if user is None:
        everyone = about(np.arange(dataset.n_users))
        user = next((int(u) for u in everyone[0].users if all(u in task.users for task in everyone)), None)
    if user is None:
        raise StudioError("no user's training sequence is long enough for all prompts", where="data")
    return about(np.array([user]))


def _shown(task: TrainingTask | NextTitle, prompts: Prompts, encoder: PromptEncoder | None, soft: int) -> PromptPreview:
    question = task.last()
    prompt = question.prompts[0]
    questions = 1
    if isinstance(question, SequenceBatch):
        answer, questions = prompts.titles[int(question.labels[0][-1])], len(question.labels[0])
    else:
        answer = prompts.titles[question.candidates[0, question.labels[0]]]
    has_soft = any(segment.kind == "soft" for segment in prompt.segments)
    tokens: int | None = None
    if encoder is not None:
        try:
            tokens = len(encoder.encode(prompt, soft if has_soft else 0))
        except StudioError:  # too long; said once for the longest prompt
            tokens = None
    return PromptPreview(task.name.upper(), prompt, answer, tokens, questions)


def _encoder(config: RunConfig) -> tuple[PromptEncoder | None, list[str]]:
    try:
        return load_encoder(config.llm), []
    except StudioError as error:
        return None, [f"Token counts need the model's tokenizer: {error}"]


def _place(dataset: Dataset, user: str) -> int:
    meant = resolve_user(dataset.user_ids, user)
    if meant is None:
        raise StudioError(
            f"no user {user!r} in {dataset.name}", where="user", remedy=f"take e.g. {dataset.user_ids[0]!r}"
        )
    return dataset.user_ids.index(meant)
