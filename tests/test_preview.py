"""The preview shows the prompts that a run asks, with the lengths that its model reads."""

from __future__ import annotations

import pytest
from stage_world import FORMS

from engine.backbones import BACKBONES, TINY
from engine.config import RunConfig
from engine.data import Dataset, load_dataset
from engine.errors import StudioError
from engine.feasibility import check_prompts
from engine.llm import load_backbone
from engine.monitor import Monitor
from engine.preview import preview_prompts
from engine.settings import load_config
from engine.training_prompts import make_prompts

forms = pytest.mark.parametrize("form", FORMS)


def _world(*overrides: str, form: str = "sequence") -> tuple[RunConfig, Dataset]:
    config = load_config("smoke", overrides=[*FORMS[form], *overrides])
    return config, load_dataset(config.data, config.seed, Monitor())


@forms
@pytest.mark.parametrize("name", TINY)
def test_lengths_are_those_of_the_model_that_will_run(name: str, form: str) -> None:
    config, dataset = _world(f"llm.name={name}", form=form)
    backbone = load_backbone(config.llm, Monitor())
    preview = preview_prompts(config, dataset)
    assert [shown.task for shown in preview.prompts] == ["TA", "RPS", "LSR"]
    assert preview.soft_tokens == config.distill.soft_tokens
    assert [shown.tokens for shown in preview.prompts] == [
        len(backbone.encode(shown.prompt, config.distill.soft_tokens)) for shown in preview.prompts
    ]
    assert preview.longest is not None
    assert preview.longest >= max(shown.tokens or 0 for shown in preview.prompts)
    assert (preview.context, preview.notes) == (backbone.context, ())


def test_every_prompt_marks_the_soft_prompt_and_lists_its_answer_once() -> None:
    config, dataset = _world(form="candidates")
    for shown in preview_prompts(config, dataset).prompts:
        assert shown.questions == 1
        assert [segment.kind for segment in shown.prompt.segments].count("soft") == 1
        listed = [segment.text.strip() for segment in shown.prompt.segments if segment.kind == "candidate"]
        assert len(listed) == config.data.candidates
        assert listed.count(shown.answer) == 1


@pytest.mark.parametrize("name", TINY)
def test_in_the_sequence_form_lists_are_shown_that_the_model_goes_on_with(name: str) -> None:
    """What is shown is what training asks about the user's last window, before every title or at its end alone."""
    config, dataset = _world(f"llm.name={name}")
    prompts, window = make_prompts(config, dataset.catalogue), config.llm.window
    ta, rps, lsr = preview_prompts(config, dataset).prompts
    user = dataset.user_ids.index(preview_prompts(config, dataset).user)
    read = dataset.sequences[user][:-2][-window:].tolist()
    assert lsr.prompt == prompts.lsr(read[:-1], (), True)
    assert rps.prompt == prompts.rps(read[:-1], ())
    assert lsr.answer == prompts.titles[read[-1]]
    assert lsr.questions == rps.questions == (1 if BACKBONES[name.removeprefix("tiny-")].encoder_decoder else len(read))
    place = [prompts.titles[item] for item in read].index(ta.answer)
    assert ta.prompt == prompts.ta((), (read[0], read[1]), read[1:place], read[place + 1], ())
    assert ta.questions == 1
    for shown, verb in ((ta, "Analyse"), (rps, "Simulate"), (lsr, "Refer to")):
        assert shown.prompt.text().startswith(f"{verb} SASRec's pattern")
        assert [segment.kind for segment in shown.prompt.segments].count("soft") == 1


@forms
def test_only_training_interactions_are_shown(form: str) -> None:
    config, dataset = _world(form=form)
    preview = preview_prompts(config, dataset)
    held_out = dataset.sequences[dataset.user_ids.index(preview.user)][-2:]
    titles = make_prompts(config, dataset.catalogue).titles
    shown = [
        segment.text.strip()
        for s in preview.prompts
        for segment in (*s.prompt.segments, *s.prompt.reply)
        if segment.kind == "history"
    ]
    assert shown
    assert not {titles[item] for item in held_out} & set(shown)


@forms
def test_switched_off_tasks_are_not_shown(form: str) -> None:
    config, dataset = _world("distill.ta=false", form=form)
    assert [shown.task for shown in preview_prompts(config, dataset).prompts] == ["RPS", "LSR"]
    config, dataset = _world("distill.prompt=none", form=form)
    (only,) = preview_prompts(config, dataset).prompts
    assert (only.task, [s.kind for s in only.prompt.segments].count("soft")) == ("LSR", 0)


def test_another_user_can_be_asked_for_by_id() -> None:
    config, dataset = _world()
    wanted = dataset.user_ids[7]
    assert preview_prompts(config, dataset, wanted).user == wanted
    with pytest.raises(StudioError, match="no user 'nobody'"):
        preview_prompts(config, dataset, "nobody")


def test_a_model_that_is_not_here_leaves_the_counts_open() -> None:
    config, dataset = _world("llm.name=some/model")
    preview = preview_prompts(config, dataset)
    assert [shown.tokens for shown in preview.prompts] == [None] * 3
    assert "some/model is not on this machine yet" in preview.notes[0]


def test_prompts_that_do_not_fit_are_told_as_the_run_would_tell_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.llm.tiny.CONTEXT", 60)
    config, dataset = _world()
    preview = preview_prompts(config, dataset)
    assert preview.longest is None
    with pytest.raises(StudioError) as refused:
        check_prompts(config, load_backbone(config.llm, Monitor()), make_prompts(config, dataset.catalogue))
    assert preview.notes == (str(refused.value),)
