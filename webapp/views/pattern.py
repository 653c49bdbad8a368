"""Pieces of the page about the distilled pattern: verdicts, tables with intervals, progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from engine.evaluate.render import MEASURES
from engine.explain.verdict import AFTER, NONE, OTHERS, OWN, RANDOM
from engine.labels import label, plural
from jobs.failures import ANSWER_STOPPED
from jobs.records import Explanation, Run
from webapp.html import Html, join, link, tag
from webapp.layout import notice
from webapp.pattern_charts import ORDERS
from webapp.views.compare import scrolled

STATES = {
    NONE: "No prompt",
    RANDOM: "Untrained prompt",
    OWN: "This run's prompt",
    AFTER: "After fine-tuning",
}
TONES = {"distilled": "ok", "no evidence": "warn", "away": "bad", "not distilled": "info"}
DOING = {
    "agreement": "Holding rankings against the teacher's (1 of 2)",
    "effects": "Removing titles one by one (2 of 2)",
    "faithfulness": "Measuring users",
    "drivers": "Asking every row about one user after the other",
    "falsify": "Test",
    "distil": "Distilling a prompt to compare with, from",
    "teacher": "Training a teacher to compare with,",
}
"""By the stage that tells of its progress, or by what stands before its colon."""
IDLE = {"queued": "Waits for the worker", "running": "Loads the models"}
NOTHING = tag("td", "–", class_="dr-number dr-muted")
PAIRS = {
    "loo/ig": "leave-one-out and gradients",
    "loo/random": "leave-one-out and a random order",
    "loo/teacher": "leave-one-out of the language model and of the teacher",
    "loo/beside": "leave-one-out of this row and of the one beside it",
}


def names(found: Mapping[str, Any]) -> dict[str, str]:
    """How the states of an answer are called for people; other runs by their names."""
    others = {f"{OTHERS}{it['id']}": f"Prompt of {it['name']} ({label(it['teacher'])})" for it in found["others"]}
    counting = {name: label(name) for name in found["agreement"] if name not in found["effects"]}
    return {"teacher": label(found["teacher"]), **STATES, **others, **counting}


def head(run: Run) -> Html:
    """Which run, and the question."""
    text = "Did stage 1 distil anything? What the soft prompt causes, measured on users that no training has seen."
    return join([tag("h1", "The distilled pattern of ", link(run.name, f"./run?id={run.id}"), class_="dr-title"),
                 tag("p", text, class_="dr-lead")])  # fmt: skip


def rows(run: Run, row: str, others: Iterable[str]) -> Html:
    """Whose reasons are measured: links to every row of the results table."""
    ways = [
        link(label(it), f"./pattern?{urlencode({'run': run.id, 'model': it})}#trust-rows", class_="dr-chip dr-filter",
             aria_current="true" if it == row else None)
        for it in others
    ]  # fmt: skip
    whole = "What stands above is about the language model without and with the prompt, whichever row is chosen here."
    return join([tag("nav", tag("span", "Reasons of", class_="dr-label"), ways, class_="dr-chips", aria_label="Row"),
                 tag("p", whole, class_="dr-fine")])  # fmt: skip


def state(asked: Explanation | None, wait: str) -> Html | str:
    """Progress of a measurement, or why there is none; nothing once it is answered."""
    if asked is None:
        return tag("p", wait, class_="dr-muted")
    if asked.state == "failed":
        kind = "info" if asked.error == ANSWER_STOPPED[0] else "bad"
        return notice(kind, " ".join(f"{it[:1].upper()}{it[1:]}." for it in (asked.error, asked.remedy) if it))
    if asked.state == "done":
        return ""
    known = asked.partial or {}
    share = known["done"] / known["total"] if known.get("total") else 0.0
    words = _doing(known["measuring"]) if known.get("measuring") else IDLE[asked.state]
    return tag(
        "div",
        tag("p", f"{words} …", class_="dr-muted"),
        tag("div", tag("i", style=f"width:{100 * share:z.1f}%"), class_="dr-progress", role="progressbar",
            aria_valuenow=round(100 * share), aria_valuemin=0, aria_valuemax=100, aria_label=words),
        role="status",
    )  # fmt: skip


def _doing(stage: str) -> str:
    kind, _, what = stage.partition(":")
    return f"{DOING[kind]} {label(what).replace('-', ' ')}" if what else DOING[kind]


def verdict(found: Mapping[str, Any]) -> Html:
    """The answer to the page's question, with what other prompts add to it."""
    found_verdict = found["verdict"]
    called = names(found)
    details = []
    for sentence in found_verdict["details"]:
        for state_name, name in called.items():
            if state_name.startswith(OTHERS):
                sentence = sentence.replace(f"the {state_name}", f"the {name[0].lower()}{name[1:]}")
        details.append(tag("li", sentence))
    first = notice(TONES[found_verdict["kind"]], found_verdict["sentence"])
    return tag("div", first, tag("ul", details, class_="dr-verdicts"), style="display:grid;gap:12px")


