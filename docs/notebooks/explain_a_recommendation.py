# %% [markdown]
# # Explain a recommendation
#
# Why is a title recommended, and how far is the answer to be trusted? Nothing is guessed: every reason is measured by
# asking the models again, with something changed.
#
# The run is one of the preset `smoke` (tiny random models; seconds, the first time only). Put the folder of a run of
# your own in its place: `delrec runs` lists them, their folders are under `runs/` in the data folder.

# %%
import plotly.graph_objects as go

import engine
from engine.labels import label
from engine.paths import home

folder = home() / "notebooks" / "smoke"
engine.run_pipeline(engine.load_config("smoke"), folder)
models = engine.Models.load(folder)

# %% [markdown]
# ## Whose recommendation
#
# A test user's, by her id in the data set, among the candidates of the evaluation. Or that of titles of your own:
# `engine.explanandum_of_titles(models, ["…", "…"])`.

# %%
user = models.dataset.user_ids[models.split.test.users[0]]
explained = engine.explanandum_of_user(models, user)
report = engine.explain_recommendation(
    engine.Explainer(explained), parts=["summary", "effects", "counterfactual", "stability", "order"]
)
print("history:  ", " · ".join(item.title for item in report.history))
print("explained:", report.target.title, "by", label(report.run.model), "beside", label(report.run.beside))
print(report.summary.sentence)

# %% [markdown]
# ## What each title of the history contributes
#
# The *margin* is the explained item's lead over the best other candidate. Its *effect* is what the lead loses without
# a title: positive ones speak for the recommendation. Titles act together, so effects do not add up to the margin. No
# way to remove a title is neutral; where deleting it, putting a placeholder and putting a random item in its place
# agree in sign, the reason is more than an artefact.

# %%
figure = go.Figure(layout={"title": f"Effects on {report.target.title}", "barmode": "group"})
for operator, effects in report.effects.model.items():
    figure.add_bar(name=operator, x=[item.title for item in report.history], y=effects.margin)
figure

# %%
print("signs agree between operators:", report.effects.sign_agreement)
print(report.effects.agreement_sentence)

# %% [markdown]
# ## The smallest change that flips the answer

# %%
print(report.counterfactual.sentence)

# %% [markdown]
# ## How steady the answer is
#
# A part that cannot be measured for a row says why: this one reads no list of candidates, so their order cannot sway
# it.

# %%
print(report.inapplicable.get("stability") or report.stability)
print(report.order)

# %% [markdown]
# ## The model's place beside the others
#
# The same candidates by the row that answers and by the one beside it.

# %%
figure = go.Figure(layout={"title": "Places of the candidates (1 is first)"})
figure.add_scatter(
    x=report.answer.places,
    y=report.beside.places,
    text=[item.title for item in report.candidates],
    mode="markers+text",
    textposition="top center",
)
figure.update_xaxes(title=label(report.answer.model)).update_yaxes(title=label(report.beside.model))

# %% [markdown]
# How far reasons of this kind are to be trusted for a run as a whole is measured by `delrec faithfulness`, and
# whether stage 1 distilled anything at all by `engine.falsify_run(models, engine.RunFolder.open(folder))`.
