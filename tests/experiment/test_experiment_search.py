"""Searches: what may be searched over, what is tried next, what is given up; all of it from the trials alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from engine.errors import StudioError
from engine.experiment.files import search_from_yaml, search_to_yaml
from engine.experiment.search import Search, make_search
from engine.experiment.space import Range, read_space
from engine.experiment.trials import STARTUP, Trial, best_of, falls_behind, suggest
from engine.settings import load_config

ROOT = Path(__file__).resolve().parents[2]


def _search(*lines: str, overrides: tuple[str, ...] = (), **given: object) -> Search:
    return make_search("smoke", load_config("smoke", overrides=overrides), read_space(lines), **given)  # type: ignore[arg-type]


def _carried_out(search: Search, count: int) -> list[Trial]:
    """Trials whose value grows with the learning rate."""
    trials: list[Trial] = []
    for number in range(count):
        planned = suggest(search, trials, number)
        if planned is None:
            break
        trials.append(Trial(planned.config, "complete", {0: 0.1, 5: planned.config.finetune.lr}))
    return trials


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("finetune.lr=", "no value to choose from"),
        ("finetune.lr", "says no values"),
        ("finetun.lr=1..2", "did you mean finetune.lr?"),
        ("finetune.lr=1e-3", "one value leaves nothing to choose"),
        ("finetune.lr=1e-3,0.001", "comes twice"),
        ("distill.ta=true,false,false", "comes twice"),
        ("finetune.lr=1..", "no range of numbers"),
        ("finetune.lr=..1", "no range of numbers"),
        ("finetune.lr=a..b", "no range of numbers"),
        ("finetune.lr=nan..1", "no range of numbers"),
        ("finetune.lr=1e-4..1e-3..1e-2", "no range of numbers"),
        ("finetune.lr=1e-4..1e-3,1e-2", "neither a range nor a list"),
        ("finetune.lr=1e-2..1e-4", "nothing in it to choose from"),
        ("finetune.lr=1..1", "nothing in it to choose from"),
        ("finetune.lr=0..1", "greater than 0"),
        ("distill.soft_tokens=4..8.5", "no range of whole numbers"),
        ("teacher.name=sasrec..caser", "a range is for settings that are numbers"),
        ("finetune.enabled=true..false", "list the values: finetune.enabled=true,false"),
        ("llm.name=a..b", "one value leaves nothing to choose"),
        ("teacher.name=sasrec,nobody", "input should be"),
        ("finetune.enabled=true,false", "nothing is validated"),
        ("seed=1,2", "repeat the best one with several"),
        ("data.candidates=10,20", "could not be compared"),
        ("finetune.validation_users=5..9", "could not be compared"),
        ("teacher.validation_users=5..9", "could not be compared"),
        ("eval.users=5..60", "changes nothing"),
        ("run.processes=1,2", "changes nothing"),
        ("teacher.gsasrec.negatives=5,10", "changes nothing"),
    ],
)
def test_what_cannot_be_searched_over_is_refused(line: str, said: str) -> None:
    with pytest.raises(StudioError) as fault:
        _search(line)
    assert said in str(fault.value)


def test_what_matters_with_another_choice_only_may_be_searched() -> None:
    found = _search("teacher.name=sasrec,gsasrec", "teacher.gsasrec.negatives=5,10")
    assert list(found.space) == ["teacher.name", "teacher.gsasrec.negatives"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": "loss"}, "nothing is searched by"),
        ({"trials": 1}, "no search"),
        ({"overrides": ("finetune.enabled=false",)}, "nothing to validate"),
        ({"metric": "teacher.NDCG@10"}, "changes nothing that teacher.NDCG@10"),
    ],
)
def test_a_search_without_anything_to_be_judged_by_is_refused(given: dict, said: str) -> None:
    with pytest.raises(StudioError, match=said):
        _search("finetune.lr=1e-4..1e-2", **given)


def test_ranges_go_by_the_logarithm_where_their_ends_are_far_apart() -> None:
    space = read_space(["finetune.lr=1e-4..1e-2", "finetune.dropout=0..0.5", "distill.soft_tokens=4..8"])
    assert [it.log for it in space.values() if isinstance(it, Range)] == [True, False, False]
    drawn = [trial.config for trial in _carried_out(_search(*("finetune.lr=1e-4..1e-2", "finetune.dropout=0..0.5")), 8)]
    assert all(1e-4 <= it.finetune.lr <= 1e-2 and 0 <= it.finetune.dropout <= 0.5 for it in drawn)
    assert sum(it.finetune.lr < 1e-3 for it in drawn[1:]) >= 2


def test_the_base_is_tried_first_and_the_next_follows_from_the_trials_before() -> None:
    search = _search("finetune.lr=1e-4..1e-2", "teacher.name=sasrec,gru4rec")
    trials = _carried_out(search, 14)
    base = load_config("smoke")
    assert (trials[0].config.finetune.lr, trials[0].config.teacher.name) == (base.finetune.lr, base.teacher.name)
    stored = Search.model_validate_json(search.model_dump_json())
    for number in (1, 11, 13):
        again = suggest(stored, trials[:number], number)
        assert again is not None
        assert again.config == trials[number].config
    other = suggest(_search("finetune.lr=1e-4..1e-2", "teacher.name=sasrec,gru4rec", overrides=("seed=7",)), [], 1)
    assert other is not None
    assert other.config.finetune.lr != trials[1].config.finetune.lr


def test_nothing_is_tried_twice_and_a_small_space_ends() -> None:
    search = _search("teacher.name=sasrec,gru4rec", "distill.soft_tokens=2..4", trials=50)
    trials = _carried_out(search, 50)
    assert search.trials == len(trials) == len({trial.config for trial in trials}) == 6


def test_combinations_that_contradict_are_left_out() -> None:
    search = _search("finetune.init_r=4..6", "finetune.target_r=3..5", trials=50)
    assert all(trial.config.finetune.init_r > trial.config.finetune.target_r for trial in _carried_out(search, 50))
    assert len(_carried_out(search, 50)) == 6


def test_who_is_below_the_median_is_given_up_once_enough_were_seen_to_their_end() -> None:
    config = load_config("smoke")
    others = [Trial(config, "complete", {0: 0.1, 5: 0.1 * place, 10: 0.9}) for place in range(1, STARTUP + 1)]
    optuna.logging.set_verbosity(optuna.logging.INFO)
    assert falls_behind(others, {0: 0.1, 5: 0.2})
    assert not falls_behind(others, {0: 0.1, 5: 0.35})
    assert not falls_behind(others, {0: 0.1})
    assert not falls_behind(others[1:], {0: 0.1, 5: 0.2})
    assert not falls_behind([Trial(config, "pruned", it.points) for it in others], {0: 0.1, 5: 0.2})
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR, "what it notes would stand in a run's log"


def test_the_best_is_one_that_was_seen_to_its_end() -> None:
    config = load_config("smoke")
    trials = [Trial(config, state, {1: value}) for state, value in (("pruned", 0.9), ("complete", 0.3), ("failed", 1))]
    assert best_of(trials) == 1
    assert best_of([Trial(config, "complete", {})]) is None


def test_optuna_is_not_loaded_before_it_draws() -> None:
    code = "import sys, jobs.searches, webapp.commands.tune; print('optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_a_search_is_written_and_read_back() -> None:
    lines = (
        "finetune.lr=1e-4..1e-2",
        "distill.soft_tokens=4..9",
        "teacher.name=sasrec,gru4rec",
        "distill.ta=true,false",
    )
    search = _search(*lines, overrides=("distill.steps=5",), trials=7, pruning=False)
    assert search_from_yaml(search_to_yaml(search), "file") == (search, "", "")


def test_a_file_of_a_search_is_understood_as_the_shell_is() -> None:
    text = """
        preset: smoke
        name: mine
        vary: {finetune.lr: 1e-4 .. 1e-2, teacher.name: [sasrec, gru4rec], distill.prompt: "distilled,none"}
        trials: 9
    """
    lines = ("finetune.lr=1e-4..1e-2", "teacher.name=sasrec,gru4rec", "distill.prompt=distilled,none")
    assert search_from_yaml(text, "file") == (_search(*lines, trials=9), "mine", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7", "describes no search"),
        ("vary: {", "not valid YAML"),
        ("preset: smoke\nseeds: 0-2", "unknown key 'seeds' in the file of a search"),
        ("preset: smoke\nvary: finetune.lr", "not understood"),
        ("preset: smoke", "nothing is searched over"),
        ("preset: smoke\nvary: {finetune.lr: 1..1}", "nothing in it to choose from"),
        ("preset: smoke\nvary: {finetune.lr: [1e-3]}", "one value leaves nothing to choose"),
        ("preset: smoke\nvary: {finetune.lr: }", "no value to choose from"),
        ("preset: smoke\nvary: {finetune.lr: []}", r"no value to vary over \(finetune.lr\) .*write vary as NAME"),
        ("preset: smoke\nvary: {finetun.lr: 1..2}", "did you mean finetune.lr"),
        ("preset: smoke\nvary: {finetune.lr: 1e-4..1e-2}\ntrials: many", "trials are a number"),
        ("preset: smoke\nvary: {finetune.lr: 1e-4..1e-2}\npruning: 1", "pruning is true or false"),
        ("preset: smoke\nvary: {finetune.lr: 1e-4..1e-2}\nmetric: HR@1", "nothing is searched by 'HR@1'"),
        ("preset: [smoke]\nvary: {finetune.lr: 1e-4..1e-2}", "unknown preset"),
    ],
)
def test_a_bad_file_of_a_search_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(StudioError, match=said):
        search_from_yaml(text, "file")
