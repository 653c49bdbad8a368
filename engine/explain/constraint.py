"""Holds a language model to a grammar: which tokens may come next, by llguidance, on the CPU and in numpy."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from engine.errors import StudioError
from engine.llm import Backbone

MARK = "a title of the evidence is called like one of the language model's own marks"
BLANK = "\u2581"
"""How SentencePiece writes a blank."""

_tokenizers: WeakKeyDictionary[Backbone, Any] = WeakKeyDictionary()


class Unwritable(StudioError):
    """No text can be written under a grammar, by this model or by any."""


def unwritable(what: str) -> Unwritable:
    """The error, with what to do about it."""
    return Unwritable(what, where="rationale", remedy="read the sentences that are computed instead")


class Constraint:
    """A grammar and how far a text under it is written.

    Args:
        backbone: whose tokens are chosen.
        grammar: in llguidance's dialect of Lark.
        ends: ids of the tokens that end a text.

    Raises:
        Unwritable: llguidance cannot read the grammar, or not this model's tokenizer.
    """

    def __init__(self, backbone: Backbone, grammar: str, ends: Collection[int]) -> None:
        from llguidance import LLMatcher

        self._tokenizer = _known(backbone, ends)
        self._matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(grammar), log_level=0)
        self._special = set(backbone.tokenizer.all_special_ids)
        self._mask = np.empty((1, -(-self._tokenizer.vocab_size // 32)), np.int32)
        self._check()

    def fresh(self) -> Constraint:
        """The same grammar for another text, from where this one stands."""
        other = Constraint.__new__(Constraint)
        other.__dict__.update(self.__dict__, _matcher=self._matcher.deep_copy(), _mask=self._mask.copy())
        return other

    @property
    def complete(self) -> bool:
        """Whether the text may end here."""
        return bool(self._matcher.is_accepting())

    @property
    def over(self) -> bool:
        """Whether nothing can follow."""
        return bool(self._matcher.is_stopped())

    def allowed(self, logits: Tensor) -> Tensor:
        """float32 ``[vocabulary]``: the logits, minus infinity where the grammar forbids the token.

        Raises:
            Unwritable: nothing satisfies the grammar: it forbids every token.
        """
        from llguidance.numpy import fill_next_token_bitmask

        fill_next_token_bitmask(self._matcher, self._mask)
        self._check()
        free = np.unpackbits(self._mask.view(np.uint8), bitorder="little")[: len(logits)].astype(bool)
        free = np.pad(free, (0, len(logits) - len(free)))
        if not free.any():
            raise unwritable("nothing that the model could write satisfies the grammar")
        return logits.masked_fill(torch.from_numpy(~free), float("-inf"))

    def take(self, token: int) -> list[int]:
        """The text goes on with this token: the ids that then follow of necessity, all at once.

        Raises:
            Unwritable: the grammar forbids the token, or goes on with a title that holds a special token's name.
        """
        # llguidance spells what must come as the tokenizer reads it, which takes the name of a mark for the mark
        if token in self._special:
            raise unwritable(MARK)
        self._matcher.consume_token(token)
        self._check()
        forced: list[int] = [] if self.over else self._matcher.compute_ff_tokens()
        if self._special & {*forced}:
            raise unwritable(MARK)
        self._matcher.consume_tokens(forced)
        self._check()
        return forced

    def _check(self) -> None:
        if self._matcher.is_error():
            reason = self._matcher.get_error().splitlines()[0][:200]
            raise unwritable(f"the grammar cannot be followed: {reason}")


def _known(backbone: Backbone, ends: Collection[int]) -> Any:
    """llguidance's view of a tokenizer, made once per model: large vocabularies take half a second."""
    if backbone not in _tokenizers:
        try:
            _tokenizers[backbone] = _read(backbone.tokenizer, sorted(ends))
        except Exception as error:  # whatever a foreign tokenizer does to a library that reads it
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise unwritable(f"{backbone.name}'s tokenizer cannot be held to a grammar: {reason}") from error
    return _tokenizers[backbone]


def _read(tokenizer: Any, ends: list[int]) -> Any:
    from llguidance import LLTokenizer, TokenizerWrapper
    from llguidance.hf import from_tokenizer

    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    if type(decoder).__name__ == "Metaspace":
        return LLTokenizer(TokenizerWrapper(_Pieces(tokenizer)), eos_token=ends)
    return from_tokenizer(tokenizer, eos_token=ends)


class _Pieces:
    """SentencePiece without bytes to fall back on, as T5's, which llguidance cannot read by itself.

    A text with characters that none of the pieces holds cannot be written.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.eos_token_id = tokenizer.eos_token_id
        self.bos_token_id = tokenizer.bos_token_id
        self.special_token_ids = list(tokenizer.all_special_ids)
        pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        self.tokens = [piece.replace(BLANK, " ").encode() for piece in pieces]
        self._ids = {piece: number for number, piece in enumerate(self.tokens) if number not in self.special_token_ids}
        self._longest = max(map(len, self._ids))

    def __call__(self, text: bytes) -> list[int]:
        """The longest piece each time. The tokenizer itself would put a blank before what goes on within a word."""
        ids: list[int] = []
        while text:
            sizes = range(min(self._longest, len(text)), 0, -1)
            size = next((size for size in sizes if text[:size] in self._ids), 0)
            ids.append(self._ids[text[:size]] if size else self.special_token_ids[0])
            text = text[size or 1 :]
        return ids
