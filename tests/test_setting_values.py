"""Values as people write them: texts literally, other kinds by what the setting is, nothing twice, nothing endless."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.config import RunConfig
from engine.errors import StudioError
from engine.fields import describe
from engine.settings import changes, command_line, flatten, load_config, make_config, nest, overrides, to_yaml
from webapp.form import Form

TEXTS = [
    "/x #2",
    "007",
    "null",
    "~",
    "none",
    "yes",
    "1e-3",
    "1_000",
    "2024-05-01",
    "12:30:45",
    "a: b",
    "a=b",
    "'quoted'",
    '"quoted"',
    "[x]",
    "{x: y}",
    "- x",
    "*x",
    "&x",
    "!x",
    "%x",
    "@x",
    "`x`",
    "| x",
    "> x",
    " x ",
    "true",
    ".inf",
    "0x10",
    "$HOME",
    "a\\nb",
    "tab\there",
    "zwei\nZeilen",
    "Übung 文",
    "?",
]
FREE = ("data.path", "distill.prompt_run")
"""Texts that may be any."""


def value_of(config: RunConfig, name: str) -> Any:
    return dict(flatten(config))[name]


def ways(name: str, text: str) -> dict[str, RunConfig]:
    """A configuration with this text, by each way in which settings come."""
    base = ["distill.prompt=run"] if name == "distill.prompt_run" else []
    direct = load_config("smoke", overrides=[*base, f"{name}={text}"])
    section, _, field = name.partition(".")
    values = {"distill": {"prompt": "run"}} if base else {}
    values.setdefault(section, {})[field] = text
    words = shlex.split(command_line(direct, "smoke"))
    sets = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    form = Form(load_config("smoke"))
    return {
        "--set": direct,
        "YAML": load_config("smoke", text=yaml.safe_dump(values)),
        "written YAML": load_config(text=to_yaml(direct)),
        "command line": load_config("smoke", overrides=sets),
        "address": load_config("smoke", overrides=overrides(changes(direct, load_config("smoke")))),
        "mapping": make_config({**RunConfig().model_dump(), **direct.model_dump()}),
        "form": form.config(form.values(direct)) if text == text.strip() else direct,
    }


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", FREE)
def test_a_text_is_taken_literally_in_every_way(name: str, text: str) -> None:
    for way, config in ways(name, text).items():
        assert value_of(config, name) == text, way


@given(st.text(min_size=1, max_size=30))
def test_any_text_on_the_command_line_is_taken_literally(text: str) -> None:
    assert load_config("smoke", overrides=[f"data.path={text}"]).data.path == text


@pytest.mark.parametrize("text", ["007", "yes", "1e-3", "2024-05-01", "1:30", "0o17", "/x#2"])
def test_plain_words_in_a_file_are_no_numbers_where_a_text_is_meant(text: str) -> None:
    config = load_config("smoke", text=f"llm: {{name: {text}}}\ndata:\n  path: {text}\nteacher: {{also: []}}\n")
    assert (config.llm.name, config.data.path) == (text, text)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("distill.steps=50", 50),
        ("distill.steps= 0050 ", 50),
        ("distill.steps=1e3", 1000),
        ("distill.steps=010", 10),
        ("distill.lr=1e-3", 0.001),
        ("distill.lr=5E-4", 0.0005),
        ("distill.lr=1", 1.0),
        ("distill.ta=no", False),
        ("distill.ta=Yes", True),
        ("distill.ta=off", False),
        ("teacher.also=[caser, gru4rec]", ["caser", "gru4rec"]),
        ("teacher.also=caser,gru4rec", ["caser", "gru4rec"]),
        ("teacher.also=caser", ["caser"]),
        ("teacher.also=[]", []),
        ("teacher.also=", []),
        ("finetune.targets=[007, 'on', yes, \"a,b\"]", ["007", "on", "yes", "a,b"]),
        ("finetune.top_layers=", None),
        ("finetune.top_layers=null", None),
        ("finetune.top_layers=None", None),
        ("eval.users=~", None),
        ("data.path=", None),
        ("teacher.name= caser ", "caser"),
        ("seed=7", 7),
    ],
)
def test_other_kinds_are_read_by_what_the_setting_is(override: str, value: Any) -> None:
    name = override.partition("=")[0]
    config = load_config("smoke", overrides=[override])
    assert value_of(config, name) == value
    again = load_config("smoke", overrides=overrides({name: value}))
    assert value_of(again, name) == value
    assert load_config(text=to_yaml(config)) == config


@pytest.mark.parametrize(
    "override", ["distill.steps=1.5", "distill.ta=maybe", "distill.lr=fast", "distill.steps=1e400"]
)
def test_what_means_nothing_for_a_kind_is_refused(override: str) -> None:
    with pytest.raises(StudioError, match=override.partition("=")[0]):
        load_config("smoke", overrides=[override])


NUMBERS = [setting.name for setting in describe() if setting.kind in ("number", "whole")]


@pytest.mark.parametrize("word", ["inf", "-inf", "nan", "Infinity", "1e999"])
def test_no_number_may_be_infinite_or_undefined_however_it_is_given(word: str) -> None:
    number = float(word)
    form = Form(load_config("smoke"))
    for name in NUMBERS:
        nested = nest({name: number})
        shown = form.values(load_config("smoke"))
        shown[[setting.name for setting in form.settings].index(name)] = number
        given = {
            "--set": lambda: load_config("smoke", overrides=[f"{name}={word}"]),  # noqa: B023
            "mapping": lambda: make_config(nested),  # noqa: B023
            "YAML": lambda: load_config("smoke", text=yaml.safe_dump(nested)),  # noqa: B023
            "dotted": lambda: load_config("smoke", text=f"{name}: {word}"),  # noqa: B023
            "form": lambda: form.config(shown),  # noqa: B023
        }
        for way, make in given.items():
            with pytest.raises(StudioError) as refused:
                make()
            assert name in str(refused.value), (way, refused.value)
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "distill: {steps: 5}\nfinetune: {steps: 7}\ndistill: {lr: 0.1}",
            "section 'distill' comes twice, in lines 1 and 3",
        ),
        ("distill:\n  steps: 5\n  lr: 0.1\n  steps: 6\n", "setting 'distill.steps' comes twice, in lines 2 and 4"),
        ("distill: {steps: 5, steps: 5}", "setting 'distill.steps' comes twice, in lines 1 and 1"),
        ("seed: 1\nseed: 1\n", "setting 'seed' comes twice, in lines 1 and 2"),
        ("seed: 1\n'seed': 2\n", "setting 'seed' comes twice"),
        ("distill.steps: 5\ndistill: {lr: 0.1, steps: 6}", "setting 'distill.steps' comes twice, in lines 1 and 2"),
        ("distill.steps: 5\ndistill.steps: 6", "setting 'distill.steps' comes twice"),
        ("distill:\nseed: 1\ndistill: {steps: 3}", "section 'distill' comes twice, in lines 1 and 3"),
        ("data: {path: a}\ndata: {path: a}", "section 'data' comes twice"),
        ("seed: 1\n---\nseed: 2", "not valid YAML"),
        ("a: &a {steps: 5}\ndistill: {<<: *a}", "this is no setting's name"),
        ("[1, 2]: 3", "this is no setting's name"),
        ("- seed", "expected settings by section"),
        ("just words", "expected settings by section"),
        ("distill: {steps: {a: 1}}", "distill.steps={} is not usable"),
        ("distill: 5", "distill="),
        ("distil: {steps: 5}", "unknown setting 'distil'"),
        ("distill.stps: 5", "did you mean distill.steps"),
        ("x" * 10 + ": " + "[" * 5000, "not valid YAML"),
        ("seed: \x00", "not valid YAML"),
        ("data: &a {path: *a}", "not usable"),
    ],
    ids=range(21),
)
def test_files_that_do_not_say_one_thing_are_refused_with_the_line(text: str, said: str) -> None:
    with pytest.raises(StudioError) as refused:
        load_config("smoke", text=text, where="mine.yaml")
    assert said in str(refused.value), refused.value
    assert "\n" not in str(refused.value)


def test_sections_and_dotted_names_mean_the_same_and_an_empty_section_nothing() -> None:
    nested = load_config("smoke", text="distill: {steps: 5, lr: 5e-3}\nseed: 3\nteacher: {also: [caser]}\nfinetune:\n")
    dotted = load_config("smoke", text="distill.steps: 5\nseed: 3\ndistill: {lr: 0.005}\nteacher.also: [caser]\n")
    assert nested == dotted
    assert nested.finetune == load_config("smoke").finetune
    assert load_config("smoke", overrides=["distill={steps: 5, lr: 0.005}"]).distill == nested.distill
    assert load_config("smoke", text="# nothing\n") == load_config("smoke", text="") == load_config("smoke")
