"""The launch form, generated from the configuration model: one control per setting, values to settings and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.config import RunConfig
from engine.fields import Setting, describe
from engine.labels import label as model_label
from engine.settings import flatten, make_config, nest

SECTIONS = {
    "data": ("Data and protocol", "Interactions, split and candidates."),
    "teacher": ("Teacher", "The conventional sequential recommender whose pattern is distilled."),
    "llm": ("Language model", "The backbone, and how its outputs become scores."),
    "distill": ("Stage 1: distil", "The teacher's pattern goes into a soft prompt; the language model stays frozen."),
    "finetune": ("Stage 2: fine-tune", "AdaLoRA on the true next items; the soft prompt stays frozen."),
    "plus": (
        "DELRec-plus",
        "Beyond the paper: language model, text recommender, teachers, weighed by validation users.",
    ),
    "eval": ("Evaluation", "What is measured on the test users."),
    "run": ("Machine", "Where and how the run is worked on; its results do not depend on it, but for rounding."),
    "explain": ("Explanations", "Who writes about recommendations besides the run's own language model."),
}
"""Sections in the order of the pipeline, each with heading and explanation."""

NUMBERS = ("number", "whole")

LABELS = {
    "lr": "Learning rate",
    "ta": "Temporal Analysis (TA)",
    "rps": "Pattern Simulating (RPS)",
    "ta_weight": "TA weight",
    "also": "Further teachers",
    "copies": "Copies of each teacher",
    "init_r": "Initial rank",
    "target_r": "Target rank",
    "llm_rows": "LLM rows",
    "full_top": "Re-ranked items (K)",
    "teacher.name": "Architecture",
    "llm.name": "Model",
    "llm.seed": "Seed of tiny models",
    "distill.weights": "Mix of the losses",
    "distill.teacher": "Distilled teacher",
    "eval.users": "Test users",
    "finetune.enabled": "Fine-tune",
    "clip": "Gradient clip",
    "warmup": "Warm-up",
    "dtype": "Number format",
    "conditional": "Conditional prompt",
    "item_embeddings": "Teacher's item embeddings",
    "teacher_top": "Teacher's best (h)",
    "soft_tokens": "Soft tokens (k)",
    "history": "History (n)",
    "candidates": "Candidates (m)",
    "warm_steps": "Steps before pruning",
    "final_steps": "Steps after allocation",
    "top_layers": "Adapted layers",
    "prompt": "Soft prompt",
    "prompt_run": "Run of the soft prompt",
    "path": "Files",
    "text": "Text of an item",
    "unlisted": "Items not listed",
    "untitled": "Items without a title",
}
"""Words for settings whose own name does not say enough, by dotted or last name."""


class Form:
    """Controls of all settings, which show ``start`` at first. Values stand in the order of :attr:`settings`."""

    def __init__(self, start: RunConfig) -> None:
        self.settings = tuple(describe())
        self._start = dict(flatten(start))
        self.controls: dict[str, Component] = {}

    @property
    def components(self) -> list[Component]:
        """The controls in the order of the values."""
        return [self.controls[setting.name] for setting in self.settings]

    def place(self, section: str, *, advanced: bool) -> None:
        """Draw the controls of a section (of the settings outside any section with ``""``) where we stand."""
        for setting in self._of(section):
            if setting.advanced == advanced:
                self.controls[setting.name] = control(setting, self._start[setting.name])

    def has_advanced(self, section: str) -> bool:
        return any(setting.advanced for setting in self._of(section))

    def values(self, config: RunConfig) -> list[Any]:
        """What the controls show for ``config``."""
        named = dict(flatten(config))
        return [shown(setting, named[setting.name]) for setting in self.settings]

    def emptied(self) -> list[Any]:
        """Updates for the page's opening: the framework puts 0 where a number is empty, and it would mean 0. Choices
        that are not fixed are those of now."""
        return [
            None if self._start[now.name] is None and now.kind in NUMBERS
            else gr.Dropdown(choices=_offered(now)) if now.open
            else gr.skip()
            for now in describe()
        ]  # fmt: skip

    def filled(self, config: RunConfig) -> list[Any]:
        """As :meth:`values`, with the choices of now where they are not fixed."""
        return [
            gr.Dropdown(choices=_offered(now), value=value) if now.open else value
            for now, value in zip(describe(), self.values(config), strict=True)
        ]

    def config(self, values: Sequence[Any], varied: Mapping[str, Any] | None = None) -> RunConfig:
        """The configuration that the controls' ``values`` mean; ``varied`` as in :func:`engine.settings.make_config`.

        Raises:
            StudioError: a value is not usable, or settings contradict.
        """
        return make_config(nest({s.name: meant(s, v) for s, v in zip(self.settings, values, strict=True)}), varied)

    def _of(self, section: str) -> Iterator[Setting]:
        """Those of the sections within it too."""
        return (s for s in self.settings if section == (s.name.partition(".")[0] if "." in s.name else ""))


def _offered(setting: Setting) -> list[str | tuple[str, str]]:
    return [*([("empty", "")] if setting.optional else []), *setting.choices]


def control(setting: Setting, value: Any) -> Component:
    """The input that fits a setting's kind, with its value."""
    common: dict[str, Any] = {
        "label": label(setting),
        "info": setting.help,
        "value": shown(setting, value),
        "elem_id": element_id(setting.name),
        "elem_classes": ["dr-setting", f"{setting.kind}:{setting.name}"] if setting.name != "seed" else [],
        "min_width": 190,
    }
    if setting.kind == "switch":
        return gr.Checkbox(**common)
    if setting.kind == "list" and setting.choices:
        return gr.CheckboxGroup(choices=list(setting.choices), **common)
    if setting.choices or setting.open:
        return gr.Dropdown(
            choices=_offered(setting), filterable=setting.open, allow_custom_value=setting.open, **common
        )
    hint = "comma between entries" if setting.kind == "list" else "empty" if setting.optional else None
    if setting.kind in NUMBERS:
        return gr.Number(step=1 if setting.kind == "whole" else 0.0001, placeholder=hint, **common)
    return gr.Textbox(max_lines=1, placeholder=hint, **common)


def label(setting: Setting) -> str:
    """What people read above a control: words and unit, and whose setting it is where it is one teacher's alone."""
    section, _, name = setting.name.rpartition(".")
    words = LABELS.get(setting.name) or LABELS.get(name) or name.replace("_", " ").capitalize()
    if "." in section:
        words = f"{model_label(section.rpartition('.')[2])}: {words[:1].lower()}{words[1:]}"
    named = not setting.unit or setting.unit in words.lower()
    return words if named else f"{words} · {setting.unit}"


def element_id(name: str) -> str:
    """Id of a setting's control in the page."""
    return "setting-" + name.replace(".", "-").replace("_", "-")


def shown(setting: Setting, value: Any) -> Any:
    """A setting's value the way its control holds it."""
    if setting.kind == "list":
        return list(value) if setting.choices else ", ".join(value)
    if setting.kind == "text" and value is None:
        return ""
    return value


def meant(setting: Setting, value: Any) -> Any:
    """The setting's value that a control holds; the configuration decides whether it is usable."""
    if setting.kind == "list":
        if not setting.choices:
            return [part.strip() for part in str(value or "").split(",") if part.strip()]
        return [choice for choice in setting.choices if choice in (value or ())]
    if setting.kind == "text":
        text = str(value or "").strip()
        return None if not text and setting.optional else text
    return value
