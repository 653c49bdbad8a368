"""Fast ways to read are used as far as they prove to be right, whatever hides the difference."""

from __future__ import annotations

import pytest
import torch
from families import PACKED_FORWARD, TRANSFORMERS_FORWARD, backbone_of, random_model
from test_families import check_all, inputs_of, own
from transformers import AutoConfig, AutoModelForCausalLM

from engine.errors import StudioError
from engine.llm.backbone import Embedded
from engine.llm.causal import PROOF, CausalBackbone
from engine.llm.norm import FusedRMSNorm
from engine.llm.tiny import tiny_causal, tiny_seq2seq, tiny_tokenizer

FAR = PROOF + 10


def listening(backbone: CausalBackbone) -> list[str]:
    told: list[str] = []
    backbone.log = told.append
    return told


def test_a_window_beyond_the_first_proof_is_found_once_prompts_reach_it() -> None:
    window = FAR
    backbone = CausalBackbone(
        random_model("mistral", PACKED_FORWARD["llama"][1] | {"sliding_window": window}),
        tiny_tokenizer(),
        "m",
        "random",
        512,
    )
    told = listening(backbone)
    backbone.prove(window)
    assert told == [], "shorter prompts do not feel it"
    ids = torch.randint(0, 400, (2, window + 60), generator=torch.Generator().manual_seed(1))
    batch = Embedded(backbone.embedding()(ids), torch.tensor([window + 60, window + 50]))
    found = backbone.answer_states(batch)
    expected = torch.stack([own(backbone, row[:n])[0][-1] for row, n in zip(batch.inputs, batch.lengths, strict=True)])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    assert len(told) == 1


ROPE = {"rope_theta": 10000.0, "original_max_position_embeddings": 50}
LONG = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [4.0, 5.0, 6.0, 7.0]}
RESCALED = {
    "longrope": ("llama", {"rope_parameters": ROPE | LONG | {"factor": 8.0}}),
    "longrope of Phi-3": (
        "phi3",
        {
            "rope_parameters": LONG | {"rope_theta": 10000.0},
            "original_max_position_embeddings": 50,
            "max_position_embeddings": 400,
        },
    ),
    "llama3": (
        "llama",
        {"rope_parameters": ROPE | {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4}},
    ),
    "yarn": ("llama", {"rope_parameters": ROPE | {"rope_type": "yarn", "factor": 8.0}}),
}


