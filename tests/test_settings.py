"""The one configuration object: presets, YAML, dotted overrides, and clear refusals."""

import shlex

import pytest
from pydantic import BaseModel

from engine.architectures import ARCHITECTURES
from engine.config import RunConfig
from engine.errors import StudioError
from engine.presets import PRESETS
from engine.settings import changes, command_line, describe, flatten, load_config, preset_help, to_yaml
from engine.verbalizers import VERBALIZERS


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_and_say_what_they_are_for(preset):
    assert load_config(preset) != RunConfig()
    assert len(preset_help(preset)) > 30


@pytest.mark.parametrize("preset", PRESETS)
def test_yaml_round_trips(preset):
    config = load_config(preset)
    assert load_config(text=to_yaml(config)) == config


@pytest.mark.parametrize("preset", PRESETS)
def test_the_shell_command_reproduces_the_configuration(preset):
    config = load_config(preset, overrides=["distill.steps=7", "teacher.also=[caser]", "finetune.top_layers=null"])
    words = shlex.split(command_line(config, preset))
    overrides = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert load_config(preset, overrides=overrides) == config
    assert load_config(overrides=[f"{name}={value}" for name, value in {"distill.steps": 7}.items()]).distill.steps == 7


def test_later_sources_win_over_earlier_ones():
    config = load_config("smoke", text="distill: {steps: 8}\nseed: 3", overrides=["distill.steps=9"])
    assert (config.distill.steps, config.seed) == (9, 3)
    assert config.distill.soft_tokens == load_config("smoke").distill.soft_tokens


def test_scientific_notation_is_a_number():
    assert load_config(overrides=["distill.lr=5e-4"]).distill.lr == 5e-4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("distill.stps=3", "did you mean distill.steps"),
        ("distill.steps=many", "distill.steps='many'"),
        ("teacher.name=bert", f"{', '.join(map(repr, list(ARCHITECTURES)[:-1]))} or {list(ARCHITECTURES)[-1]!r}"),
        ("finetune.init_r=8", "init_r=8 must be above finetune.target_r=8"),
        ("nonsense=1", "unknown setting 'nonsense'"),
        ("seed.deep=1", "seed"),
        ("data.candidates=1", "greater than or equal to 2"),
        ("distill.teacher_top=21", "must not exceed data.candidates=20"),
        ("llm.prompts=candidates", "needs"),
        ("llm.verbalizer=title-likelihood", " or ".join(name for name, it in VERBALIZERS.items() if it.of_states)),
        ("finetune.history_dropout=0.1", "for prompts that list candidates"),
        ("distill.show_teacher_ranks=true", "for prompts that list candidates"),
        ("plus.teachers=both", "'one' or 'all'"),
        ("teacher.heads=3", "does not divide"),
        ("distill.prompt=run", "distill.prompt_run"),
        ("steps", "write it as"),
        ("distill.steps={", "distill.steps='{' is not usable"),
        ("distil.steps=3", "unknown setting 'distil.steps' (distil.steps) — did you mean distill.steps"),
        ("distill=5", "distill='5' is not usable"),
        ("distill={steps: 5, steps: 6}", "comes twice"),
        ("distill={stps: 5}", "did you mean distill.steps"),
        ("distill={steps: 5", "not valid YAML (--set distill"),
        ("finetune.targets=[q_proj", "finetune.targets='[q_proj' is not usable"),
    ],
)
def test_bad_settings_are_refused_in_one_line(override, said):
    with pytest.raises(StudioError) as refused:
        load_config("quickstart", overrides=[override])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("setting", [it.name for it in describe() if it.kind == "list"])
def test_a_list_in_yaml_is_called_a_list(setting: str) -> None:
    section, _, name = setting.rpartition(".")
    with pytest.raises(StudioError) as refused:
        load_config("quickstart", text=f"{section}: {{{name}: 5}}")
    assert str(refused.value).endswith("input should be a list")


