"""Verbalizers by name: the ways in which a language model's output becomes scores of candidates."""

from __future__ import annotations

from collections.abc import Callable

from engine.config import LLMConfig
from engine.errors import StudioError
from engine.llm.backbone import Backbone
from engine.llm.prompts import Titles, prompt_titles
from engine.llm.verbalizers.base import Verbalizer
from engine.llm.verbalizers.title_likelihood import TitleLikelihood
from engine.llm.verbalizers.title_tokens import TitleTokens, title_vectors

__all__ = ["VERBALIZERS", "TitleLikelihood", "TitleTokens", "Verbalizer", "make_verbalizer", "title_vectors"]


Maker = Callable[[LLMConfig, Backbone, tuple[str, ...], int], Verbalizer]

VERBALIZERS: dict[str, Maker] = {
    TitleTokens.name: lambda config, backbone, titles, known: TitleTokens(backbone, titles, known),  # noqa: ARG005
    TitleLikelihood.name: lambda config, backbone, titles, known: TitleLikelihood(  # noqa: ARG005
        backbone, titles, config.normalise
    ),
}


def make_verbalizer(config: LLMConfig, backbone: Backbone, catalogue: Titles) -> Verbalizer:
    """The verbalizer called ``config.verbalizer`` over the catalogue's titles, one's own included.

    Raises:
        StudioError: no such verbalizer.
    """
    maker = VERBALIZERS.get(config.verbalizer)
    if maker is None:
        raise StudioError(
            f"unknown verbalizer {config.verbalizer!r}",
            where="llm.verbalizer",
            remedy=f"choose from {', '.join(VERBALIZERS)}",
        )
    return maker(config, backbone, prompt_titles(catalogue, config.show_year), catalogue.n_known)
