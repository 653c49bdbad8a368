"""Verbalizers by name: the ways in which a language model's output becomes scores of candidates."""

from __future__ import annotations

import numpy as np

from engine.config import LLMConfig
from engine.errors import StudioError
from engine.llm.backbone import Backbone
from engine.llm.prompts import TITLE_LENGTH, PromptTitles, prompt_titles
from engine.llm.verbalizers.base import StateVerbalizer, Verbalizer
from engine.llm.verbalizers.title_head import TitleHead, learning
from engine.llm.verbalizers.title_likelihood import TitleLikelihood
from engine.llm.verbalizers.title_tokens import TitleTokens

__all__ = [
    "VERBALIZERS",
    "StateVerbalizer",
    "TitleHead",
    "TitleLikelihood",
    "TitleTokens",
    "Verbalizer",
    "learning",
    "make_verbalizer",
]


VERBALIZERS = (TitleTokens.name, TitleLikelihood.name, TitleHead.name)


def titles_of_vectors(config: LLMConfig, catalogue: PromptTitles) -> tuple[str, ...]:
    """What title vectors are made of, by dense id: read once, so they see the ends that prompts cut off."""
    return prompt_titles(catalogue, config.show_year, max(config.title_length, TITLE_LENGTH))


def make_verbalizer(
    config: LLMConfig, backbone: Backbone, catalogue: PromptTitles, popularity: np.ndarray | None = None, seed: int = 0
) -> Verbalizer:
    """The verbalizer called ``config.verbalizer`` over the catalogue's titles, one's own included.

    Args:
        popularity: int64 ``[items of the data set]``, training interactions, with which a head begins; ``None``: none.
        seed: of a head's first weights.

    Raises:
        StudioError: no such verbalizer.
    """
    if popularity is None:
        popularity = np.zeros(catalogue.n_known, np.int64)
    titles = prompt_titles(catalogue, config.show_year, config.title_length)
    match config.verbalizer:
        case TitleTokens.name:
            return TitleTokens(backbone, titles, len(popularity))
        case TitleLikelihood.name:
            return TitleLikelihood(backbone, titles, len(popularity), config.prior or 0.0)
        case TitleHead.name:
            return TitleHead(backbone, titles_of_vectors(config, catalogue), popularity, seed)
    raise StudioError(
        f"unknown verbalizer {config.verbalizer!r}",
        where="llm.verbalizer",
        remedy=f"choose from {', '.join(VERBALIZERS)}",
    )
