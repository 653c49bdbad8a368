"""The forward pass over a row is each family's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from engine.llm.backbone import Embedded
from engine.llm.causal import CausalBackbone
from engine.llm.tiny import tiny_tokenizer

CAUSAL = ("llama", "mistral", "qwen2", "qwen3")


def _backbone(family: str) -> CausalBackbone:
    sizes = {"vocab_size": 424, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **sizes, **heads)).eval()
    return CausalBackbone(model, tiny_tokenizer(), family, "random weights", 2048)


@pytest.mark.parametrize("family", CAUSAL)
def test_every_family_of_decoders_answers_as_it_does_by_itself(family: str) -> None:
    backbone = _backbone(family)
    inputs, lengths = torch.randn(3, 40, 32), torch.tensor([40, 31, 37])
    inputs[:, :20] = inputs[0, :20]  # a trunk
    found, expected = [], []
    for read, states in (
        (backbone.answer_states, found),
        (lambda batch: _usual(backbone, batch), expected),
    ):
        leaf = inputs.clone().requires_grad_()
        answers = read(Embedded(leaf, lengths))
        states += [answers.detach(), torch.autograd.grad(answers.pow(3).sum(), leaf)[0].sum(0)]
    for ours, usual in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, usual, atol=1e-4, rtol=1e-3)


def _usual(backbone: CausalBackbone, batch: Embedded) -> Tensor:
    """States at the end of each prompt by Transformers' own forward pass over the padded batch."""
    mask = batch.padding_mask
    assert mask is not None
    decoder = backbone.model.get_decoder()
    states = decoder(inputs_embeds=batch.inputs, attention_mask=mask.long(), use_cache=False).last_hidden_state
    return states[torch.arange(len(states)), batch.lengths - 1]


def test_states_at_slots_of_prompts_that_share_a_trunk_are_those_of_whole_rows() -> None:
    backbone = _backbone("llama")
    inputs, lengths = torch.randn(3, 40, 32), torch.tensor([40, 31, 37])
    inputs[:, :20] = inputs[0, :20]
    slots = ((5, 19, 39), (5, 30), (19, 25, 36))
    whole = [
        backbone.model.get_decoder()(inputs_embeds=row[None, :n], use_cache=False).last_hidden_state[0, list(places)]
        for row, n, places in zip(inputs, lengths, slots, strict=True)
    ]
    found = backbone.slot_states(Embedded(inputs, lengths, slots))
    torch.testing.assert_close(found, torch.cat(whole), atol=1e-4, rtol=1e-3)
