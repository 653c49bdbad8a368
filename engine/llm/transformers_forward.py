"""Transformers' own forward pass of a causal model: slower than the engine's, and right for every architecture.

Prompts of one length run together, so that nothing is padded: some architectures read padded texts otherwise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from engine.llm.backbone import Embedded


class TransformersForward:
    """Asks one model of Transformers.

    Shapes below: B prompts of at most T tokens, N states; ``width`` of the embeddings and of the states.

    Args:
        core: a model with an output layer.
    """

    def __init__(self, core: Any) -> None:
        self.core = core
        found = core.get_decoder()
        self.decoder: Any = found if isinstance(found, PreTrainedModel) else core.base_model

    def states(self, inputs: Tensor) -> Tensor:
        """States after the final norm behind ``inputs [B, T, width]``, none of them padding: same shape and dtype."""
        states: Tensor = self.decoder(inputs_embeds=inputs, use_cache=False).last_hidden_state
        return states.to(inputs.dtype)  # Mamba's come in float32

    def at(self, batch: Embedded, slots: Sequence[Sequence[int]]) -> Tensor:
        """States at places of each prompt, prompt after prompt: ``[N, width]``; differentiable."""
        found: dict[int, Tensor] = {}
        lengths = batch.lengths.tolist()
        for length in sorted(set(lengths)):
            rows = [row for row, own in enumerate(lengths) if own == length]
            for row, states in zip(rows, self.states(batch.inputs[rows, :length]), strict=True):
                found[row] = states[list(slots[row])]
        return torch.cat([found[row] for row in range(len(lengths))])

    def continued(self, prompt: Tensor, texts: Sequence[Tensor], *, cached: bool) -> tuple[Tensor, list[Tensor]]:
        """States at the end of ``prompt [T, width]``, ``[width]``, and at each token of each text that follows it.

        Args:
            texts: of embeddings, ``[n, width]`` each; n may be 0.
            cached: read the prompt once; ``False`` reads it anew in front of each text.
        """
        if torch.is_grad_enabled():  # many copies of one prompt: keep one prompt's at a time
            whole = checkpoint(self._continued, prompt, texts, cached, use_reentrant=False)
        else:
            whole = self._continued(prompt, texts, cached)
        return whole[0], list(whole[1:])

    def _continued(self, prompt: Tensor, texts: Sequence[Tensor], cached: bool) -> tuple[Tensor, ...]:
        texts = [text for text in texts if len(text)]
        padded = nn.utils.rnn.pad_sequence(list(texts), True) if texts else prompt.new_empty(0, 0, prompt.shape[1])
        if cached or not texts:
            read = self.decoder(inputs_embeds=prompt[None], use_cache=bool(texts))
            end, behind = read.last_hidden_state[0, -1], padded
            if texts:
                read.past_key_values.batch_repeat_interleave(len(texts))
                behind = self.decoder(
                    inputs_embeds=padded, past_key_values=read.past_key_values, use_cache=True
                ).last_hidden_state
        else:
            states = self.states(torch.cat([prompt.expand(len(texts), -1, -1), padded], dim=1))
            end, behind = states[0, len(prompt) - 1], states[:, len(prompt) :]
        parts = (states[: len(text)] for states, text in zip(behind, texts, strict=True))
        return tuple(part.to(prompt.dtype) for part in (end, *parts))

    def logits(self, states: Tensor) -> Tensor:
        """What the output layer makes of ``states [N, width]``, scaled, capped or shifted: ``[N, vocabulary]``.

        The model's own forward pass says how, so it runs, with the states in the place of its decoder's.
        """
        with self._answering(states[None]):
            logits: Tensor = self.core(inputs_embeds=states[None], use_cache=False).logits
        return logits[0]

    @contextlib.contextmanager
    def _answering(self, states: Tensor) -> Iterator[None]:
        """Within, the decoder answers with ``states`` whatever it is asked."""
        own = self.decoder.forward
        self.decoder.forward = lambda *_, **__: _Answer(states)
        try:
            yield
        finally:
            self.decoder.forward = own


class _Answer:
    """What a decoder returns, with ``states [1, N, width]`` and nothing of all else that some return."""

    def __init__(self, states: Tensor) -> None:
        self.last_hidden_state = states

    def __getitem__(self, place: int | slice) -> Any:
        return (self.last_hidden_state,)[place]

    def __getattr__(self, name: str) -> None:
        return None


def blocks(decoder: nn.Module) -> tuple[str, nn.ModuleList]:
    """The blocks of a decoder, and what it calls them: its first list of as many modules as it has layers."""
    count = decoder.config.num_hidden_layers  # type: ignore[union-attr]
    lists = ((name, part) for name, part in decoder.named_modules() if isinstance(part, nn.ModuleList))
    return next((name, part) for name, part in lists if len(part) == count)
