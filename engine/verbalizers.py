"""The verbalizers there are: a new one is a file in ``engine/llm/verbalizers`` and a line here. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple


class VerbalizerEntry(NamedTuple):
    """One way in which a language model's output becomes scores of candidates."""

    verbalizer: str
    """Module and name of its :class:`engine.llm.verbalizers.base.Verbalizer`, which is imported when one is made."""
    help: str
    """What its scores are."""
    of_states: bool
    """Whether it is a :class:`engine.llm.verbalizers.base.StateVerbalizer`, as the sequence form of prompts needs; else
    titles are read behind the prompt."""
    learns: bool = False
    """Whether it is a :class:`engine.llm.verbalizers.title_head.TitleHead`, whose own weights the stages train."""


VERBALIZERS: Mapping[str, VerbalizerEntry] = {
    "title-tokens": VerbalizerEntry(
        "engine.llm.verbalizers.title_tokens:TitleTokens",
        "logits of titles' tokens at the answer slot, one pass for the whole catalogue",
        of_states=True,
    ),
    "title-likelihood": VerbalizerEntry(
        "engine.llm.verbalizers.title_likelihood:TitleLikelihood", "the likelihood of the whole title", of_states=False
    ),
    "title-vectors": VerbalizerEntry(
        "engine.llm.verbalizers.title_head:TitleHead",
        "the answer's state against vectors of the titles, by a head that learns",
        of_states=True,
        learns=True,
    ),
}
"""By the name in the settings."""

if TYPE_CHECKING:
    VerbalizerName = str
else:
    VerbalizerName = Literal[tuple(VERBALIZERS)]