def agreement(found: Mapping[str, Any]) -> Html:
    """Agreement with the teacher by state, with intervals, and the paired lead of the run's prompt.

    Below stand those who read no title, for scale.
    """
    heads = [tag("th", "Ranked by", scope="col")]
    heads += [tag("th", title, scope="col", class_="dr-number") for title in MEASURES.values()]
    heads.append(
        tag("th", "This run's prompt leads by", tag("small", "Kendall's tau, paired"), scope="col", class_="dr-number")
    )
    heads.append(
        tag("th", "Same reasons", tag("small", plural(found["effect_users"], "user")), scope="col", class_="dr-number")
    )
    rows = []
    for name, values in found["agreement"].items():
        cells = [_figure(values[measure]["figure"]) for measure in MEASURES]
        cells.append(NOTHING if name == OWN else _figure(values["kendall-tau"]["own_lead"], sign=True))
        cells.append(_figure(found["effects"][name]) if name in found["effects"] else NOTHING)
        rows.append(tag("tr", tag("th", names(found)[name], scope="row"), cells,
                        class_="dr-ours" if name == OWN else None, data_state=name))  # fmt: skip
    text = (
        f"Agreement with {label(found['teacher'])} on {plural(found['users'], 'held-out user')} and "
        f"{found['candidates']} candidates each, with 95 % bootstrap intervals over users. "
        "Same reasons: Spearman's correlation of effects "
        "that single titles of the history have on the teacher's first choice, in the language model and the teacher. "
        f"For scale, the last {plural(len(found['agreement']) - len(found['effects']), 'row is', 'rows are')} of those "
        "who read no title."
    )
    return tag("div", tag("p", text, class_="dr-muted", style="font-size:13.5px"),
               scrolled("Agreement with the teacher", tag("thead", tag("tr", heads)), tag("tbody", rows)))  # fmt: skip


def tokens(found: Mapping[str, Any]) -> Html:
    """What title tokens lie nearest to each soft token, under the warning."""
    heads = [tag("th", "Soft token", scope="col"), tag("th", "Nearest title tokens, with their cosine", scope="col")]
    rows = [
        tag("tr", tag("th", str(number), scope="row"),
            tag("td", [[tag("b", it["token"].strip() or "␣"), f" {it['cosine']:z.2f} \u2003"] for it in nearest]))
        for number, nearest in enumerate(found["tokens"]["nearest"], 1)
    ]  # fmt: skip
    table = scrolled("Nearest tokens", tag("thead", tag("tr", heads)), tag("tbody", rows))
    return tag("div", notice("warn", found["tokens"]["warning"]), table, style="display:grid;gap:10px")


