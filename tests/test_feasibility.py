"""What data or model cannot give is refused before anything is trained, and nothing else is."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_world import CANDIDATES, FORMS, SEQUENCE, make_dataset

from engine.config import RunConfig
from engine.data import Dataset, Split, candidate_sets, split_dataset
from engine.distill.stage import make_tasks, part_users
from engine.errors import StudioError
from engine.evaluate import sample_users
from engine.feasibility import check_data, check_prompts, longest_prompt
from engine.finetune.stage import make_task, validation_places
from engine.llm.prompts import Prompts
from engine.llm.tiny import tiny_causal, tiny_seq2seq
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.settings import load_config
from engine.teachers import Popularity
from engine.training_prompts import make_prompts
from engine.verbalizers import VERBALIZERS

TITLES = [f"Film {number}" for number in range(30)]
TINY = (*CANDIDATES, "data.candidates=4", "distill.teacher_top=2", "eval.full_top=4", "data.history=3")


def world(
    sequences: Sequence[Sequence[int]], *overrides: str, items: int = 12, titles: Sequence[str] = ()
) -> tuple[RunConfig, Dataset, Split]:
    config = load_config("smoke", overrides=(*TINY, *overrides))
    dataset = make_dataset(sequences, titles or TITLES[:items])
    return config, dataset, split_dataset(dataset, config.data)


def ask_everything(config: RunConfig, dataset: Dataset, split: Split, steps: int) -> None:
    """All questions that both stages and the evaluation would ask, without the models that answer them."""
    teacher = Popularity(split.train, split.n_items)
    if config.distill.prompt in ("distilled", "lsr"):
        for users in part_users(config, split):
            for task in make_tasks(config, dataset, split, teacher, users):
                task.last()
                for step in range(steps):
                    task.batch(step)
    if config.finetune.enabled:
        everybody, prompts = np.arange(len(split.train)), make_prompts(config, dataset.catalogue)
        task = make_task(config, dataset, split, prompts, everybody, soft=False)
        for step in range(steps):
            task.batch(step)
        validation = split.validation.take(validation_places(config, len(split.validation)))
        candidate_sets(dataset, validation, config.data, config.seed, "validation")
    tested = split.test.take(sample_users(len(split.test), config.eval.users, config.seed))
    candidate_sets(dataset, tested, config.data, config.seed, "test")


KINDS = [
    (),
    ("distill.ta=false",),
    ("distill.rps=false",),
    ("distill.prompt=lsr",),
    ("distill.prompt=none", "finetune.enabled=false"),
    ("distill.prompt=random",),
    ("finetune.enabled=false", "eval.users=2"),
    SEQUENCE,
    (*SEQUENCE, "distill.rps=false", "finetune.enabled=false"),
    (*SEQUENCE, "distill.prompt=lsr"),
    ("data.split=temporal",),
]


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=10, unique=True), min_size=2, max_size=7),
    st.sampled_from(KINDS),
    st.integers(2, 9),
    st.sampled_from([10, 12]),
    st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_what_passes_can_be_asked(
    sequences: list[list[int]], kind: tuple[str, ...], candidates: int, items: int, twins: bool
) -> None:
    titles = ["Film"] * 2 + TITLES[2:items] if twins else TITLES[:items]
    try:
        found = world(sequences, *kind, f"data.candidates={candidates}", titles=titles)
    except StudioError:
        return  # the temporal split has its own reasons
    try:
        check_data(*found)
    except StudioError:
        return
    ask_everything(*found, steps=6)


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_what_is_refused_cannot_be_asked(kind: tuple[str, ...]) -> None:
    """The most candidates that pass are the most that can be asked about, but for the teacher's choice, which may
    happen to lie in what the user did later."""
    sequences = [list(range(8)), [3, 1, 4, 9, 2, 6, 5, 7], list(range(7, -1, -1))]
    passing, askable = [], []
    for candidates in range(2, 9):
        found = world(sequences, *kind, f"data.candidates={candidates}", items=12)
        for check, works in ((check_data, passing), (lambda *x: ask_everything(*x, steps=30), askable)):
            try:
                check(*found)
            except StudioError:
                continue
            works.append(candidates)
    assert passing == askable == list(range(2, passing[-1] + 1))


@pytest.mark.parametrize(
    ("sequences", "overrides", "told"),
    [
        ([range(8)], (), "1 test user is too few"),
        ([range(8), range(2, 8)], (), "stage 1 trains on some users and validates on others; of 2, 1 has the 6"),
        ([range(5), range(5)], (), "of 2, none has the 6 training interactions"),
        ([range(5), range(3)], SEQUENCE, "of 2, 1 has the 2 training interactions"),
        ([range(3), range(3)], ("distill.ta=false",), "none has the 2 training interactions"),
        ([range(3), range(3)], ("distill.prompt=none",), "task LSR: it takes two items that look unlike"),
        ([range(9), range(8)], ("data.candidates=5",), "user 'user 0' has chosen 9 of 12 different items"),
        ([range(9), range(8)], ("data.candidates=5",), "set data.candidates to at most 4"),
        ([range(9), range(8)], ("data.candidates=9", "distill.teacher_top=8"), "and distill.teacher_top to at most 4"),
        ([range(12), range(12)], (), "bring data with more items"),
        ([range(8), range(8)], ("data.candidates=13",), "data.candidates=13 is more than the 12 items"),
        ([range(8), range(8)], ("eval.full_top=13",), "eval.full_top=13 is more than the 12 items"),
    ],
)  # fmt: skip
def test_reasons_are_the_right_ones(sequences: list[range], overrides: tuple[str, ...], told: str) -> None:
    with pytest.raises(StudioError) as refused:
        check_data(*world([list(sequence) for sequence in sequences], *overrides))
    assert told in str(refused.value)


def test_short_data_is_refused_before_any_model_is_loaded(tmp_path: Path) -> None:
    class Stages(Monitor):
        def __init__(self) -> None:
            self.begun: list[str] = []

        def stage(self, name: str, state: str, **_: object) -> None:
            self.begun += [name] if state == "running" else []

    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "items.csv").write_text("item,title\n" + "".join(f"i{n},Film {n}\n" for n in range(12)))
    rows = [f"u{user},i{(3 * user + n) % 12},{n}\n" for user in range(40) for n in range(8)]
    (folder / "interactions.csv").write_text("user,item,timestamp\n" + "".join(rows))
    stages = Stages()
    config = load_config("smoke", overrides=["data.dataset=csv", f"data.path={folder}"])
    with pytest.raises(StudioError, match="leaves too few for 10 candidates"):
        run_pipeline(config, tmp_path / "run", stages)
    assert stages.begun == ["data"]


@pytest.mark.parametrize(
    "overrides",
    [
        ("eval.full_top=20",),
        (*SEQUENCE, "llm.window=20"),
        (*SEQUENCE, "llm.window=20", "distill.rps=false", "eval.llm_rows=[]", "finetune.enabled=false"),
        (*SEQUENCE, "llm.window=3", "data.history=20"),
        ("distill.show_teacher_ranks=true", "data.candidates=10", "distill.teacher_top=10"),
        ("data.candidates=20", "data.history=10"),
        ("distill.prompt=lsr", "data.candidates=20", "finetune.enabled=false"),
    ],
)
def test_the_longest_prompt_is_as_long_as_prompts_get(overrides: tuple[str, ...]) -> None:
    titles = [f"Film {number}" for number in range(10, 60)]
    sequences = [list(range(24)), list(range(24))]
    config, dataset, split = world(sequences, *overrides, titles=titles)
    backbone, teacher = tiny_causal(0), Popularity(split.train, split.n_items)
    prompts, users = make_prompts(config, dataset.catalogue), np.arange(2)
    tasks = make_tasks(config, dataset, split, teacher, users)
    batches = [batch for task in tasks for batch in (task.last(), *(task.batch(step) for step in range(40)))]
    asked = [prompt for batch in batches for prompt in batch.prompts]
    asked += make_task(config, dataset, split, prompts, users, soft=True).last().prompts
    history = dataset.sequences[0][-config.data.history :]
    asked += [prompts.lsr(history, range(size), soft=True) for size in (config.data.candidates, config.eval.full_top)]
    lengths = [len(backbone.encode(prompt, config.distill.soft_tokens)) for prompt in asked]
    assert longest_prompt(config, backbone.encoder, prompts) == max(lengths), "as all titles are equally long"


@pytest.mark.parametrize("verbalizer", [name for name, it in VERBALIZERS.items() if not it.of_states])
def test_a_title_behind_the_prompt_must_fit_too(verbalizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = (f"llm.verbalizer={verbalizer}", "finetune.enabled=false")
    config, dataset, _ = world([range(8), range(8)], *overrides)
    prompts = make_prompts(config, dataset.catalogue)
    backbone = tiny_causal(0)
    monkeypatch.setattr(backbone, "context", longest_prompt(config, backbone.encoder, prompts))
    with pytest.raises(StudioError, match="with a title of"):
        check_prompts(config, backbone, prompts)
    check_prompts(config, tiny_seq2seq(0), prompts)  # writes the title elsewhere


TEACHERS_ONLY = ("distill.prompt=none", "finetune.enabled=false", "plus.enabled=false", "eval.llm_rows=[]")


@pytest.mark.parametrize(
    ("reads", "refused"),
    [
        ((), False),
        (("eval.llm_rows=[llm-zero-shot]",), True),
        (("finetune.enabled=true",), True),
        (("distill.prompt=distilled",), True),
        (("distill.prompt=lsr",), True),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_only_prompts_that_the_run_asks_must_fit(
    form: str, reads: tuple[str, ...], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, dataset, _ = world([range(8), range(8)], *FORMS[form], *TEACHERS_ONLY, *reads)
    backbone, prompts = tiny_causal(0), make_prompts(config, dataset.catalogue)
    monkeypatch.setattr(backbone.encoder, "context", 20)
    with pytest.raises(StudioError, match="does not fit") if refused else contextlib.nullcontext():
        check_prompts(config, backbone, prompts)


def test_titles_of_which_the_tokenizer_makes_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config, dataset, _ = world([range(8), range(8)])
    encoder = tiny_causal(0).encoder
    whole = encoder.all_tokens
    monkeypatch.setattr(
        encoder,
        "all_tokens",
        lambda texts: [ids if "7" not in t else () for t, ids in zip(texts, whole(texts), strict=True)],
    )
    prompts = Prompts("movie", "SASRec", dataset.catalogue)
    with pytest.raises(StudioError, match=r"makes nothing of 1 title, e\.g\. 'Film 7'"):
        longest_prompt(config, encoder, prompts)


def test_modules_that_no_adapter_could_fit_are_refused_before_any_work() -> None:
    config, dataset, _ = world([range(8), range(8)], "finetune.targets=[nothing_such]")
    with pytest.raises(StudioError, match=r"no module 'nothing_such' to adapt \(finetune.targets\)"):
        check_prompts(config, tiny_causal(0), make_prompts(config, dataset.catalogue))
