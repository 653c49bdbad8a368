"""The six falsification tests: what would have to be seen if the pattern had *not* been distilled?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from engine.architectures import ARCHITECTURES
from engine.falsify.controls import RANDOM_LISTS
from engine.falsify.experiment import Ask, FalsificationSample, with_prompts
from engine.falsify.record import NUMBERS, Finding
from engine.metrics.agreement import AGREEMENT, agreement, kendall_tau
from engine.metrics.ranks import target_ranks
from engine.models import Models
from engine.rows import row_spec
from engine.seeds import generator
from engine.training_prompts import TrainingBatch, make_prompts

TAU = "kendall-tau"
ORDERS = 4
"""Orders of the candidates that test 6 asks about, the evaluation's own among them."""


def own_pattern(experiment: FalsificationSample) -> Finding:
    """1: only the prompt distilled from this teacher makes the language model rank like this teacher."""
    questions = experiment.rps(ranks=False)
    prompts = {name: prompt for name, prompt in experiment.prompts.items() if prompt is not None}
    asks = [experiment.frozen(name) for name in experiment.prompts]
    asks += [experiment.questioned(f"RPS, {name}", prompt, questions) for name, prompt in prompts.items()]
    found = experiment.ask(1, asks)
    teacher = experiment.scores(experiment.models.teacher)
    agreed = {name: agreement(found[name], teacher) for name in experiment.prompts}
    right = {name: _accuracy(found[f"RPS, {name}"], questions) for name in prompts}
    scale = {
        name: agreement(experiment.scores(ranker), teacher) for name, ranker in experiment.id_only_rankers().items()
    }

    evidence = experiment.evidence()
    for name, values in (agreed | scale).items():
        for measure in AGREEMENT:
            evidence.figure(name, measure, values[measure])
    for name, values_ in right.items():
        evidence.figure(f"RPS, {name}", "accuracy", values_)
    own = "distilled prompt"
    for name in (name for name in agreed if name != own):
        for measure in AGREEMENT:
            difference = agreed[own][measure] - agreed[name][measure]
            deciding = measure == TAU and name != "no prompt"
            evidence.rises(f"{own} over {name}", measure, difference, deciding=deciding)
    for control in experiment.controls:
        if control.teacher is not None:
            # One prompt may be the better one for both teachers: that says nothing of what is only one's own.
            other = experiment.scores(control.teacher)
            theirs = _taus(found[control.name], other) - _taus(found[own], other)
            ours = agreed[own][TAU] - agreed[control.name][TAU]
            evidence.rises(f"{control.name} over {own}, with {control.label}", TAU, theirs)
            evidence.rises(f"both prompts, with their own teacher over the other's ({control.label})", TAU,
                           (ours + theirs) / 2)  # fmt: skip
    for name in (name for name in right if name != own):
        evidence.rises(f"RPS, {own} over {name}", "accuracy", right[own] - right[name])
    there = {control.name for control in experiment.controls}
    missing = [] if there - {RANDOM_LISTS} else ["another teacher's prompt"]
    missing += [] if RANDOM_LISTS in there else ["a prompt distilled from random lists"]
    return evidence.finding(
        1,
        "The prompt carries this teacher's pattern",
        "Does the frozen language model rank more like the teacher with the distilled prompt than with an untrained "
        "one, with another teacher's, or with one distilled from random lists?",
        f"not compared with {' and '.join(missing)}" if missing else "",
    )


def teacher_name(experiment: FalsificationSample) -> Finding:
    """2: the teacher's name in the text decides nothing."""
    models, config = experiment.models, experiment.config
    other = next((control for control in experiment.controls if control.teacher is not None), None)
    unlike = (architecture.label for name, architecture in ARCHITECTURES.items() if name != config.teacher.name)
    label = other.label if other else next(unlike)
    prompts = make_prompts(config, models.dataset.catalogue, label)
    rows = experiment.rows()
    asks = [experiment.ranked(name, ranker) for name, ranker in rows.items()]
    asks += [experiment.ranked(f"{name} told {label}", with_prompts(ranker, prompts)) for name, ranker in rows.items()]
    found = experiment.ask(2, asks)
    teacher = experiment.scores(experiment.models.teacher)
    named = experiment.scores(other.teacher) if other and other.teacher else None

    evidence = experiment.evidence()
    for name in rows:
        own, swapped = found[name], found[f"{name} told {label}"]
        taus = _taus(own, teacher), _taus(swapped, teacher)
        evidence.figure(name, TAU, taus[0])
        evidence.figure(f"{name} told {label}", TAU, taus[1])
        evidence.stays(f"{name}, agreement with the teacher under its name and another", TAU, taus[0] - taus[1],
                       deciding=True)  # fmt: skip
        if named is not None:
            moved = _taus(swapped, named) - _taus(own, named)
            evidence.stays(f"{name}, agreement with {label} when {label} is named", TAU, moved, deciding=True)
    return evidence.finding(
        2,
        "Scores do not follow the teacher's name",
        f"Does it change the agreement with the teacher that the text speaks of {label} instead?",
    )


