"""Tiny random language models for tests and the smoke preset: no download, the same in every process."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from engine.llm.backbone import Backbone
from engine.llm.causal import CausalBackbone
from engine.llm.seq2seq import Seq2SeqBackbone
from engine.seeds import derive

WIDTH = 32
LAYERS = 2
CONTEXT = 2048
PAD, START, END = "<pad>", "<|im_start|>", "<|im_end|>"


WORDS = (
    "the of and to in is a user next movie game item that oldest first Watched Played Bought Candidates Pattern "
    "pattern hidden predict watches plays buys predicted by Simulate Refer it would recommend find history "
    "Example The nothing"
)
"""Words of the prompts, one token each; all else falls back to smaller pieces, down to single bytes. Words of
further domains are not among them: with another vocabulary, models are no longer those that runs were made with."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_causal(seed: int) -> Backbone:
    """A Llama of two layers, with a chat template."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,  # at the usual 0.02 so small a model says the same to every prompt
    )
    model = drawn(LlamaForCausalLM, config, derive(seed, "tiny-causal"))
    return CausalBackbone(model, tokenizer, "tiny-causal", "random weights", CONTEXT)


def tiny_seq2seq(seed: int) -> Backbone:
    """A T5 of two layers on either side, gated like Flan-T5."""
    tokenizer = tiny_tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        d_kv=8,
        d_ff=2 * WIDTH,
        num_layers=LAYERS,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    model = drawn(T5ForConditionalGeneration, config, derive(seed, "tiny-seq2seq"))
    return Seq2SeqBackbone(model, tokenizer, "tiny-seq2seq", "random weights", CONTEXT)


def drawn(kind: type[PreTrainedModel], config: PreTrainedConfig, seed: int) -> Any:
    """A model of this class with random weights, biases among them: those that begin at zero would hide whatever
    forgets them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = kind(config)
        for weight in (*model.parameters(), *model.buffers()):
            if weight.is_floating_point() and not weight.any():
                torch.nn.init.normal_(weight, std=0.3)
    return model


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE over the words of the prompts: encodes and decodes any text without loss."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    blank = "Ġ"  # how byte-level BPE writes the blank before a word
    pieces: dict[str, None] = dict.fromkeys(alphabet)
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS.split():
        for end in range(1, len(word) + 1):
            left, right = blank + word[: end - 1], word[end - 1]
            merges[left, right] = pieces[left + right] = None
    tokenizer = Tokenizer(models.BPE(vocab={piece: index for index, piece in enumerate(pieces)}, merges=list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in (PAD, START, END)])
    marks = {"pad_token": PAD, "eos_token": END}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=CONTEXT, **marks)
