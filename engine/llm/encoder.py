"""Prompts as token ids, exactly as the model reads them; needs the tokenizer alone, none of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from engine.backbones import BACKBONES
from engine.errors import StudioError
from engine.llm.chat_template import ChatFrame, make_frame
from engine.llm.prompts import Prompt, SegmentKind


@dataclass(frozen=True)
class Encoded:
    """A tokenised prompt.

    ``ids``: int64 ``[T]`` on the CPU, padding ids where the soft prompt goes; ``soft``: that place; ``spans``: where
    each history item and candidate stands, keyed ``("history", i)`` and ``("candidate", j)``, blank before it included;
    ``listed``: the place before each title of a history that the reply lists, for models that read from left to right.
    """

    ids: Tensor
    soft: slice | None
    spans: dict[tuple[SegmentKind, int], slice]
    listed: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def head(self) -> tuple[int, ...]:
        """Token ids before the first candidate: instruction, soft prompt and history."""
        candidates = [span.start for (kind, _), span in self.spans.items() if kind == "candidate"]
        return tuple(self.ids[: min(candidates, default=len(self))].tolist())

    @property
    def slots(self) -> tuple[int, ...]:
        """Places whose states answer: those ``listed``, and the last."""
        return (*self.listed, len(self) - 1)


class PromptEncoder:
    """Tokenises prompts for one model.

    Args:
        tokenizer: the model's.
        name: as configured, for messages.
        context: most tokens of a prompt.
        family: kind of the model, see :data:`engine.backbones.BACKBONES`.
        rows: of its input embeddings: token ids lie below.
        frame: of the run that these prompts belong to; ``None`` makes it.

    Raises:
        StudioError: the tokenizer belongs to larger embeddings, or there is no frame for this model.
    """

    def __init__(
        self, tokenizer: Any, name: str, context: int, family: str, rows: int, frame: ChatFrame | None = None
    ) -> None:
        self.tokenizer = tokenizer
        self.name = name
        self.context = context
        self.encoder_decoder = BACKBONES[family].encoder_decoder
        self.frame = frame or make_frame(tokenizer, name, family)
        self._check_ids(rows)
        marks = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        self.pad_id = next(i for i in marks if i is not None and i < rows)
        self.tokens = lru_cache(maxsize=1 << 16)(lambda text: self.all_tokens([text])[0])
        self.ordinary = sorted(
            i for i in set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids) if i < rows
        )
        """Ids of the tokens of plain text."""

    def all_tokens(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of many texts in one call, past the cache, which a large catalogue would only fill and empty."""
        if not texts:
            return []
        # Whoever writes "<|im_end|>" into a title gets these characters, not the end of the turn.
        encoded = self.tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True).input_ids
        return [tuple(ids) for ids in encoded]

    def encode(self, prompt: Prompt, soft_tokens: int = 0) -> Encoded:
        """Tokenise segment by segment, so that spans are exact; titles come from a cache.

        Raises:
            StudioError: the prompt is longer than the context.
            ValueError: a place for a soft prompt without tokens, or the reverse.
        """
        ids = list(self.frame.before)
        soft: slice | None = None
        spans: dict[tuple[SegmentKind, int], slice] = {}
        listed: list[int] = []
        for segment in prompt.segments:
            start = len(ids)
            ids += [self.pad_id] * soft_tokens if segment.kind == "soft" else self.tokens(segment.text)
            if segment.kind == "soft":
                soft = slice(start, len(ids))
            elif segment.index >= 0:
                spans[segment.kind, segment.index] = slice(start, len(ids))
        ids += (*self.frame.between, *self.tokens(prompt.answer))
        for segment in prompt.reply:
            if segment.index >= 0:
                listed += [len(ids) - 1] * (not self.encoder_decoder)
                spans[segment.kind, segment.index] = slice(len(ids), len(ids) + len(self.tokens(segment.text)))
            ids += self.tokens(segment.text)
        ids += self.frame.after
        if (soft is not None) != bool(soft_tokens):
            raise ValueError(f"{soft_tokens} soft tokens do not match the prompt's places for them")
        if len(ids) > self.context:
            raise StudioError(
                f"a prompt of {len(ids)} tokens does not fit {self.name}'s context of {self.context} tokens",
                where="data.history, data.candidates, distill.soft_tokens, llm.window",
                remedy="lower what the prompt holds: the history or llm.window first, then candidates and soft tokens",
            )
        return Encoded(torch.tensor(ids), soft, spans, tuple(listed))

    def _check_ids(self, rows: int) -> None:
        """Raises StudioError where prompts could hold tokens without embeddings; marks that no prompt holds may."""
        added = self.tokenizer.added_tokens_decoder
        possible = {i for i in self.tokenizer.get_vocab().values() if i not in added or not added[i].special}
        beyond = max(possible | {*self.frame.before, *self.frame.between, *self.frame.after})
        if beyond >= rows:
            raise StudioError(
                f"{self.name}'s tokenizer has tokens up to number {beyond}, its weights only {rows} embeddings",
                where="llm.name",
                remedy="use the tokenizer that belongs to the weights, or give the model embeddings for all of them",
            )