def test_what_one_form_of_prompts_has_alone_is_refused_with_the_other():
    candidates = ["llm.prompts=candidates", "llm.verbalizer=title-tokens"]
    with pytest.raises(StudioError, match=r"finetune\.soft_labels needs llm\.prompts=sequence"):
        load_config("quickstart", overrides=[*candidates, "plus.enabled=false"])
    with pytest.raises(StudioError, match=r"ranks the whole catalogue: set llm\.prompts=sequence"):
        load_config("quickstart", overrides=[*candidates, "finetune.soft_labels=0"])
    alone = ["plus.enabled=false", "finetune.soft_labels=0"]
    learning = " or ".join(name for name, it in VERBALIZERS.items() if it.learns)
    with pytest.raises(StudioError, match=rf"distill\.item_embeddings is for .* llm\.verbalizer={learning}"):
        load_config("quickstart", overrides=[*candidates, *alone])
    load_config("quickstart", overrides=[*candidates, *alone, "distill.item_embeddings=false"])


def test_all_teachers_are_weighed_only_where_there_are_several():
    with pytest.raises(StudioError, match=r"name them in teacher\.also"):
        load_config("smoke", overrides=["plus.teachers=all"])
    load_config("smoke", overrides=["plus.teachers=all", "teacher.copies=2"])


def test_unknown_preset_names_the_known_ones():
    with pytest.raises(StudioError, match="quickstart"):
        load_config("fastest")


def test_every_setting_has_help():
    def check(model: type[BaseModel]) -> None:
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                check(field.annotation)
            else:
                assert field.description, f"{model.__name__}.{name} has no docstring"

    check(RunConfig)


def test_changes_lists_exactly_what_differs():
    config = load_config(overrides=["seed=4", "eval.users=10"])
    assert changes(config) == {"seed": 4, "eval.users": 10}
    assert dict(flatten(config))["eval.users"] == 10


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        (None, ["teacher.caser.filters=8"]),
        (None, ["teacher.caser={filters: 8}"]),
        (None, ["teacher={caser: {filters: 8}}"]),
        ("teacher: {caser: {filters: 8}}", []),
        ("teacher: {caser.filters: 8}", []),
        ("teacher.caser.filters: 8", []),
        ("teacher.caser: {filters: 8}", []),
        ("teacher: {filters: 8}", []),  # what the settings were called before
        ("teacher: {filters: 8, caser: }", []),
        ("teacher: {filters: 5, caser: {filters: 8}}", []),
        ("teacher: {filters: 5}", ["teacher.caser.filters=8"]),
    ],
)
def test_a_teacher_s_own_settings_are_a_section_within_its_section(text, overrides):
    config = load_config("smoke", text=text, overrides=[*overrides, "teacher.bert4rec.mask_share=0.3"])
    assert (config.teacher.caser.filters, config.teacher.bert4rec.mask_share) == (8, 0.3)
    assert config.teacher.width == load_config("smoke").teacher.width
    assert changes(config, load_config("smoke")) == {"teacher.caser.filters": 8, "teacher.bert4rec.mask_share": 0.3}
    assert load_config(text=to_yaml(config)) == config
    words = shlex.split(command_line(config, "smoke"))
    assert load_config("smoke", overrides=[words[i + 1] for i, word in enumerate(words) if word == "--set"]) == config


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("teacher.filters=8", "did you mean teacher.caser.filters"),
        ("teacher.caser.filter=8", "did you mean teacher.caser.filters"),
        ("teacher.caser={filter: 8}", "did you mean teacher.caser.filters"),
        ("teacher.caser=8", "teacher.caser='8' is not usable"),
        ("teacher={filters: many}", "teacher.caser.filters='many' is not usable"),
        ("teacher.gsasrec.t=2", "less than or equal to 1"),
        ("teacher.caser.filters.deep=8", "unknown setting 'teacher.caser.filters.deep'"),
    ],
)
def test_what_is_wrong_within_a_teacher_s_own_section_is_told_by_its_whole_name(override, said):
    with pytest.raises(StudioError) as refused:
        load_config(overrides=[override])
    assert said in str(refused.value)
