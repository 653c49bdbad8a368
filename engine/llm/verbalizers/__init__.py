"""Verbalizers by name: the ways in which a language model's output becomes scores of candidates."""

from __future__ import annotations

import numpy as np

from engine.config import LLMConfig
from engine.errors import StudioError
from engine.llm.backbone import Backbone
from engine.llm.prompts import PromptTitles
from engine.llm.verbalizers.base import StateVerbalizer, Verbalizer, VerbalizerInputs
from engine.llm.verbalizers.title_head import TitleHead, learning, titles_of_vectors
from engine.llm.verbalizers.title_likelihood import TitleLikelihood
from engine.llm.verbalizers.title_tokens import TitleTokens
from engine.registered import registered
from engine.verbalizers import VERBALIZERS

__all__ = [
    "StateVerbalizer",
    "TitleHead",
    "TitleLikelihood",
    "TitleTokens",
    "Verbalizer",
    "learning",
    "make_verbalizer",
    "titles_of_vectors",
]


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
    if config.verbalizer not in VERBALIZERS:
        raise StudioError(
            f"unknown verbalizer {config.verbalizer!r}",
            where="llm.verbalizer",
            remedy=f"choose from {', '.join(VERBALIZERS)}",
        )
    kind: type[Verbalizer] = registered(VERBALIZERS[config.verbalizer].verbalizer)
    return kind.make(VerbalizerInputs(config, backbone, catalogue, popularity, seed))
