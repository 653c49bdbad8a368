"""Decoder-only models: Llama, Mistral, Qwen and their like."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.errors import StudioError
from engine.llm.backbone import Backbone, Continuations, Embedded
from engine.llm.packing import pack
from engine.llm.sharing import common_trunk, share


class CausalBackbone(Backbone):
    """A decoder whose answer slot is the last token of the prompt."""

    family = "causal"
    default_targets = ("q_proj", "v_proj")

    def answer_states(self, batch: Embedded) -> Tensor:
        if len(batch.lengths) == 1:
            states = self._decoder()(inputs_embeds=batch.inputs, use_cache=False).last_hidden_state
            return self._last(states, batch.lengths)
        layout = share(batch)
        states = self._decoder()(
            inputs_embeds=layout.gather(batch.inputs),
            attention_mask=layout.visible(),
            position_ids=layout.position,
            past_key_values=self._trunk(batch, layout.trunk, len(layout.prompt)),
            use_cache=True,
        ).last_hidden_state
        return states[layout.row, layout.column]

    def continuation_logprobs(self, batch: Embedded, continuations: Continuations) -> Tensor:
        m = len(continuations[0])
        decoder = self._decoder()
        trunk = common_trunk(batch)
        prompt = decoder(
            inputs_embeds=batch.inputs[:, trunk:],
            attention_mask=batch.padding_mask,
            past_key_values=self._trunk(batch, trunk, len(batch.lengths)),
            use_cache=True,
        )
        answer = self._last(prompt.last_hidden_state, batch.lengths - trunk)
        first = torch.tensor([[tokens[0] for tokens in row] for row in continuations], device=self.device)
        likelihood = self._first_logprobs(answer, first)
        packed = pack(continuations, None, self.device)
        if packed.inputs.shape[1] == 0:  # every title is a single token
            return likelihood
        T = batch.inputs.shape[1]
        in_prompt = torch.arange(T, device=self.device) < batch.lengths[:, None]
        visible = torch.cat([in_prompt[:, None, :].expand(-1, packed.inputs.shape[1], -1), packed.visible()], dim=2)
        states = decoder(
            inputs_embeds=self.embedding()(packed.inputs),
            attention_mask=visible[:, None],
            position_ids=batch.lengths[:, None] + packed.offset,
            past_key_values=prompt.past_key_values,
            use_cache=True,
        ).last_hidden_state
        places = packed.real()
        return likelihood + packed.total(self._target_logprobs(states[places], packed.targets[places]), m)

    def token_states(self, inputs: Tensor) -> Tensor:
        """State after the final norm at each of ``inputs [B, T, width]``, which has seen what stands before it."""
        states: Tensor = self._decoder()(inputs_embeds=inputs, use_cache=False).last_hidden_state
        return states

    def states_behind(self, trunk: Tensor, inputs: Tensor) -> Tensor:
        """The same behind a ``trunk [P, width]`` that all of ``inputs [B, T, width]`` begin with, which is read once.

        Returns:
            ``[B, 1 + T, width]``: the state at the trunk's last token, then those at the inputs.
        """
        opening = self._decoder()(inputs_embeds=trunk[None], use_cache=True)
        before = opening.last_hidden_state[:, -1:].expand(len(inputs), -1, -1)
        if inputs.shape[1] == 0:
            return before
        opening.past_key_values.batch_repeat_interleave(len(inputs))
        decoder = self._decoder()
        behind = decoder(inputs_embeds=inputs, past_key_values=opening.past_key_values, use_cache=True)
        return torch.cat([before, behind.last_hidden_state], dim=1)

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

    def _trunk(self, batch: Embedded, length: int, rows: int) -> Any:
        """What ``rows`` rows keep of the first ``length`` tokens, read once; ``None`` if there are none."""
        if not length:
            return None
        read = self._decoder()(inputs_embeds=batch.inputs[:1, :length], use_cache=True).past_key_values
        read.batch_repeat_interleave(rows)
        return read

    @staticmethod
    def _last(states: Tensor, lengths: Tensor) -> Tensor:
        return states[torch.arange(len(states), device=states.device), lengths - 1]


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
