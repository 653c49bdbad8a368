"""Refuses settings that cannot work with the data or the model, before any work is lost."""

from __future__ import annotations

from engine.config import RunConfig
from engine.data import Dataset
from engine.errors import StudioError
from engine.llm import Backbone, PromptEncoder, Prompts
from engine.llm.causal import left_to_right

DEMONSTRATION = 6
"""Items that a TA prompt shows beside its query."""


def check_data(config: RunConfig, dataset: Dataset) -> None:
    """Raises StudioError where more items are asked for than the data set has."""
    items = len(dataset.catalogue)
    for name, wanted in (("data.candidates", config.data.candidates), ("eval.full_top", config.eval.full_top)):
        if wanted > items:
            raise StudioError(
                f"{name}={wanted} is more than the {items} items of {dataset.name}",
                where=name,
                remedy=f"choose at most {items}",
            )


def check_prompts(config: RunConfig, backbone: Backbone, prompts: Prompts) -> None:
    """Raises StudioError if the longest prompt that could come up does not fit, or adapters fit no module.

    How such prompts are read is proved by the way, before any work.
    """
    longest = longest_prompt(config, backbone.encoder, prompts)
    if config.llm.verbalizer == "title-likelihood":  # titles stand behind the prompt
        longest += max(map(len, backbone.encoder.all_tokens([f" {title}" for title in prompts.titles])))
    backbone.prove(longest)
    if config.finetune.enabled:
        backbone.adapter_targets(config.finetune.targets, config.finetune.top_layers)
    if config.plus.enabled:
        left_to_right(backbone).check_layers(config.plus.layers)


def longest_prompt(config: RunConfig, encoder: PromptEncoder, prompts: Prompts) -> int:
    """Tokens of a prompt made of the longest titles: none that comes up is longer.

    Raises:
        StudioError: it does not fit the model's context.
    """
    tokens = encoder.all_tokens([f" {title}" for title in prompts.titles])
    longest = sorted(range(len(tokens)), key=lambda item: -len(tokens[item]))
    history, candidates = longest[: config.data.history + DEMONSTRATION], longest[: config.data.candidates]
    return len(encoder.encode(prompts.lsr(history, candidates, soft=soft_tokens(config) > 0), soft_tokens(config)))


def soft_tokens(config: RunConfig) -> int:
    """Length of the soft prompt; 0 without one."""
    return config.distill.soft_tokens if config.distill.prompt != "none" else 0