def trust(found: Mapping[str, Any]) -> Html:
    """What the figures say, and the figures."""
    leads = found["over_random"]["comprehensiveness"]
    good = [ORDERS[name].lower() for name in ("loo", "ig") if name in leads and leads[name]["low"] > 0]
    words = (
        f"Removing the titles that {' and '.join(good)} put first costs the recommendation more than a random order "
        "does: these reasons are the model's own."
        if good
        else "Removing the titles named as reasons costs the recommendation no more than a random order does: "
        "do not rely on them."
    )
    heads = [tag("th", "Order of removal", scope="col")]
    columns = {"comprehensiveness": "higher is better", "sufficiency": "lower is better"}
    heads += [
        tag("th", name.capitalize(), tag("small", how), scope="col", class_="dr-number")
        for name, how in columns.items()
    ]
    heads += [tag("th", "Normalised", tag("small", f"{name}, {how}"), scope="col", class_="dr-number")
              for name, how in columns.items()]  # fmt: skip
    shares = found["normalised"]
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            [_figure(found[measure][order], digits=3) for measure in columns],
            [_figure(shares[measure][order]) if shares else tag("td", "–", class_="dr-number") for measure in columns],
            data_order=order,
        )
        for order, name in ORDERS.items()
        if order in found["comprehensiveness"]  # not every row has inputs to differentiate
    ]
    precision, variety = found["statement_precision"], found["variety"]
    facts = [tag("li", f"{label(found['model'])}: {found['verdict']}")] if "verdict" in found else []
    facts += [
        tag("li", f"Kendall's tau between {PAIRS.get(pair, pair)}: {_told(tau)}") for pair, tau in found["tau"].items()
    ]
    facts += [
        tag("li", f"Texts shown that the language model wrote: {_share(found['written_share'])}"),
        tag("li", f"Grounded texts: {_share(found['grounded_share'])}"),
        tag("li", f"Statements of a text that are as measured: {_share(precision) if precision else '–'}"),
        tag("li", f"Invented titles in each text: {_told(found['invented_titles'])}"),
        tag("li", f"Texts that are the same but for titles and numbers: {variety['commonest_skeleton']:.0%}; different "
                  f"pairs of words between titles: {variety['distinct_2']:.0%}"),
    ]  # fmt: skip
    text = (
        f"Mean over {plural(found['users'], 'test user')}, always the same ones, with 95 % intervals; AOPC of the "
        "probability of the model's first answer (DeYoung et al. 2020). Not comparable between models: "
        "compare with the random order, "
        "or take the normalised figures, where 0 is the least and 1 the most that any order was found to reach"
        + (f" ({plural(shares['users'], 'user')}, for whom the order makes a difference)." if shares else ".")
    )
    return tag(
        "div",
        notice("ok" if good else "warn", words),
        scrolled("Trust figures", tag("thead", tag("tr", heads)), tag("tbody", rows)),
        tag("ul", facts, style="font-size:14px;margin:0"),
        tag("p", text, class_="dr-muted", style="font-size:13px"),
        style="display:grid;gap:12px",
    )


def _figure(figure: Mapping[str, float], *, digits: int = 2, sign: bool = False) -> Html:
    plus = "+" if sign else ""
    ends = f"{figure['low']:{plus}z.{digits}f} to {figure['high']:{plus}z.{digits}f}"
    return tag("td", f"{figure['value']:{plus}z.{digits}f}", tag("small", ends), class_="dr-number")


def _share(figure: Mapping[str, float]) -> str:
    return f"{100 * figure['value']:z.0f} % ({100 * figure['low']:z.0f} to {100 * figure['high']:z.0f} %)"


def _told(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:z.2f} ({figure['low']:z.2f} to {figure['high']:z.2f})"


def other_choices(runs: Sequence[Run], run: Run) -> list[tuple[str, str]]:
    """Finished runs whose soft prompt fits this run's language model, those of another teacher first."""

    def fits(other: Run) -> bool:
        config = other.config
        return (
            other.id != run.id
            and config["llm"]["name"] == run.config["llm"]["name"]
            and config["distill"]["prompt"] != "none"
        )

    teacher = run.config["teacher"]["name"]
    fitting = sorted(filter(fits, runs), key=lambda other: other.config["teacher"]["name"] == teacher)
    return [(f"{other.name} ({label(other.config['teacher']['name'])})", other.id) for other in fitting]
