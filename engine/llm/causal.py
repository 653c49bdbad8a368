"""Decoder-only models: Llama, Mistral, Qwen and their like."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.errors import StudioError
from engine.llm.attention import Span
from engine.llm.backbone import Backbone, Continuations, Embedded
from engine.llm.decoder import read
from engine.llm.memory import Memory
from engine.llm.norm import fuse_norms
from engine.llm.packing import pack
from engine.llm.sharing import share


class CausalBackbone(Backbone):
    """A decoder whose answer slot is the last token of the prompt."""

    family = "causal"
    default_targets = ("q_proj", "v_proj")

    def __init__(self, model: Any, tokenizer: Any, name: str, source: str, context: int) -> None:
        fuse_norms(model)
        super().__init__(model, tokenizer, name, source, context)
        self.memory: Memory | None = None

    def remember(self, layers: int) -> None:
        self.memory = Memory(layers) if layers else None

    def answer_states(self, batch: Embedded) -> Tensor:
        layout = share(batch)
        inputs = layout.gather(batch.inputs)
        return read(self._decoder(), inputs, layout.position, layout.spans, layout.ends, self.memory)

    def continuation_logprobs(self, batch: Embedded, continuations: Continuations) -> Tensor:
        layout = share(batch)
        packed = pack(continuations, None, self.device)
        places, visible = packed.real(), packed.visible()
        spans = list(layout.spans)
        for leaf, seen, size in zip(layout.leaves, visible, packed.sizes(), strict=True):
            if size:
                start = spans[-1].end
                spans.append(Span(start, start + size, leaf.path, seen[:size, :size]))
        N, B = len(layout.position), len(layout.leaves)
        states = read(
            self._decoder(),
            torch.cat([layout.gather(batch.inputs), self.embedding()(packed.inputs[places])]),
            torch.cat([layout.position, batch.lengths[places[0]] + packed.offset[places]]),
            spans,
            [*layout.ends, *range(N, spans[-1].end)],
            self.memory,
        )
        first = torch.tensor([[tokens[0] for tokens in row] for row in continuations], device=self.device)
        likelihood = self._first_logprobs(states[:B], first)
        if len(states) == B:  # every title is a single token
            return likelihood
        return likelihood + packed.total(self._target_logprobs(states[B:], packed.targets[places]), first.shape[1])

    def token_states(self, inputs: Tensor) -> Tensor:
        """State after the final norm at each of ``inputs [B, T, width]``, which has seen what stands before it."""
        return self.states_behind(inputs.new_empty(0, inputs.shape[2]), inputs)

    def states_behind(self, trunk: Tensor, inputs: Tensor) -> Tensor:
        """The same behind a ``trunk [P, width]`` that all of ``inputs [B, T, width]`` begin with, which is read once.

        Returns:
            ``[B, 1 + T, width]``: the state at the trunk's last token, then those at the inputs; without a trunk
            ``[B, T, width]``.
        """
        P, (B, T, width) = len(trunk), inputs.shape
        opening = [Span(0, P)] if P else []
        rows = [Span(P + T * row, P + T * (row + 1), tuple(opening)) for row in range(B)] if T else []
        position = torch.arange(P + T, device=self.device)
        states = read(
            self._decoder(),
            torch.cat([trunk, inputs.flatten(0, 1)]),
            torch.cat([position[:P], position[P:].repeat(B)]),
            [*opening, *rows],
            range(max(P - 1, 0), P + B * T),
        )
        before = states[: min(P, 1)].expand(B, -1, -1)
        return torch.cat([before, states[min(P, 1) :].view(B, T, width)], dim=1)

    def keep_layers(self, count: int | None) -> None:
        """Drop all blocks but the first ``count``; the final norm and the embeddings stay. ``None`` keeps all.

        Raises:
            StudioError: the model has fewer.
        """
        self.check_layers(count)
        if count is None:
            return
        self._decoder().layers = self._decoder().layers[:count]
        self._core().config.num_hidden_layers = count

    def check_layers(self, count: int | None) -> None:
        """Raises StudioError if :meth:`keep_layers` could not keep so many."""
        if count is not None and count > self.layer_count:
            raise StudioError(
                f"{self.name} has {self.layer_count} layers, not {count}",
                where="plus.layers",
                remedy="lower it, or leave it empty for all",
            )

    def layers(self) -> list[str]:
        core = self._core()
        prefix = next(name for name, module in core.named_modules() if module is self._decoder())
        return [f"{prefix}.layers.{index}" for index in range(len(self._decoder().layers))]

    def _first_logprobs(self, answer: Tensor, first: Tensor) -> Tensor:
        """Log-probability ``[B, m]`` of first tokens ``[B, m]``: one row of logits per prompt, not per continuation."""
        head = self._core().get_output_embeddings().weight
        return (answer @ head.T).float().log_softmax(1).gather(1, first)

    def _decoder(self) -> Any:
        return self._core().get_decoder()


def left_to_right(backbone: Backbone) -> CausalBackbone:
    """``backbone``, if it reads from left to right, so that one pass answers behind every title.

    Raises:
        StudioError: it reads a text as a whole.
    """
    if not isinstance(backbone, CausalBackbone):
        raise StudioError(
            f"{backbone.name} reads a text as a whole; DELRec-plus needs a model that reads from left to right",
            where="plus.enabled",
            remedy="set plus.enabled=false, or choose a causal model in llm.name",
        )
    return backbone
