"""DELRec as a library: data, teachers, language model, the two stages, evaluation, explanations, falsification.

Knows no queue, database or web page. What follows is all that a notebook needs; it is imported when it is first used.

Settings, then a run of all stages into a folder. The preset ``smoke`` takes seconds; what is done already is not done
again:

>>> config = engine.load_config("smoke", overrides=["seed=0"])
>>> metrics = engine.run_pipeline(config, folder)

What a run left, and its models, which rank as they did in its results table:

>>> run = engine.RunFolder.open(folder)
>>> models = engine.Models.load(run)
>>> [row["name"] for row in run.report()["models"] if row["kind"] == "llm"]
['llm-zero-shot', 'llm-distilled', 'delrec', 'delrec-plus']

Every row is a :class:`Ranker`: float32 scores of candidates (int64 ``[users, candidates]``) after histories, higher is
better. Items are dense ids; the catalogue tells their titles:

>>> catalogue = models.dataset.catalogue
>>> models.ranker("delrec").scores([[3, 1], [4]], np.array([[5, 6, 7], [5, 6, 7]])).shape
(2, 3)

Recommendations after titles, and why the first of them is recommended:

>>> history = catalogue.titles[:3]
>>> len(models.recommend(history, k=5).llm.items)
5
>>> explained = engine.explanandum_of_titles(models, history)
>>> report = engine.explain_recommendation(engine.Explainer(explained), parts=["effects", "counterfactual"])
>>> len(report.effects.model["delete"].margin)  # what each title of the history contributes
3

The rest: :func:`evaluate_rankers` measures anything that ranks beside a run's rows, :func:`falsify_run` takes the tests
that could show that nothing was distilled, and a :class:`Monitor` hears of progress and may stop a run. Faults that
people can mend are :class:`StudioError`. ``explain``, ``evaluate`` and ``falsify`` alone are the packages' names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.registered import registered

if TYPE_CHECKING:
    from engine.errors import StudioError
    from engine.evaluate import RowEntry
    from engine.evaluate import evaluate as evaluate_rankers
    from engine.explain.explainer import Explainer
    from engine.explain.explainer import explain as explain_recommendation
    from engine.explain.explananda import explanandum_of_titles, explanandum_of_user
    from engine.falsify.suite import falsify as falsify_run
    from engine.models import Models
    from engine.monitor import Monitor
    from engine.pipeline import run_pipeline
    from engine.ranking import CatalogueRanker, Ranker
    from engine.run_folder import RunFolder
    from engine.settings import load_config

__all__ = [
    "CatalogueRanker",
    "Explainer",
    "Models",
    "Monitor",
    "Ranker",
    "RowEntry",
    "RunFolder",
    "StudioError",
    "evaluate_rankers",
    "explain_recommendation",
    "explanandum_of_titles",
    "explanandum_of_user",
    "falsify_run",
    "load_config",
    "run_pipeline",
]
_HOMES = {
    "CatalogueRanker": "engine.ranking:CatalogueRanker",
    "RowEntry": "engine.evaluate:RowEntry",
    "Explainer": "engine.explain.explainer:Explainer",
    "Models": "engine.models:Models",
    "Monitor": "engine.monitor:Monitor",
    "Ranker": "engine.ranking:Ranker",
    "RunFolder": "engine.run_folder:RunFolder",
    "StudioError": "engine.errors:StudioError",
    "evaluate_rankers": "engine.evaluate:evaluate",
    "explain_recommendation": "engine.explain.explainer:explain",
    "explanandum_of_titles": "engine.explain.explananda:explanandum_of_titles",
    "explanandum_of_user": "engine.explain.explananda:explanandum_of_user",
    "falsify_run": "engine.falsify.suite:falsify",
    "load_config": "engine.settings:load_config",
    "run_pipeline": "engine.pipeline:run_pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return registered(_HOMES[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
