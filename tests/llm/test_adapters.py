"""Room for AdaLoRA: the right modules, the top layers only, and the base model kept within reach."""

from __future__ import annotations

import pytest
import torch
from families import backbone_of
from llm_world import CANDIDATES, HISTORY
from peft import AdaLoraConfig, get_peft_model
from torch import Tensor

from engine.errors import StudioError
from engine.llm import Backbone, Prompts
from engine.llm.backbone import ALL_LINEAR
from engine.llm.tiny import LAYERS


def attach(backbone: Backbone, targets: list[str]) -> None:
    config = AdaLoraConfig(init_r=4, target_r=2, total_step=100, tinit=10, tfinal=10, target_modules=targets)
    backbone.model = get_peft_model(backbone.model, config).eval()


def states(backbone: Backbone, prompts: Prompts) -> Tensor:
    return backbone.answer_states(backbone.embed([backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=False))]))


def adapted(backbone: Backbone) -> set[str]:
    return {name.split(".lora_")[0] for name, p in backbone.model.named_parameters() if p.requires_grad}


def test_query_and_value_projections_of_all_layers_by_default(backbone: Backbone) -> None:
    targets = backbone.adapter_targets()
    assert {name.rpartition(".")[2] for name in targets} in map(set, backbone.default_targets)
    assert {layer for layer in backbone.layers() for name in targets if name.startswith(f"{layer}.")} == set(
        backbone.layers()
    )


def test_layers_are_counted_in_the_order_of_the_forward_pass(backbone: Backbone) -> None:
    names, called = backbone.layers(), []
    for name in names:
        backbone.model.get_submodule(name).register_forward_hook(lambda *_, name=name: called.append(name))
    ids = torch.tensor([[5, 6, 7]])
    backbone.model(input_ids=ids, **({"decoder_input_ids": ids} if backbone.encoder_decoder else {}))
    assert names == called
    assert backbone.layer_count == len(names) == LAYERS * (1 + backbone.encoder_decoder)


def test_only_the_top_layers_are_adapted_and_gradients_stop_there(backbone: Backbone, prompts: Prompts) -> None:
    top = backbone.layers()[-1]
    attach(backbone, backbone.adapter_targets(top_layers=1))
    assert all(f"{top}." in name for name in adapted(backbone))
    for name, parameter in backbone.model.named_parameters():
        if "lora_E" in name:  # singular values start at zero, where nothing would flow to the other factors
            parameter.data.fill_(0.1)
    states(backbone, prompts).pow(3).sum().backward()  # a sum alone says nothing behind a norm
    moved = {name for name, p in backbone.model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert moved
    assert all(f"{top}." in name and "lora_" in name for name in moved)


def test_a_fresh_adapter_changes_nothing_and_a_trained_one_can_be_left_out(
    backbone: Backbone, prompts: Prompts
) -> None:
    before = states(backbone, prompts)
    targets, layers = backbone.adapter_targets(), backbone.layers()
    attach(backbone, targets)
    torch.testing.assert_close(states(backbone, prompts), before)
    for name, parameter in backbone.model.named_parameters():
        if "lora_E" in name:
            parameter.data.fill_(1.0)
    assert not torch.allclose(states(backbone, prompts), before)
    with backbone.without_adapter():
        torch.testing.assert_close(states(backbone, prompts), before)
    assert backbone.layers() == layers
    assert (backbone.width, backbone.dtype) == (32, torch.float32)


def test_unknown_modules_and_too_many_layers_are_refused(backbone: Backbone) -> None:
    with pytest.raises(StudioError, match=r"no module 'c_attn'.*finetune.targets.*choose from"):
        backbone.adapter_targets(["c_attn"])
    with pytest.raises(StudioError, match=r"has \d layers, not 9.*finetune.top_layers"):
        backbone.adapter_targets(top_layers=9)


def test_what_a_fused_kernel_reads_past_its_module_is_not_adapted() -> None:
    names = {name.rpartition(".")[2] for name in backbone_of("mamba").adapter_targets([ALL_LINEAR])}
    assert names == {"in_proj", "x_proj", "dt_proj"}
    with pytest.raises(StudioError, match="has no module 'out_proj' to adapt"):
        backbone_of("mamba").adapter_targets(["out_proj"])
