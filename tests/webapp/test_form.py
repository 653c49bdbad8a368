"""The form holds every setting, and what it shows is what runs."""

from __future__ import annotations

import gradio as gr
import pytest

from engine.config import RunConfig
from engine.errors import StudioError
from engine.fields import describe
from engine.presets import PRESETS
from engine.settings import load_config
from webapp.form import SECTIONS, Form


@pytest.fixture(scope="module")
def form() -> Form:
    form = Form(load_config("smoke"))
    with gr.Blocks():
        form.place("", advanced=False)
        for section in SECTIONS:
            form.place(section, advanced=False)
            form.place(section, advanced=True)
    return form


def test_every_setting_has_a_control_with_its_help(form: Form) -> None:
    settings = {setting.name: setting for setting in describe()}
    assert set(form.controls) == set(settings)
    assert {name: control.info for name, control in form.controls.items()} == {
        name: setting.help for name, setting in settings.items()
    }


def test_the_form_starts_with_the_configuration_given(form: Form) -> None:
    assert [control.value for control in form.components] == form.values(load_config("smoke"))


def test_controls_fit_the_kind_of_the_setting(form: Form) -> None:
    kinds = {name: type(control).__name__ for name, control in form.controls.items()}
    assert kinds["teacher.name"] == "Dropdown"
    assert kinds["distill.ta"] == "Checkbox"
    assert kinds["distill.lr"] == "Number"
    assert kinds["teacher.also"] == "CheckboxGroup"
    assert kinds["data.path"] == "Textbox"
    for setting in form.settings:  # what is offered may be nothing as yet, and anything later
        assert not setting.open or kinds[setting.name] == "Dropdown"
    assert form.controls["data.candidates"].label.endswith("items")


def test_what_is_one_teacher_s_alone_says_whose(form: Form) -> None:
    assert form.controls["teacher.bert4rec.mask_share"].label == "BERT4Rec: mask share"
    assert form.controls["teacher.gsasrec.negatives"].label == "gSASRec: negatives · items"
    assert form.controls["teacher.negatives"].label == "Negatives · items"


@pytest.mark.parametrize("preset", PRESETS)
def test_values_of_a_preset_come_back_as_the_same_configuration(form: Form, preset: str) -> None:
    config = load_config(preset)
    assert form.config(form.values(config)) == config


def test_a_configuration_far_from_the_defaults_comes_back(form: Form) -> None:
    config = load_config(
        overrides=[
            "data.path=/data/my movies",
            "teacher.also=[caser, gru4rec]",
            "finetune.targets=[q_proj, v_proj]",
            "finetune.top_layers=null",
            "eval.users=null",
            "eval.llm_rows=[delrec]",
            "distill.prompt=run",
            "distill.prompt_run=r-abc234",
            "finetune.history_dropout=0.25",
            "teacher.caser.filters=5",
            "teacher.gru4rec.hidden=24",
        ]
    )
    back = form.config(form.values(config))
    assert back.model_dump(exclude={"teacher": {"also"}}) == config.model_dump(exclude={"teacher": {"also"}})
    assert set(back.teacher.also) == {"caser", "gru4rec"}


def test_the_browsers_numbers_are_taken_as_the_setting_needs_them(form: Form) -> None:
    values = dict(zip([setting.name for setting in form.settings], form.values(RunConfig()), strict=True))
    values["distill.steps"] = 50.0
    assert form.config(list(values.values())).distill.steps == 50


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("distill.steps", 0, "distill.steps"),
        ("distill.steps", 2.5, "distill.steps"),
        ("distill.steps", None, "distill.steps"),
        ("finetune.target_r", 64, "finetune.init_r"),
        ("llm.name", "  ", "llm.name"),
        ("teacher.name", "nonesuch", "teacher.name"),
    ],
)
def test_what_cannot_run_is_told_by_name(form: Form, name: str, value: object, said: str) -> None:
    values = dict(zip([setting.name for setting in form.settings], form.values(RunConfig()), strict=True))
    values[name] = value
    with pytest.raises(StudioError, match=said):
        form.config(list(values.values()))
