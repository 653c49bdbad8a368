"""Decoder-only models: in the engine's own way where it proves to be right, else by Transformers' forward pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import StudioError
from engine.llm.activation_cache import ActivationCache
from engine.llm.attention import Span
from engine.llm.backbone import Backbone, Continuations, Embedded
from engine.llm.chat_template import ChatFrame
from engine.llm.decoder import packed_forward
from engine.llm.equivalence import ChosenForward, Way, verify_forward, verify_head
from engine.llm.packing import Packed, pack
from engine.llm.prefix_tree import lay_out
from engine.llm.transformers_forward import TransformersForward, blocks
from engine.subsets import places_in
from engine.transfer import to_device

PROOF = 192
"""Tokens of the text by which a way to read is proved, and ..."""
BEYOND = 64
"""... by how many it is longer than any length from which on a model may read otherwise."""
RESCALED = "original_max_position_embeddings"
"""The number of tokens beyond which some models scale the positions of a whole text."""
NO_LENGTH = re.compile(r"num_.*|.*_id|vocab_size|hidden_size|intermediate_size|head_dim")
"""Names of numbers in a configuration that count no tokens."""


class CausalBackbone(Backbone):
    """A decoder whose answer slot is the last token of the prompt."""

    family = "causal"
    left_to_right = True
    default_targets = (
        ("q_proj", "v_proj"),
        ("query", "value"),
        ("query_key_value",),
        ("qkv_proj",),
        ("c_attn",),
        ("Wqkv",),
        ("in_proj",),
    )

    def __init__(
        self, model: Any, tokenizer: Any, name: str, source: str, context: int, frame: ChatFrame | None = None
    ) -> None:
        super().__init__(model, tokenizer, name, source, context, frame)
        self.activation_cache: ActivationCache | None = None
        self._found: dict[int, ChosenForward] = {}
        """By length of the proof."""

    def cache_activations(self, cache: ActivationCache | None) -> None:
        self.activation_cache = cache if cache is not None and cache.layers else None

    def prove(self, length: int = 0) -> None:
        self._way(length)
        _ = self.linear_head

    @cached_property
    def linear_head(self) -> bool:
        with self.without_adapter():
            return verify_head(self._library, self.encoder.ordinary, self.name)

    def logits(self, states: Tensor) -> Tensor:
        return super().logits(states) if self.linear_head else self._library.logits(states)

    def answer_states(self, batch: Embedded) -> Tensor:
        return self._states(batch, [(length - 1,) for length in batch.lengths.tolist()])

    def slot_states(self, batch: Embedded) -> Tensor:
        return self._states(batch, batch.slots)

    def _states(self, batch: Embedded, slots: Sequence[Sequence[int]]) -> Tensor:
        """States at these places of each prompt, prompt after prompt."""
        if self._way(int(batch.lengths.max())) != "packed":
            return self._library.at(batch, slots)
        layout = lay_out(batch)
        places = [
            place for leaf, leaf_slots in zip(layout.leaves, slots, strict=True) for place in leaf.places(leaf_slots)
        ]
        asked = sorted(set(places))
        states = packed_forward(
            self._decoder(),
            layout.gather(batch.inputs),
            layout.position,
            layout.spans,
            asked,
            self.activation_cache,
            checkpointing=self.checkpointing,
        )
        order = {place: index for index, place in enumerate(asked)}
        return states if asked == places else states[[order[place] for place in places]]

    def continuation_logprobs(
        self, batch: Embedded, continuations: Continuations, vocabulary: Tensor | None = None
    ) -> Tensor:
        packed = pack(continuations, None, self.device)
        longest = max(
            length + len(tokens)
            for length, row in zip(batch.lengths.tolist(), continuations, strict=True)
            for tokens in row
        )
        if (way := self._way(longest)) == "packed":
            answers, behind = self._continued_packed(batch, packed)
        else:
            answers, behind = self._continued(batch, continuations, way)
        first = to_device([[tokens[0] for tokens in row] for row in continuations], self.device)
        logits = self.logits(answers)  # one row per prompt, not per text
        if vocabulary is not None:
            logits, first = logits[:, vocabulary], places_in(vocabulary, first)
        likelihood = logits.float().log_softmax(1).gather(1, first)
        if not len(behind):  # every title is a single token
            return likelihood
        further = self._target_logprobs(behind, packed.targets[packed.real()], vocabulary)
        return likelihood + packed.total(further, first.shape[1])

    def _continued_packed(self, batch: Embedded, packed: Packed) -> tuple[Tensor, Tensor]:
        """States at the ends of prompts, ``[B, width]``, and at all further tokens of continuations, ``[N, width]``."""
        layout = lay_out(batch)
        places, visible = packed.real(), packed.visible()
        spans = list(layout.spans)
        for leaf, seen, size in zip(layout.leaves, visible, packed.sizes(), strict=True):
            if size:
                start = spans[-1].end
                spans.append(Span(start, start + size, leaf.path, seen[:size, :size]))
        N, B = len(layout.position), len(layout.leaves)
        states = packed_forward(
            self._decoder(),
            torch.cat([layout.gather(batch.inputs), self.embed_tokens(packed.inputs[places])]),
            torch.cat([layout.position, batch.lengths[places[0]] + packed.offset[places]]),
            spans,
            [*layout.ends, *range(N, spans[-1].end)],
            self.activation_cache,
            checkpointing=self.checkpointing,
        )
        return states[:B], states[B:]

    def _continued(self, batch: Embedded, continuations: Continuations, way: Way) -> tuple[Tensor, Tensor]:
        """The same by the library."""
        ends, behind = [], []
        for inputs, length, row in zip(batch.inputs, batch.lengths.tolist(), continuations, strict=True):
            fed = [self.embed_tokens(to_device(tokens[:-1], self.device, torch.int64)) for tokens in row]
            end, states = self._library.continued(inputs[:length], fed, cached=way == "cached")
            ends.append(end)
            behind += states
        return torch.stack(ends), torch.cat(behind) if behind else ends[0].new_empty(0, self.width)

    def layers(self) -> list[str]:
        _, own = blocks(self._decoder())
        prefix = next(name for name, module in self._core().named_modules() if module is own)
        return [f"{prefix}.{index}" for index in range(len(own))]

    def _way(self, length: int) -> Way:
        """How texts of ``length`` tokens are read."""
        if length > self.context:
            raise StudioError(
                f"a prompt and its answer of {length} tokens do not fit {self.name}'s context of {self.context} tokens",
                where="data.history, data.candidates",
                remedy="lower what the prompt holds",
            )
        config = self._decoder().config.to_dict()
        bounds = [number for _, number in _lengths(config) if number < length]
        rescaled = [number for name, number in _lengths(config) if name == RESCALED]
        # Longer than the windows and bounds within the text, but not than one beyond it that changes all positions.
        size = max(PROOF, *(number + BEYOND for number in bounds), 0)
        size = min(size, self.context, *(number for number in rescaled if number >= length))
        if size not in self._found:
            with self.without_adapter():
                beginnings = [number for number in rescaled if number < size]
                found = verify_forward(self._library, self.encoder.ordinary, size, self.name, beginnings)
            if found.way != "packed" and all(earlier.way == "packed" for earlier in self._found.values()):
                self.log(
                    f"{self.name} is read by Transformers' own forward pass, which takes longer: the engine's differs"
                    f" ({found.reason})"
                )
            self._found[size] = found
        return self._found[size].way

    def _reading_blocks(self) -> nn.ModuleList:
        return blocks(self._decoder())[1]

    def _read_whole(self, inputs: Tensor) -> Tensor:
        return self._library.states(inputs)

    @cached_property
    def _library(self) -> TransformersForward:
        return TransformersForward(self._core())

    def _decoder(self) -> Any:
        return self._library.decoder


def _lengths(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Names and values of whole numbers in a configuration that may count tokens, such as the size of a window."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _lengths(value)
        elif type(value) is int and not NO_LENGTH.fullmatch(name):
            yield name, value
