# %% [markdown]
# # A teacher of your own
#
# Whatever has a name and scores items can be measured beside a run's models, and can be distilled. Here it is an
# item-to-item recommender by cosine similarity, written in a few lines.
#
# The run that it is compared with is one of the preset `smoke` (tiny random models; seconds, the first time only).

# %%
import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import engine
from engine.data import candidate_sets
from engine.distill import distil
from engine.labels import label
from engine.metrics.agreement import agreement
from engine.metrics.ranks import per_example
from engine.paths import home
from engine.teachers import CatalogueScorer

folder = home() / "notebooks" / "smoke"
config = engine.load_config("smoke")
engine.run_pipeline(config, folder)
models = engine.Models.load(folder)
split = models.split

# %% [markdown]
# ## What a teacher is
#
# `catalogue_scores` gives float32 scores `[users, items]` for histories, which are lists of item numbers, oldest
# first. `CatalogueScorer` makes all else of it: scores of candidates, and what follows every prefix of a history,
# which stage 1 learns from. Stage 1 takes scores for log-probabilities, so they are normalised.


# %%
class ItemToItem(CatalogueScorer):
    name = "item-to-item"

    def __init__(self, train, n_items):
        self.n_items = n_items
        seen = np.zeros((len(train), n_items), np.float32)
        for user, items in enumerate(train):
            seen[user, items] = 1
        together = seen.T @ seen
        norm = np.sqrt(np.maximum(together.diagonal(), 1))
        self.similar = together / np.outer(norm, norm)

    def catalogue_scores(self, histories):
        scores = np.array([self.similar[self.known(history)[-3:]].sum(0) for history in histories], np.float32)
        scores *= 8  # the temperature: how sure it is of itself
        return scores - np.log(np.exp(scores).sum(1, keepdims=True))


mine = ItemToItem(split.train, split.n_items)
best = mine.catalogue_scores([split.test.histories[0]])[0].argsort()[::-1][:3]
[models.dataset.catalogue.display(item) for item in best]

# %% [markdown]
# ## Beside the run's models
#
# The same test users and candidates for all.

# %%
examples = split.test.take(np.arange(min(40, len(split.test))))
candidates = candidate_sets(models.dataset, examples, config.data, config.seed, "test")
entries = [engine.RowEntry(mine.name, "baseline", lambda: mine)]
entries += [engine.RowEntry("sasrec", "teacher", lambda: models.teacher)]
entries += [engine.RowEntry("delrec", "llm", lambda: models.ranker("delrec"), whole=True)]
found = engine.evaluate_rankers(
    entries,
    "sasrec",
    examples,
    candidates,
    n_items=split.n_items,
    top=config.eval.full_top,
    folder=Path(tempfile.mkdtemp()),
)
metrics = {
    name: {metric: values.mean() for metric, values in per_example(row.ranks).items()}
    for name, row in found.rows.items()
}
figure = go.Figure(layout={"title": "Among the candidates", "barmode": "group"})
for name, values in metrics.items():
    figure.add_bar(name=label(name), x=list(values), y=list(values.values()))
figure

# %% [markdown]
# ## Distilled
#
# Stage 1 asks nothing of a teacher but its scores, so yours goes into a soft prompt as SASRec does. Does the frozen
# model rank more like it than before? (A tiny random model and six steps: hardly.)

# %%
models.soft_prompt = distil(
    config,
    models.dataset,
    split,
    mine,
    models.backbone,
    Path(tempfile.mkdtemp()) / "distil.safetensors",
    engine.Monitor(),
)
opinion = mine.scores(examples.histories, candidates)
distilled = models.ranker("llm-distilled").scores(examples.histories, candidates)
{measure: float(np.nanmean(values)) for measure, values in agreement(distilled, opinion).items()}

# %% [markdown]
# ## For good
#
# A neural architecture that should stand in the form, the shell and every test is a file in `engine/teachers/` and a
# line in `engine/architectures.py`: see *A teacher* in `CONTRIBUTING.md`.
