"""Published differences: a row for two models, a column for a metric; bold what every seed agrees on."""

from engine.evaluate.report import Comparison
from engine.published.record import PublishedExperiment, PublishedRun
from engine.published.tables import differences

SEEDS = (
    {("delrec", "sasrec"): (0.02, 0.01, 0.03), ("delrec", "text"): (0.02, 0.01, 0.03)},
    {("delrec", "sasrec"): (0.04, 0.02, 0.06), ("delrec", "text"): (-0.05, -0.06, -0.04)},
)


def experiment(*seeds: dict[tuple[str, str], tuple[float, float, float]]) -> PublishedExperiment:
    runs = [
        PublishedRun(
            seed=seed,
            dataset="synthetic",
            protocol="",
            users=9,
            candidates=20,
            teacher="sasrec",
            minutes=1,
            models={},
            comparisons=[
                Comparison(a=a, b=b, metric=metric, difference=difference, low=low, high=high)
                for (a, b), (difference, low, high) in found.items()
                for metric, low in (("candidates.HR@1", low), ("full.NDCG@10", -0.07))
            ],
        )
        for seed, found in enumerate(seeds)
    ]
    return PublishedExperiment(preset="smoke", seeds=list(range(len(runs))), runs=runs)


def test_of_one_seed_what_its_interval_tells_from_zero_is_bold() -> None:
    assert differences(experiment(SEEDS[1])) == [
        "| Paired difference | HR@1, 20 candidates | NDCG@10, full |",
        "|---|---|---|",
        "| DELRec − SASRec | **+.040** [+.020, +.060] | +.040 [-.070, +.060] |",
        "| DELRec − Text recommender | **-.050** [-.060, -.040] | **-.050** [-.070, -.040] |",
        "",
        "**Bold**: better or worse; else there is no significant difference.",
    ]


def test_of_several_only_what_all_of_them_agree_on() -> None:
    *_, sasrec, text, _, rule = differences(experiment(*SEEDS))
    assert "| **+.020** [+.010, +.030]; **+.040** [+.020, +.060] |" in sasrec
    assert "| +.020 [+.010, +.030]; -.050 [-.060, -.040] |" in text, "one is better with it, the other worse"
    assert rule == "**Bold**: better or worse with every seed."


def test_what_a_seed_lacks_is_not_told() -> None:
    few = {("delrec", "text"): SEEDS[0]["delrec", "text"]}
    sasrec = differences(experiment(SEEDS[0], few))[2]
    assert sasrec == "| DELRec − SASRec | +.020 [+.010, +.030] | +.020 [-.070, +.030] |"
