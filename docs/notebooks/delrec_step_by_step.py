# %% [markdown]
# # DELRec step by step
#
# The method of [DELRec](https://arxiv.org/abs/2406.11156), one stage per cell, from interactions to the results
# table. A conventional sequential recommender, the *teacher*, learns from item ids. Its pattern is distilled into a
# *soft prompt* of a frozen language model (stage 1); then the language model is fine-tuned with that prompt in place
# (stage 2).
#
# Settings are those of the preset `smoke`: generated data, a tiny random language model, seconds instead of hours.
# The figures therefore show that everything works and nothing about the method. With `PRESET = "quickstart"` the same
# cells take MovieLens-100K and SmolLM2.

# %%
import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import engine
from engine.data import candidate_sets, load_dataset, split_dataset
from engine.distill import distil
from engine.evaluate import RowEntry
from engine.finetune import finetune
from engine.labels import label
from engine.llm import load_backbone
from engine.metrics.ranks import per_example
from engine.models import Models
from engine.teachers import baselines, train_teacher

PRESET = "smoke"
config = engine.load_config(PRESET, overrides=["plus.enabled=false"])
work = Path(tempfile.mkdtemp())  # checkpoints, of no interest afterwards


class Curves(engine.Monitor):
    """Hears what the stages report."""

    def __init__(self):
        self.points = {}

    def metrics(self, stage, step, values):
        for name, value in values.items():
            self.points.setdefault((stage, name), []).append((step, value))

    def plot(self, stage, *names):
        figure = go.Figure(layout={"title": stage, "xaxis_title": "step"})
        for name in names:
            figure.add_scatter(
                x=[p[0] for p in self.points[stage, name]], y=[p[1] for p in self.points[stage, name]], name=name
            )
        return figure


curves = Curves()

# %% [markdown]
# ## 1. Data: who chose what, in order
#
# Items are numbers from 0 within a run; the catalogue tells their titles. Each user's last item tests, the one before
# validates, the rest trains.

# %%
dataset = load_dataset(config.data, config.seed, curves)
split = split_dataset(dataset, config.data, config.seed)
interactions = sum(map(len, split.train))
print(f"{dataset.name}: {len(dataset.user_ids)} users, {split.n_items} items, {interactions} interactions train")

history, target = split.test.histories[0][-config.data.history :], split.test.targets[0]
for item in history:
    print("  ", dataset.catalogue.display(item))
print("-> ", dataset.catalogue.display(target), "(what the user really chose next)")

# %%
popularity = np.sort(split.popularity())[::-1]
go.Figure(
    go.Scatter(y=popularity), layout={"title": "Interactions of each item", "xaxis_title": "items, popular first"}
)

# %% [markdown]
# ## 2. The teacher
#
# SASRec (`teacher.name`) learns which item comes next. Whatever ranks here answers one question: scores of candidates
# after histories.

# %%
teacher = train_teacher(
    config.teacher.name, split, config.teacher, config.seed, work / "teacher.safetensors", curves, "teacher"
)
teacher.scores([history], np.array([[target, 0, 1]]))

# %%
curves.plot("teacher", "validation.NDCG@10")

# %% [markdown]
# ## 3. The language model and its prompts
#
# With `llm.prompts=sequence` a prompt is a list of titles that the model goes on with; `[soft prompt]` is where the k
# trainable vectors stand. The three tasks of the paper are three such texts:
#
# - **RPS**, Recommendation Pattern Simulating (stage 1): what would the *teacher* recommend next?
# - **TA**, Temporal Analysis (stage 1): which title is hidden before the one that is shown?
# - **LSR** (stage 2): what does the *user* choose next?

# %%
backbone = load_backbone(config.llm, curves)
models = Models(config, dataset, split, backbone, teachers={teacher.name: teacher})
prompts = models.prompts()
for name, prompt in {
    "RPS": prompts.rps(history, []),
    "TA": prompts.hidden(history[:-2], int(history[-1])),
    "LSR": prompts.lsr(history, [], soft=True),
}.items():
    print(f"--- {name}\n{prompt.text()}\n")

# %% [markdown]
# ## 4. Stage 1: distil
#
# The language model is frozen; the soft prompt learns, by both tasks, to make it rank as the teacher does. The two
# gradients are mixed by their norms (`distill.weights=dynamic`).

# %%
models.soft_prompt = distil(config, dataset, split, teacher, backbone, work / "distil.safetensors", curves)
print("soft prompt:", tuple(models.soft_prompt.weight.shape), "(tokens, width)")
curves.plot("distil", "loss.rps", "loss.ta")

# %% [markdown]
# ## 5. Stage 2: fine-tune
#
# AdaLoRA learns the true next items; the soft prompt is frozen now. Ranks are taken from where they matter least
# until `finetune.target_r` is reached on average.

# %%
models.head = finetune(
    config, dataset, split, backbone, models.soft_prompt, teacher, work / "finetune.safetensors", curves
)
curves.plot("finetune", "loss.lsr")

# %% [markdown]
# ## 6. The table
#
# Every model is asked about the same users and candidates: the true next item among others that the user never saw.

# %%
examples = split.test.take(np.arange(min(40, len(split.test))))
rows = {model.name: ("baseline", model) for model in baselines(split)}
rows[teacher.name] = ("teacher", teacher)
entries = [RowEntry(name, kind, lambda model=model: model) for name, (kind, model) in rows.items()]
entries += [
    RowEntry(name, "llm", lambda name=name: models.ranker(name), whole=True) for name in ("llm-distilled", "delrec")
]
found = engine.evaluate_rankers(
    entries,
    teacher.name,
    examples,
    candidate_sets(dataset, examples, config.data, config.seed, "test"),
    n_items=split.n_items,
    top=config.eval.full_top,
    folder=work / "answers",
)
table = {
    name: {metric: values.mean() for metric, values in per_example(row.ranks).items()}
    for name, row in found.rows.items()
}
for name, metrics in table.items():
    print(f"{label(name):15}", "  ".join(f"{metric} {value:.3f}" for metric, value in metrics.items()))

# %%
go.Figure(
    go.Bar(x=[label(name) for name in table], y=[metrics["NDCG@5"] for metrics in table.values()]),
    layout={"title": "NDCG@5"},
)

# %% [markdown]
# ## All of it in one call
#
# `engine.run_pipeline(config, folder)` takes these stages with checkpoints, intervals and DELRec-plus, and leaves a
# folder that the other two notebooks, the shell and the app read.
