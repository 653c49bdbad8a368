"""Encoder-decoder models: T5, Flan-T5 (the paper's backbone) and mT5."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.errors import StudioError
from engine.llm.backbone import Backbone, Continuations, Embedded
from engine.llm.encoder import Encoded
from engine.llm.equivalence import HEAD_TOLERANCE
from engine.llm.packing import pack
from engine.seeds import generator

PROOF = 112
"""Tokens by which the packed reading of answers is proved."""


class Seq2SeqBackbone(Backbone):
    """The encoder reads the prompt; the answer slot is the decoder's first position."""

    family = "seq2seq"
    left_to_right = False
    default_targets = (("q", "v"),)
    _proved = False

    def prove(self, length: int = 0) -> None:
        if self._proved:
            return
        drawn = generator(0, "proof").choice(self.encoder.ordinary, PROOF).tolist()
        other, text, prompt = drawn[:6], drawn[6:16], torch.tensor(drawn[16:])
        fed, targets = (torch.tensor([ids], device=self.device) for ids in ([self._start(), *text[:-1]], text))
        with torch.no_grad(), self.without_adapter():
            asked = prompt[None].to(self.device)
            own = self._core()(input_ids=asked, decoder_input_ids=fed, use_cache=False).logits.float()
            expected = float(own.log_softmax(2).gather(2, targets[..., None]).sum())
            found = float(self.continuation_logprobs(self.embed([Encoded(prompt, None, {})]), [[other, text]])[0, 1])
        if not abs(found - expected) <= HEAD_TOLERANCE[self.dtype] * abs(expected):
            raise StudioError(
                f"{self.name} answers otherwise than by its own forward pass (log-likelihood {found:.2f}, its own"
                f" {expected:.2f})",
                where="llm.name",
                remedy="use another model; if the numbers are none, try llm.dtype=float32",
            )
        self._proved = True

    def answer_states(self, batch: Embedded) -> Tensor:
        start = torch.full((len(batch.lengths), 1), self._start(), device=self.device)
        return self._decode(batch, start, None)[:, 0]

    def slot_states(self, batch: Embedded) -> Tensor:
        return self.answer_states(batch)  # the encoder has read the whole text before the first question

    def continuation_logprobs(
        self, batch: Embedded, continuations: Continuations, vocabulary: Tensor | None = None
    ) -> Tensor:
        # T5's positions are relative, so a continuation packed behind others sees itself as if it stood alone, and
        # the encoder's keys and values are projected once per prompt instead of once per continuation.
        packed = pack(continuations, self._start(), self.device)
        states = self._decode(batch, packed.inputs, packed.visible()[:, None])
        places = packed.real()
        likelihood = self._target_logprobs(states[places], packed.targets[places], vocabulary)
        return packed.total(likelihood, len(continuations[0]))

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

    def _reading_blocks(self) -> nn.ModuleList:
        found: nn.ModuleList = self._core().encoder.block
        return found

    def _read_whole(self, inputs: Tensor) -> Tensor:
        states: Tensor = self._core().encoder(inputs_embeds=inputs).last_hidden_state
        return states

    def _start(self) -> int:
        return int(self._core().config.decoder_start_token_id)