def leaks(experiment: FalsificationSample) -> Finding:
    """3: RPS is no guessing by elimination, and TA looks at what came next."""
    prompts = {name: experiment.prompts[name] for name in ("random prompt", "distilled prompt")}
    own = experiment.models.soft_prompt
    plain = experiment.rps(ranks=False)
    tasks = {f"RPS, {name}": (prompt, plain) for name, prompt in prompts.items()}
    if experiment.lists:  # elsewhere there is no place for ranks
        tasks["RPS with the teacher's ranks"] = own, experiment.rps(ranks=True)
    tasks["TA"] = own, experiment.ta(revealed=True)
    tasks["TA without the revealed item"] = own, experiment.ta(revealed=False)
    asks = [experiment.questioned(name, prompt, task) for name, (prompt, task) in tasks.items() if prompt is not None]
    found = experiment.ask(3, asks)
    right = {ask.name: _accuracy(found[ask.name], tasks[ask.name][1]) for ask in asks}

    evidence = experiment.evidence()
    for name, values in right.items():
        evidence.figure(name, "accuracy", values)
    distilled = right["RPS, distilled prompt"]
    evidence.rises(
        "RPS without ranks, distilled prompt over random prompt", "accuracy",
        distilled - right["RPS, random prompt"], deciding=True,
    )  # fmt: skip
    evidence.rises(
        "TA with the revealed item over without", "accuracy",
        right["TA"] - right["TA without the revealed item"], deciding=True,
    )  # fmt: skip
    if experiment.lists:
        evidence.rises(
            "RPS with the teacher's ranks over without", "accuracy", right["RPS with the teacher's ranks"] - distilled
        )
    return evidence.finding(
        3,
        "The tasks are solved without the leak",
        "Does the prompt find the teacher's first choice with none of its ranks in the text, and does Temporal "
        "Analysis make use of the item that came next?",
    )


def history_order(experiment: FalsificationSample) -> Finding:
    """4: the order of the history matters, as it does to the teacher."""
    n, seed = experiment.config.data.history, experiment.config.seed
    shuffled = [_shuffled(history, n, seed, int(user)) for user, history in zip(
        experiment.examples.users, experiment.examples.histories, strict=True)]  # fmt: skip
    models = {experiment.models.teacher.name: experiment.models.teacher, **experiment.rows()}
    asks = [experiment.ranked(name, ranker) for name, ranker in models.items()]
    asks += [experiment.ranked(f"{name} shuffled", ranker, shuffled) for name, ranker in models.items()]
    found = experiment.ask(4, asks)

    evidence = experiment.evidence()
    last = list(models)[-1]
    for measure, per_user in (("HR@1", experiment.hits), ("NDCG@5", experiment.gains)):
        for name in models:
            kept, lost = per_user(found[name]), per_user(found[f"{name} shuffled"])
            evidence.figure(name, measure, kept)
            evidence.figure(f"{name} shuffled", measure, lost)
            decides = name == last and measure == "HR@1"
            evidence.rises(f"{name}, in order over shuffled", measure, kept - lost, deciding=decides)
    return evidence.finding(
        4,
        "Order matters",
        f"Do the metrics fall when the last {n} items of the history are shuffled at inference, as the teacher's do?",
    )


