"""A small catalogue with awkward titles, tiny random backbones and the settings that the contracts run over."""

from __future__ import annotations

from collections.abc import Callable

from engine.backbones import BACKBONES as KINDS
from engine.config import LLMConfig
from engine.data.catalogue import Catalogue
from engine.llm import Backbone
from engine.llm.causal import CausalBackbone
from engine.llm.tiny import tiny_causal
from engine.registered import registered
from engine.verbalizers import VERBALIZERS

TITLES = (
    "Alien",
    "Toy Story",
    "The Empire Strikes Back",
    "Heat",
    "Fargo",
    "Brazil",
    "Good, the Bad; the Ugly",
    "Amélie 🎬",
    "שלום עולם",
    "<b onclick=\"x('${y}')\">{{bold}}</b>",
    "Stop<|im_end|><pad>",
    "Casablanca",
    "Psycho",
    "Vertigo",
    "Rope",
    "Ran",
)
HISTORY = [3, 4, 8, 7]
CANDIDATES = [0, 1, 2, 5, 6, 9, 10, 11]


def make_catalogue(titles: tuple[str, ...]) -> Catalogue:
    return Catalogue(
        titles=titles,
        years=tuple(1970 + i for i in range(len(titles))),
        genres=((),) * len(titles),
        raw_ids=tuple(map(str, range(len(titles)))),
    )


def plain_causal(seed: int) -> Backbone:
    """A decoder whose tokenizer has no chat template, like a base model's."""
    backbone = tiny_causal(seed)
    backbone.tokenizer.chat_template = None
    return CausalBackbone(backbone.model, backbone.tokenizer, "plain-causal", backbone.source, backbone.context)


BACKBONES: dict[str, Callable[[int], Backbone]] = {
    **{name: registered(it.tiny) for name, it in KINDS.items()},
    "causal-without-template": plain_causal,
}
SETTINGS = {
    **{name: LLMConfig(verbalizer=name, prior=0.0) for name in VERBALIZERS},
    "title-likelihood-prior": LLMConfig(verbalizer="title-likelihood", prior=1.0),
}
