"""Prompts as token ids, exactly as the model reads them; needs the tokenizer alone, none of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from jinja2 import TemplateError
from torch import Tensor

from engine.errors import StudioError
from engine.llm.prompts import Kind, Prompt

Family = Literal["causal", "seq2seq"]
SYSTEM = "You are a recommender system."
REQUEST = "<<request>>"


@dataclass(frozen=True)
class Encoded:
    """A tokenised prompt.

    ``ids``: int64 ``[T]`` on the CPU, padding ids where the soft prompt goes; ``soft``: that place; ``spans``: where
    each history item and candidate stands, keyed ``("history", i)`` and ``("candidate", j)``, blank before it included.
    """

    ids: Tensor
    soft: slice | None
    spans: dict[tuple[Kind, int], slice]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def head(self) -> tuple[int, ...]:
        """Token ids before the first candidate: instruction, soft prompt and history."""
        return tuple(self.ids[: min((span.start for (kind, _), span in self.spans.items() if kind == "candidate"))])


@dataclass(frozen=True)
class Frame:
    """Token ids that the model's own template puts before the request, between request and reply, and at the end."""

    before: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


class PromptEncoder:
    """Tokenises prompts for one model.

    Args:
        tokenizer: the model's.
        name: as configured, for messages.
        context: most tokens of a prompt.
        family: decoders get their chat template around the request, encoder-decoders their end token.
    """

    def __init__(self, tokenizer: Any, name: str, context: int, family: Family) -> None:
        self.tokenizer = tokenizer
        self.name = name
        self.context = context
        self.pad_id = next(i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if i is not None)
        self.tokens = lru_cache(maxsize=1 << 16)(lambda text: self.all_tokens([text])[0])
        self.frame = self._chat_frame() if family == "causal" else Frame(after=(tokenizer.eos_token_id,))

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
        spans: dict[tuple[Kind, int], slice] = {}
        for segment in prompt.segments:
            start = len(ids)
            ids += [self.pad_id] * soft_tokens if segment.kind == "soft" else self.tokens(segment.text)
            if segment.kind == "soft":
                soft = slice(start, len(ids))
            elif segment.index >= 0:
                spans[segment.kind, segment.index] = slice(start, len(ids))
        if prompt.answer is not None:
            ids += (*self.frame.between, *self.tokens(prompt.answer), *self.frame.after)
        if (soft is not None) != bool(soft_tokens):
            raise ValueError(f"{soft_tokens} soft tokens do not match the prompt's places for them")
        if len(ids) > self.context:
            raise StudioError(
                f"a prompt of {len(ids)} tokens does not fit {self.name}'s context of {self.context} tokens",
                where="data.history, data.candidates, distill.soft_tokens, plus.window",
                remedy="lower what the prompt holds: the history or plus.window first, then candidates and soft tokens",
            )
        return Encoded(torch.tensor(ids), soft, spans)

    def _chat_frame(self) -> Frame:
        if not self.tokenizer.chat_template:
            start = self.tokenizer.bos_token_id if getattr(self.tokenizer, "add_bos_token", False) else None
            return Frame(() if start is None else (start,), self.tokens("\n"))
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": REQUEST}]
        try:
            text = self._chat(messages)
        except TemplateError:  # some templates know no system role
            text = self._chat(messages[1:])
        before, _, between = text.partition(REQUEST)
        return Frame(*(tuple(self.tokenizer(part, add_special_tokens=False).input_ids) for part in (before, between)))

    def _chat(self, messages: list[dict[str, str]]) -> str:
        # enable_thinking=False: templates of reasoning models then close the thought before the answer begins.
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return text
