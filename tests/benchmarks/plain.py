"""The plain loops that ours are held against: what one writes first with transformers, peft and torch.

They get the same prompts, data, rank and batch sizes, and nothing is slowed down on purpose: no gradient through frozen
weights, no dataloader, fused optimizer steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from peft import AdaLoraConfig, get_peft_model
from torch import nn

from engine.config import RunConfig
from engine.data import Split
from engine.finetune.adalora import quiet
from engine.llm.encoder import PromptEncoder
from engine.metrics.full import catalogue_ranks
from engine.metrics.ranks import ndcg
from engine.seeds import generator
from engine.teachers.teacher import Teacher
from engine.training_prompts import TrainingBatch

PREFIXES = 256
"""Prefixes in a batch of the prefix-augmented loop."""


class PlainFinetune:
    """Next-token loss on the title of the right candidate; adapters on q and v of all layers, padded batches.

    The model is as Transformers loads it, with nothing of ours inside, on its device and in its number format.

    Args:
        bucketed: prompts of a step are put together by their length, so that less is padded.
    """

    def __init__(
        self, config: RunConfig, model: Any, encoder: PromptEncoder, titles: list[str], *, bucketed: bool = False
    ) -> None:
        self.titles, self.size, self.encoder, self.bucketed = titles, config.llm.micro_batch, encoder, bucketed
        self.embedding, self.device = model.get_input_embeddings(), model.device
        soft = torch.randn(config.distill.soft_tokens, model.config.hidden_size) * self.embedding.weight.detach().std()
        self.soft = soft.to(self.embedding.weight)
        settings = config.finetune
        adapters = AdaLoraConfig(
            target_modules=["q_proj", "v_proj"],
            init_r=settings.init_r,
            target_r=settings.target_r,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            total_step=1000,
            tinit=200,
            tfinal=300,
            deltaT=10,
        )
        with quiet():
            self.model = get_peft_model(model, adapters)
        self.model.train()
        self.optimizer = torch.optim.AdamW((p for p in self.model.parameters() if p.requires_grad), lr=settings.lr)
        self.step_number = 0

    def step(self, questions: TrainingBatch) -> int:
        """One optimizer step; returns the number of prompts."""
        asked = []
        for prompt, row, label in zip(questions.prompts, questions.candidates, questions.labels, strict=True):
            encoded = self.encoder.encode(prompt, len(self.soft))
            asked.append((encoded, torch.tensor(self.encoder.tokens(f" {self.titles[row[label]]}"))))
        if self.bucketed:
            asked.sort(key=lambda question: len(question[0]) + len(question[1]))
        for start in range(0, len(asked), self.size):
            part = asked[start : start + self.size]
            ids = [torch.cat([encoded.ids, answer]) for encoded, answer in part]
            wanted = [torch.cat([torch.full((len(encoded),), -100), answer]) for encoded, answer in part]
            padded = nn.utils.rnn.pad_sequence(ids, True, 0).to(self.device)
            inputs = self.embedding(padded)
            for row, (encoded, _) in enumerate(part):
                inputs[row, encoded.soft] = self.soft
            mask = torch.arange(padded.shape[1]) < torch.tensor([len(row) for row in ids])[:, None]
            labels = nn.utils.rnn.pad_sequence(wanted, True, -100).to(self.device)
            loss = self.model(inputs_embeds=inputs, attention_mask=mask.long().to(self.device), labels=labels).loss
            (len(part) / len(asked) * loss).backward()
        self.optimizer.step()
        self.model.base_model.update_and_allocate(self.step_number)
        self.optimizer.zero_grad()
        self.step_number += 1
        return len(questions)


def prefix_augmented(
    teacher: Teacher, split: Split, seed: int, seconds: Callable[[], float]
) -> Iterator[tuple[float, float]]:
    """Train ``teacher`` on every prefix of every sequence as an example of its own, as RecBole does.

    Yields:
        After each tenth of an epoch: ``seconds()`` spent on training, and validation NDCG@10.
    """
    config, network = teacher.config, teacher.network
    places = np.array([(user, end) for user, items in enumerate(split.train) for end in range(1, len(items))])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    random = generator(seed, "prefixes")
    per_look = max(1, len(places) // PREFIXES // 10)
    spent, batches = 0.0, 0
    while True:
        order = random.permutation(len(places))
        for start in range(0, len(order), PREFIXES):
            began = seconds()
            network.train()
            chosen = places[order[start : start + PREFIXES]]
            rows = [split.train[user][:end][-config.max_length :] for user, end in chosen]
            inputs = np.full((len(rows), config.max_length + 1), network.start)
            for row, items in enumerate(rows):
                inputs[row, 1 : 1 + len(items)] = items
            ends = torch.tensor([len(items) for items in rows])
            labels = torch.tensor([split.train[user][end] for user, end in chosen])
            real = torch.arange(inputs.shape[1]) <= ends[:, None]
            states = network(torch.from_numpy(inputs), real)[torch.arange(len(rows)), ends]
            nn.functional.cross_entropy(network.logits(states), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
            network.eval()
            spent += seconds() - began
            batches += 1
            if batches % per_look == 0:
                yield spent, validation_ndcg(teacher, split)


def validation_ndcg(teacher: Teacher, split: Split) -> float:
    """NDCG@10 of the validation items in the full catalogue."""
    part = split.validation
    ranks = catalogue_ranks(teacher.catalogue_scores(part.histories), part.histories, part.targets)
    return float(ndcg(ranks, 10).mean())