def titles(experiment: FalsificationSample) -> Finding:
    """5: with titles permuted between ids, what remains is not world knowledge."""
    permuted = with_permuted_titles(experiment)
    last = ""
    asks: list[Ask] = []
    for name, ranker in experiment.rows().items():
        asks += [experiment.ranked(name, ranker), experiment.ranked(f"{name} permuted titles", permuted.ranker(name))]
        last = name
    found = experiment.ask(5, asks)
    teacher, chance = experiment.scores(experiment.models.teacher), 1 / experiment.candidates.shape[1]

    evidence = experiment.evidence()
    for name in experiment.rows():
        real, wrong = found[name], found[f"{name} permuted titles"]
        hits = experiment.hits(real), experiment.hits(wrong)
        evidence.figure(name, "HR@1", hits[0])
        evidence.figure(f"{name} permuted titles", "HR@1", hits[1])
        evidence.figure(name, TAU, _taus(real, teacher))
        evidence.figure(f"{name} permuted titles", TAU, _taus(wrong, teacher))
        evidence.rises(f"{name}, real titles over permuted ones", "HR@1", hits[0] - hits[1], deciding=name == last)
        evidence.rises(f"{name}, permuted titles over chance", "HR@1", hits[1] - chance)
    return evidence.finding(
        5,
        "Titles carry what is known",
        "How much is left when every item bears the title of another? What is left is not knowledge of the world.",
    )


def candidate_order(experiment: FalsificationSample) -> Finding:
    """6: the place in the list of candidates decides nothing."""
    n, m = experiment.candidates.shape
    rows = {name: ranker for name, ranker in experiment.rows().items() if not row_spec(name).mixed}
    random = generator(experiment.config.seed, "falsify", "candidate order")
    orders = np.stack([np.tile(np.arange(m), (n, 1)), *(
        random.permuted(np.tile(np.arange(m), (n, 1)), axis=1) for _ in range(ORDERS - 1))], axis=1)  # fmt: skip
    listed = np.take_along_axis(np.repeat(experiment.candidates[:, None], ORDERS, axis=1), orders, axis=2)
    # One user's orders stand side by side, so that her history is read once.
    histories = [history for history in experiment.examples.histories for _ in range(ORDERS)]
    asks = [experiment.ranked(f"{name} in {ORDERS} orders", ranker, histories, listed.reshape(-1, m))
            for name, ranker in rows.items()]  # fmt: skip
    found = experiment.ask(6, asks)
    targets = np.repeat(experiment.examples.targets, ORDERS)
    columns = (listed.reshape(-1, m) == targets[:, None]).argmax(axis=1)

    evidence = experiment.evidence()
    last = list(rows)[-1]
    for name in rows:
        scores = found[f"{name} in {ORDERS} orders"]
        places = target_ranks(scores, columns).expected.reshape(n, ORDERS)
        bias = np.array([kendall_tau(-np.arange(m), row) for row in scores]).reshape(n, ORDERS)
        evidence.figure(name, "rank", places.mean(axis=1))
        evidence.figure(name, "sd of the rank", places.std(axis=1))
        evidence.stays(f"{name}, preference for early places", TAU, bias.mean(axis=1), deciding=name == last)
    return evidence.finding(
        6,
        "The order of the candidates does not matter",
        f"How much does the true item's rank vary over {ORDERS} orders of the same {m} candidates, and are places of "
        "the list preferred? (Guessing would vary by "
        f"{np.sqrt((m * m - 1) / 12):.1f} ranks.)" + ("" if experiment.lists else " This run's prompts list none."),
    )


TESTS: dict[int, Callable[[FalsificationSample], Finding]] = dict(
    zip(NUMBERS, (own_pattern, teacher_name, leaks, history_order, titles, candidate_order), strict=True)
)


def with_permuted_titles(experiment: FalsificationSample) -> Models:
    """The run's models over a catalogue in which every item bears another's title; weights and ids are the same."""
    models = experiment.models
    catalogue = models.dataset.catalogue
    order = generator(experiment.config.seed, "falsify", "titles").permutation(len(catalogue))
    wrong = replace(
        catalogue,
        titles=tuple(catalogue.titles[i] for i in order),
        years=tuple(catalogue.years[i] for i in order),
        aliases=tuple(catalogue.aliases[i] for i in order),
        details=tuple(catalogue.details[i] for i in order),
    )
    return replace(models, dataset=replace(models.dataset, catalogue=wrong))


def _shuffled(history: np.ndarray, n: int, seed: int, user: int) -> np.ndarray:
    """The last ``n`` items in random order, those before them as they were."""
    recent = generator(seed, "falsify", "history", user).permutation(history[-n:])
    return np.concatenate([history[:-n], recent])


def _accuracy(scores: np.ndarray, questions: TrainingBatch) -> np.ndarray:
    right: np.ndarray = (scores.argmax(axis=1) == questions.labels).astype(np.float64)
    return right


def _taus(scores: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    return agreement(scores, teacher)[TAU]
