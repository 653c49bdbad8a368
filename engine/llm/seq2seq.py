"""Encoder-decoder models: T5, Flan-T5 (the paper's backbone) and mT5."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.llm.backbone import Backbone, Continuations, Embedded
from engine.llm.packing import pack


class Seq2SeqBackbone(Backbone):
    """The encoder reads the prompt; the answer slot is the decoder's first position."""

    family = "seq2seq"
    default_targets = ("q", "v")

    def answer_states(self, batch: Embedded) -> Tensor:
        start = torch.full((len(batch.lengths), 1), self._start(), device=self.device)
        return self._decode(batch, start, None)[:, 0]

    def continuation_logprobs(self, batch: Embedded, continuations: Continuations) -> Tensor:
        # T5's positions are relative, so a continuation packed behind others sees itself as if it stood alone, and
        # the encoder's keys and values are projected once per prompt instead of once per continuation.
        packed = pack(continuations, self._start(), self.device)
        states = self._decode(batch, packed.inputs, packed.visible()[:, None])
        places = packed.real()
        return packed.total(self._target_logprobs(states[places], packed.targets[places]), len(continuations[0]))

    @property
    def output_scale(self) -> float:
        config = self._core().config
        # A fact of T5's configuration only: Flan-T5 and mT5 do not scale.
        return float(config.d_model) ** -0.5 if getattr(config, "scale_decoder_outputs", False) else 1.0

    def layers(self) -> list[str]:
        core = self._core()
        return [
            f"{stack}.block.{i}" for stack in ("encoder", "decoder") for i in range(len(getattr(core, stack).block))
        ]

    def _decode(self, batch: Embedded, inputs: Tensor, visible: Tensor | None) -> Tensor:
        core = self._core()
        mask = batch.padding_mask
        encoded = core.encoder(inputs_embeds=batch.inputs, attention_mask=mask).last_hidden_state
        decoded = core.decoder(
            inputs_embeds=self.embedding()(inputs),
            attention_mask=visible,
            encoder_hidden_states=encoded,
            encoder_attention_mask=mask,
            use_cache=False,
        )
        states: Tensor = decoded.last_hidden_state
        return states

    def _start(self) -> int:
        return int(self._core().config.decoder_start_token_id)