@pytest.mark.parametrize("rope", RESCALED)
def test_positions_that_are_rescaled_for_long_texts_are_right_or_refused(rope: str) -> None:
    kind, settings = RESCALED[rope]
    model = random_model(kind, TRANSFORMERS_FORWARD["phi3"][1] | {"sliding_window": None}, **settings)
    backbone = CausalBackbone(model, tiny_tokenizer(), kind, "random", 400)
    backbone.prove()
    ids = torch.randint(0, 400, (3, 90), generator=torch.Generator().manual_seed(1))
    inputs = backbone.embedding()(ids)
    for lengths in ([50, 30, 41], [90, 30, 41]):
        batch = Embedded(inputs, torch.tensor(lengths))
        if rope.startswith("longrope") and max(lengths) > 50:
            with pytest.raises(StudioError, match=f"{kind} reads a text of more than 50 tokens otherwise"):
                backbone.answer_states(batch)
            continue
        alone = torch.stack([own(backbone, row[:n])[0][-1] for row, n in zip(inputs, lengths, strict=True)])
        torch.testing.assert_close(backbone.answer_states(batch), alone, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("family", [*PACKED_FORWARD, "mistral, window", "qwen3, window", "smollm3", "granite", "gpt2"])
def test_bfloat16_does_not_hide_a_difference_nor_make_one(family: str) -> None:
    backbone = backbone_of(family).to(torch.bfloat16)
    told = listening(backbone)
    backbone.prove()
    assert bool(told) == (family in TRANSFORMERS_FORWARD)


@pytest.mark.parametrize(("scale", "dtype"), [(0.02, torch.bfloat16), (0.005, torch.float32)])
@pytest.mark.parametrize("kind", ["smollm3", "granite", "gemma2"])
def test_untrained_weights_that_hide_an_architecture_are_seen_through(
    kind: str, scale: float, dtype: torch.dtype
) -> None:
    """At the usual scale of random weights attention is nearly uniform, whatever positions and scores enter it."""
    settings = dict(TRANSFORMERS_FORWARD["smollm3"][1]) | ({"residual_multiplier": 0.9} if kind == "granite" else {})
    marks = {"vocab_size": 424, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **marks, **settings, initializer_range=scale)
    backbone = CausalBackbone(AutoModelForCausalLM.from_config(config).to(dtype), tiny_tokenizer(), kind, "random", 512)
    told = listening(backbone)
    backbone.prove()
    assert len(told) == 1
    assert not any(isinstance(module, FusedRMSNorm) for module in backbone.modules()), "the library's own pass as it is"


def test_any_departure_of_the_packed_reading_makes_way_for_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for a change of Transformers that this code does not know yet."""
    backbone = backbone_of("llama")
    block = backbone._decoder().layers[1]
    own_forward = block.forward
    monkeypatch.setattr(block, "forward", lambda *args, **kwargs: own_forward(*args, **kwargs) * 1.5)
    told = listening(backbone)
    check_all(backbone)
    assert len(told) == 1


def test_a_model_that_looks_ahead_is_refused() -> None:
    backbone = CausalBackbone(
        random_model("bert", TRANSFORMERS_FORWARD["bert as decoder"][1] | {"is_decoder": False}),
        tiny_tokenizer(),
        "b",
        "x",
        512,
    )
    with pytest.raises(StudioError, match="does not follow, token by token, from the embeddings before it"):
        backbone.prove()


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_answers_that_are_no_numbers_are_refused(family: str) -> None:
    backbone = backbone_of(family)
    next(parameter for parameter in backbone.parameters() if parameter.ndim == 1).data.fill_(torch.nan)
    with pytest.raises(StudioError, match="no number"):
        backbone.prove()


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_model_that_the_library_cannot_run_is_refused_in_one_line(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the kernels of an architecture are not installed."""
    backbone = backbone_of(family)

    def missing(*_: object, **__: object) -> None:
        raise ImportError("no kernels here\nrun pip")

    monkeypatch.setattr(backbone._decoder(), "forward", missing)
    with pytest.raises(StudioError, match=rf"cannot read a text with {family}: no kernels here \(llm.name\)"):
        backbone.prove()


def test_an_encoder_decoder_proves_itself_too() -> None:
    backbone = tiny_seq2seq(0)
    backbone.prove()
    changed = tiny_seq2seq(0)
    changed.model.config.scale_decoder_outputs = not changed.model.config.scale_decoder_outputs
    changed.model.lm_head.register_forward_hook(lambda _, __, output: output + torch.arange(output.shape[-1]))
    with pytest.raises(StudioError, match="answers otherwise than by its own forward pass"):
        changed.prove()


def test_the_proof_leaves_random_numbers_and_adapters_alone() -> None:
    backbone = tiny_causal(0)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    backbone.prove()
    assert torch.rand(1) == expected
    assert not backbone._decoder()._forward_hooks
    assert not any(module._forward_hooks for module in backbone.modules())


def test_a_prompt_and_its_answer_beyond_the_context_are_refused() -> None:
    backbone = backbone_of("gpt2")
    batch = Embedded(inputs_of(backbone)[:, :1].expand(-1, 510, -1), torch.tensor([510] * 3))
    with pytest.raises(StudioError, match="its answer of 513 tokens do not fit gpt2's context of 512"):
        backbone.continuation_logprobs(batch, [[(1, 2, 3)]] * 3)
