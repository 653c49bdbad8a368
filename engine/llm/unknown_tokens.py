"""Whether a tokenizer can read the titles: what it does not know, the language model never sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from engine.labels import plural
from engine.llm.encoder import PromptEncoder


def unread(encoder: PromptEncoder, titles: Sequence[str]) -> list[str]:
    """What people must know before training: the shares of titles of which the tokenizer reads nothing, or a part, or
    the same as of another title. No sentence where it reads them all.

    Args:
        titles: one per item, as prompts write them.
    """
    tokenizer = encoder.tokenizer
    tokens = encoder.all_tokens([f" {title}" for title in titles])
    unknown = {tokenizer.unk_token_id} - {None}
    # Blanks that tokenizers put before words say nothing; unknown letters may also be dropped without a token.
    silent = {token for token in {*chain.from_iterable(tokens)} if not tokenizer.decode([token]).strip()} | unknown
    nothing = [item for item, ids in enumerate(tokens) if silent.issuperset(ids)]
    part = [item for item, ids in enumerate(tokens) if not silent.issuperset(ids) and not unknown.isdisjoint(ids)]
    read = Counter(ids for ids, _ in set(zip(tokens, titles, strict=True)))
    same = [item for item, ids in enumerate(tokens) if read[ids] > 1 and not silent.issuperset(ids)]
    name = f"{encoder.name}'s tokenizer"
    warnings = []
    if nothing:
        warnings.append(
            f"Warning: {name} reads nothing of {_share(nothing, titles)}: the language model cannot tell them apart,"
            " so that it is at chance among them; take a model that knows these letters"
        )
    if part:
        warnings.append(f"Warning: {name} reads only a part of {_share(part, titles)}")
    if same:
        warnings.append(f"Warning: {name} reads the same for {_share(same, titles)} as for another title")
    return warnings


def _share(items: Sequence[int], titles: Sequence[str]) -> str:
    """``"40 of 60 titles (67 %), e.g. '…'"``."""
    return (
        f"{len(items):,} of {plural(len(titles), 'title')} ({len(items) / len(titles):.0%}), e.g. {titles[items[0]]!r}"
    )
