"""A soft prompt that depends on the history: where the teacher's states are added, what they leave alone, its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from llm_world import BACKBONES, CANDIDATES, HISTORY, TITLES, make_catalogue
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.architectures import ARCHITECTURES
from engine.config import LLMConfig, TeacherConfig
from engine.errors import StudioError
from engine.falsify.experiment import FalsificationSample
from engine.llm import Backbone, Prompts, PromptScorer, SoftPrompt, make_verbalizer
from engine.llm.conditioner import PROJECTION, TEACHER, Conditioner
from engine.llm.sequence_prompts import SequencePrompts
from engine.llm.tiny import tiny_causal
from engine.teachers import Teacher

N = len(TITLES) - 2
"""Items of the data set; the last titles are one's own."""
LISTS = SequencePrompts("movie", "SASRec", make_catalogue(TITLES))


def teacher(name: str = "sasrec") -> Teacher:
    torch.manual_seed(5)
    made = Teacher(N, TeacherConfig(name=name, width=8, layers=1, heads=2, max_length=6))
    made.network.eval()
    return made


def conditional(backbone: Backbone, name: str = "sasrec") -> SoftPrompt:
    prompt = SoftPrompt.from_vocabulary(backbone, 5, seed=3)
    prompt.conditioner = Conditioner(teacher(name), backbone.width).to(backbone.device)
    return prompt.requires_grad_(False)


def learned(backbone: Backbone, name: str = "sasrec") -> SoftPrompt:
    """With a projection that is not zero any more."""
    prompt = conditional(backbone, name)
    assert prompt.conditioner is not None
    prompt.conditioner.projection.normal_(generator=torch.Generator().manual_seed(1))
    return prompt


def scorer(backbone: Backbone, prompt: SoftPrompt, verbalizer: str = "title-vectors") -> PromptScorer:
    catalogue = make_catalogue(TITLES)
    made = make_verbalizer(LLMConfig(verbalizer=verbalizer), backbone, catalogue, np.arange(N), 0)
    return PromptScorer(backbone, made, prompt)


