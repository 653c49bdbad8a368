"""Refuses settings that cannot work with the data or the model, before any work is lost.

What a later stage would refuse because of the data's size is found here, with the same questions and the same users.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from engine.config import RunConfig
from engine.data import Dataset, Split
from engine.distill.stage import make_tasks, part_users
from engine.distill.tasks import ALPHA
from engine.errors import StudioError
from engine.evaluate import sample_users
from engine.finetune.stage import make_task, validation_places
from engine.labels import plural
from engine.llm import Backbone, Prompt, PromptEncoder, Prompts
from engine.llm.sequence_prompts import SequencePrompts
from engine.rows import likelihood_rows, llm_rows
from engine.teachers import Popularity
from engine.training_prompts import make_prompts
from engine.verbalizers import VERBALIZERS

FEWEST_USERS = 2
"""Test users without whom no interval can be told."""
LONGEST = 256
"""Users with the longest sequences, who are looked at first: if a task can be asked of them, it can be asked."""


def check_data(config: RunConfig, dataset: Dataset, split: Split) -> None:
    """Raises StudioError where the data has too few items, users or interactions for what will be asked."""
    items = len(dataset.catalogue)
    for name, size in (("data.candidates", config.data.candidates), ("eval.full_top", config.eval.full_top)):
        if size > items:
            raise StudioError(
                f"{name}={size} is more than the {plural(items, 'item')} of {dataset.name}",
                where=name,
                remedy=f"choose at most {items}",
            )
    if len(split.test) < FEWEST_USERS:
        raise StudioError(
            f"{len(split.test)} test user is too few: intervals need {FEWEST_USERS} or more",
            where=dataset.source,
            remedy="bring more users, or lower data.min_interactions where it left some out",
        )
    _check_candidates(config, dataset, split)
    _check_tasks(config, dataset, split)


def _check_candidates(config: RunConfig, dataset: Dataset, split: Split) -> None:
    """Everybody who will be asked must have left enough items unseen, of the cold ones too where those are tested."""
    alike = dataset.catalogue.look_alikes
    cold, known = "cold ", "known " if len(split.cold) else ""
    pools = {kind: np.isin(alike, alike[ids]) for kind, ids in ((cold, split.cold), (known, split.warm))}
    different = {kind: len(np.unique(alike[pool])) for kind, pool in pools.items()}

    def room() -> Iterator[tuple[int, int, int, str]]:
        """Most candidates that a user can be asked about, the user, items she has seen, and of which kind."""
        tested = split.test.users[sample_users(len(split.test), config.eval.users, config.seed)]
        asked = [(user, cold) for user in tested.tolist()] if len(split.cold) else []
        if config.finetune.enabled:
            tested = np.union1d(tested, split.validation.users[validation_places(config, len(split.validation))])
        for user, kind in [*asked, *((user, known) for user in tested.tolist())]:
            items = dataset.sequences[user]
            seen = len(np.unique(alike[items[pools[kind][items]]]))
            yield different[kind] - seen + 1, user, seen, kind
        teacher_first = learns_prompt(config) and config.distill.prompt == "distilled" and config.distill.rps
        lists = config.llm.prompts == "candidates"
        if lists and (learns_prompt(config) or config.finetune.enabled):
            for user, sequence in enumerate(split.train):
                seen = len(np.unique(alike[sequence]))
                most = different[known] - seen + (not teacher_first)  # the teacher's first choice is unseen too
                yield most, user, seen, known

    most, user, seen, kind = min(room())
    if most < config.data.candidates:
        also = " and distill.teacher_top" if config.distill.teacher_top > most else ""
        more = ", or raise data.cold_share" if kind == cold else ""
        raise StudioError(
            f"user {dataset.user_ids[user]!r} has chosen {seen} of {different[kind]} different {kind}items, which"
            f" leaves too few for {config.data.candidates} candidates",
            where="data.candidates",
            remedy=f"set data.candidates{also} to at most {most}{more}" if most > 1 else "bring data with more items",
        )


def _check_tasks(config: RunConfig, dataset: Dataset, split: Split) -> None:
    """Every task of both stages must find somebody to ask."""

    def longest_first(users: np.ndarray) -> np.ndarray:
        lengths = np.array([len(split.train[user]) for user in users])
        return users[np.argsort(-lengths, kind="stable")[:LONGEST]]

    everybody = np.arange(len(split.train))
    teacher = Popularity(split.train, split.n_items)
    prompts = make_prompts(config, dataset.catalogue)

    def distils(users: np.ndarray) -> None:
        make_tasks(config, dataset, split, teacher, users)

    def tunes(users: np.ndarray) -> None:
        make_task(config, dataset, split, prompts, users, soft=False)

    asked = [(distils, users) for users in part_users(config, split)] if learns_prompt(config) else []
    asked += [(tunes, everybody)] if config.finetune.enabled else []
    for ask, users in asked:
        try:
            ask(longest_first(users))
        except StudioError:
            ask(users)


def check_prompts(config: RunConfig, backbone: Backbone, prompts: Prompts) -> None:
    """Raises StudioError if the longest prompt that could come up does not fit, or adapters fit no module.

    How such prompts are read is proved by the way, before any work. Where teachers alone are measured, none is read.
    """
    longest = longest_prompt(config, backbone.encoder, prompts)
    if not longest:
        return
    if likelihood_rows(config) or not VERBALIZERS[config.llm.verbalizer].of_states:  # titles stand behind
        behind = max(map(len, backbone.encoder.all_tokens([f" {title}" for title in prompts.titles])))
        if not backbone.encoder_decoder and longest + behind > backbone.context:
            raise StudioError(
                f"a prompt of {longest} tokens with a title of {behind} behind it does not fit {backbone.name}'s"
                f" context of {backbone.context} tokens",
                where="data.history, data.candidates, distill.soft_tokens",
                remedy="lower what the prompt holds, or take llm.verbalizer=title-tokens",
            )
        longest += behind
    backbone.prove(longest)
    if config.finetune.enabled:
        backbone.adapter_targets(config.finetune.targets, config.finetune.top_layers)


def longest_prompt(config: RunConfig, encoder: PromptEncoder, prompts: Prompts) -> int:
    """Tokens of a prompt made of the longest titles: none that comes up is longer. 0 if the run asks none at all.

    Raises:
        StudioError: it does not fit the model's context, or a title makes no tokens.
    """
    tokens = encoder.all_tokens([f" {title}" for title in prompts.titles])
    if empty := [title for title, ids in zip(prompts.titles, tokens, strict=True) if not ids]:
        raise StudioError(
            f"{encoder.name}'s tokenizer makes nothing of {plural(len(empty), 'title')}, e.g. {empty[0]!r}",
            where="llm.name",
            remedy="take a model that knows these letters",
        )
    soft = soft_tokens(config)
    longest = sorted(range(len(tokens)), key=lambda item: -len(tokens[item]))
    return max((len(encoder.encode(prompt, soft)) for prompt in _asked(config, prompts, longest, soft > 0)), default=0)


def _asked(config: RunConfig, prompts: Prompts, items: Sequence[int], soft: bool) -> Iterator[Prompt]:
    """A prompt of every kind that the run asks, as long as it gets, made of the first of ``items``."""
    ranks = any(not row.mixed for row in llm_rows(config))
    if isinstance(prompts, SequencePrompts):
        yield from _asked_as_lists(config, prompts, items, soft, ranks=ranks)
        return
    history, candidates = items[: config.data.history], items[: config.data.candidates]
    if ranks or config.finetune.enabled or learns_prompt(config):
        yield prompts.lsr(history, candidates, soft)
    if ranks:
        yield prompts.lsr(history, items[: config.eval.full_top], soft)
    if config.distill.prompt == "distilled" and config.distill.ta:
        window = items[: max(config.data.history, ALPHA + 2)]
        demonstration, pair = window[: ALPHA - 2], (window[ALPHA - 2], window[ALPHA - 1])
        yield prompts.ta(demonstration, pair, window[ALPHA - 1 : -2], window[-1], candidates)
    if config.distill.prompt == "distilled" and config.distill.rps:
        shown = items[: config.distill.teacher_top - 1] if config.distill.show_teacher_ranks else ()
        yield prompts.rps(history, candidates, shown)


def _asked_as_lists(
    config: RunConfig, prompts: SequencePrompts, items: Sequence[int], soft: bool, *, ranks: bool
) -> Iterator[Prompt]:
    """The same in the sequence form; ``ranks``: whether a row is asked."""
    window, distilled = config.llm.window, config.distill.prompt == "distilled"
    if ranks:
        yield prompts.lsr(items[: config.data.history], (), soft)
    if config.finetune.enabled or config.distill.prompt == "lsr":
        yield prompts.lsr(items[: window - 1], (), soft)
    if distilled and config.distill.rps:
        yield prompts.rps(items[: window - 1], ())
    if distilled and config.distill.ta:
        yield prompts.hidden(items[: window - 2], items[0])


def learns_prompt(config: RunConfig) -> bool:
    """Whether stage 1 trains the soft prompt."""
    return config.distill.prompt in ("distilled", "lsr")


def soft_tokens(config: RunConfig) -> int:
    """Length of the soft prompt; 0 without one."""
    return config.distill.soft_tokens if config.distill.prompt != "none" else 0