def test_each_slot_gets_the_projected_state_of_the_titles_before_it() -> None:
    """By hand: the embeddings are those of the constant prompt, but for the answer slots."""
    backbone, prompts = tiny_causal(0), [LISTS.lsr(HISTORY, (), True), LISTS.lsr(HISTORY[:1], (), True)]
    soft = learned(backbone)
    assert soft.conditioner is not None
    asked = scorer(backbone, soft)
    shifted = asked.embed(prompts).inputs
    plain = backbone.embed(asked.encode(prompts), soft.weight).inputs
    for row, history in enumerate((HISTORY, HISTORY[:1])):
        slots = list(asked.encode(prompts)[row].slots)
        states = torch.cat(
            [soft.conditioner.teacher.prefix_states([history[:n]])[-1:] for n in range(len(history) + 1)]
        )
        normed = (states - states.mean(1, keepdim=True)) / (states.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        torch.testing.assert_close(
            shifted[row, slots] - plain[row, slots], normed @ soft.conditioner.projection.T, atol=1e-5, rtol=1e-4
        )
        others = [place for place in range(plain.shape[1]) if place not in slots]
        assert torch.equal(shifted[row, others], plain[row, others])


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("kind", BACKBONES)
def test_before_it_has_learned_it_is_the_constant_prompt(kind: str, name: str) -> None:
    backbone = BACKBONES[kind](0)
    soft = conditional(backbone, name)
    constant = SoftPrompt(soft.weight, soft.backbone_name).requires_grad_(False)
    prompts = [LISTS.lsr(HISTORY, (), True), LISTS.hidden(HISTORY[:2], HISTORY[2]), LISTS.rps([], ())]
    one, other = scorer(backbone, soft).embed(prompts), scorer(backbone, constant).embed(prompts)
    assert torch.equal(one.inputs, other.inputs)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_comes_later_changes_no_earlier_answer(name: str) -> None:
    """Whatever the teacher: behind each prefix of a list the answer is that to the prefix asked alone."""
    backbone = tiny_causal(0)
    asked = scorer(backbone, learned(backbone, name))
    with torch.no_grad():
        whole = asked.slot_scores([LISTS.lsr(HISTORY, (), True)])
        alone = asked.slot_scores([LISTS.lsr(HISTORY[:n], (), True) for n in range(len(HISTORY) + 1)], ends=True)
    torch.testing.assert_close(whole, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", BACKBONES)
def test_two_histories_of_one_text_are_told_apart_in_either_form(kind: str) -> None:
    """Items with one title: what the teacher knows of them is all that differs."""
    backbone, twins = BACKBONES[kind](0), make_catalogue(("Alien", *TITLES[1:3], "Alien", *TITLES[4:]))
    asked = scorer(backbone, learned(backbone), "title-tokens")
    candidates = np.array([CANDIDATES, CANDIDATES])
    for form in (SequencePrompts, Prompts):
        prompts = form("movie", "SASRec", twins, show_year=False)
        first, second = prompts.lsr([0, 5], CANDIDATES, True), prompts.lsr([3, 5], CANDIDATES, True)
        first = type(first)(second.segments, second.answer, second.reply, first.history)  # the year is left out
        scores = asked.scores([first, second], candidates)
        assert np.abs(scores[0] - scores[1]).max() > 1e-4
        alike = asked.scores([second, second], candidates)
        np.testing.assert_allclose(alike[0], scores[1], atol=1e-4)


def test_titles_of_ones_own_leave_the_state_as_it_was() -> None:
    backbone = tiny_causal(0)
    soft = learned(backbone)
    assert soft.conditioner is not None
    known, longer = soft.conditioner([HISTORY[:2], [HISTORY[0], N, HISTORY[1], N + 1]])
    torch.testing.assert_close(longer, known[[0, 1, 1, 2, 2]])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_saved_and_loaded_it_answers_alike(tmp_path: Path, name: str) -> None:
    backbone = tiny_causal(0)
    soft, file = learned(backbone, name), tmp_path / "soft.safetensors"
    soft.head = {"head.x": torch.ones(2)}
    soft.save(file)
    loaded = SoftPrompt.load(file, backbone, N)
    assert soft.conditioner is not None
    assert loaded.conditioner is not None
    assert loaded.head.keys() == soft.head.keys()
    histories = [HISTORY, [], [1]]
    for one, other in zip(soft.conditioner(histories), loaded.conditioner(histories), strict=True):
        assert torch.equal(one, other)


def test_one_of_another_catalogue_is_refused(tmp_path: Path) -> None:
    backbone = tiny_causal(0)
    learned(backbone).save(tmp_path / "soft.safetensors")
    with pytest.raises(StudioError, match=f"teacher knows {N} items, the catalogue has {N + 1} .*same data set"):
        SoftPrompt.load(tmp_path / "soft.safetensors", backbone, N + 1)


@pytest.mark.parametrize("damage", ["no teacher", "no settings", "another shape"])
def test_a_damaged_one_is_refused(tmp_path: Path, damage: str) -> None:
    backbone, file = tiny_causal(0), tmp_path / "soft.safetensors"
    learned(backbone).save(file)
    tensors = load_file(file)
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    if damage == "no teacher":
        tensors = {name: tensor for name, tensor in tensors.items() if "teacher" not in name}
    elif damage == "no settings":
        metadata["teacher"] = json.dumps({"format": "2"})
    else:
        tensors["conditioner.projection"] = torch.zeros(backbone.width, 3)
    save_file(tensors, file, metadata)
    with pytest.raises(StudioError, match="no readable soft prompt"):
        SoftPrompt.load(file, backbone, N)


@pytest.mark.parametrize("part", ["weight", "head.x", PROJECTION, f"{TEACHER}items.weight"])
def test_answers_kept_for_one_prompt_are_no_others_that_differs_in_any_part(part: str) -> None:
    prompt = learned(tiny_causal(0))
    prompt.head = {"head.x": torch.zeros(2)}
    before = FalsificationSample.version(prompt)
    assert FalsificationSample.version(prompt) == before
    prompt.tensors()[part].view(-1)[0] += 1
    assert FalsificationSample.version(prompt) != before
