"""Pieces of the launch page: what a run will take, what is in its way, its data set and its prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.data import Dataset, Statistics
from engine.labels import plural
from engine.stages import stage_title
from jobs.forecast import Forecast
from jobs.preflight import Check
from webapp.formatting import about, duration, memory
from webapp.html import Html, join, tag
from webapp.layout import notice, tiles

if TYPE_CHECKING:  # they load torch, which the web process does without until a preview is asked for
    from engine.llm.prompts import Segment
    from engine.preview import Preview, PromptPreview

MARKS = {"ok": "✓", "note": "!", "problem": "✗"}
STATES = {"ok": "fine", "note": "to note", "problem": "problem"}
TASKS = {
    "TA": ("Temporal Analysis (TA)", "Stage 1: which item came right before the last one?"),
    "RPS": ("Recommendation Pattern Simulating (RPS)", "Stage 1: what does the teacher put first?"),
    "LSR": ("LLM-based Sequential Recommendation (LSR)", "Stage 2 and evaluation: what comes next?"),
}
EVERY_TITLE = "The same is asked before every title of the list: each of them is an answer to learn."
STAND_IN = "No teacher is trained yet: the Markov counts stand in for it here."


def estimate(expected: Forecast) -> Html:
    """Duration and memory, and what they are judged by."""
    if expected.seconds is None:
        if not expected.stages:
            text = "No run like this was done on this machine yet, so its speed is not known."
        else:
            unknown = ", ".join(stage_title(name).lower() for name in expected.missing)
            text = f"Not measured on this machine yet: {unknown}."
            if expected.users_unknown:
                text += " All test users are to be asked, and how many these data have is not known before a first run."
        return tag("p", text, class_="dr-muted")
    if expected.equal:
        head = f"An equal run took {duration(expected.seconds)} on this machine"
        basis = "By "
    else:
        head = f"It will take {about(expected.seconds)}"
        basis = "By the speed of this machine in "
    if expected.memory_mb:
        head += f", memory {memory(expected.memory_mb)}" if expected.equal else f" and {memory(expected.memory_mb)}"
    parts = [
        tag("li", stage_title(name), tag("span", about(seconds), class_="dr-right"))
        for name, seconds in expected.stages.items()
    ]
    return tag(
        "details",
        tag("summary", tag("b", f"{head}.")),
        tag("ul", parts, class_="dr-parts"),
        tag("p", f"{basis}{expected.source}.", class_="dr-muted"),
        class_="dr-more",
    )


def checks(found: Sequence[Check]) -> Html:
    """What would get in the way stands open; what is fine folds away."""
    grave = [check for check in found if check.state != "ok"]
    fine = [check for check in found if check.state == "ok"]
    folded = tag(
        "details",
        tag("summary", f"{plural(len(fine), 'check')} passed"),
        tag("ul", [_check(check) for check in fine], class_="dr-checks"),
        class_="dr-more",
    )
    opened = tag("ul", [_check(check) for check in grave], class_="dr-checks") if grave else None
    return join([opened, folded if fine else None])


def _check(check: Check) -> Html:
    return tag(
        "li",
        tag("span", MARKS[check.state], class_="dr-mark", aria_hidden="true"),
        tag("span", tag("b", check.name), tag("span", f" ({STATES[check.state]})", class_="dr-sr"), f": {check.detail}",
            tag("span", f" — {check.remedy}", class_="dr-muted") if check.remedy else None),
        class_=f"dr-{check.state}",
        data_check=check.name,
        data_state=check.state,
    )  # fmt: skip


def data_figures(dataset: Dataset, found: Statistics) -> Html:
    """The data set in figures."""
    figures = (
        ("Users", f"{found.users:,}", f"median history: {found.history_median:.0f}"),
        ("Items", f"{found.items:,}", f"{plural(found.look_alikes, 'item')} displayed like another"),
        ("Interactions", f"{found.interactions:,}", f"{100 * found.density:.2g} % of all pairs"),
        ("Popular tenth", f"{100 * found.popular_share:.0f} %", "of the interactions fall on a tenth of the items"),
        ("Ties", f"{100 * found.tie_share:.0f} %", "of neighbouring interactions share a timestamp"),
        ("Tied targets", f"{100 * found.test_tie_share:.0f} %", "of last items tie with the one before"),
    )
    source = f"{dataset.name}: {dataset.source}. Interactions that tie keep the order of the file."
    return join([tiles(figures), tag("p", source, class_="dr-muted")])


def prompts(preview: Preview) -> Html:
    """The prompts of the example user, with what the reader must know above."""
    facts = [f"User {preview.user}"]
    if preview.soft_tokens:
        facts.append(f"soft prompt of {plural(preview.soft_tokens, 'token')}")
    if preview.longest and preview.context:
        facts.append(f"the longest prompt has {preview.longest:,} of {preview.context:,} tokens")
    notes = [notice("warn", note) for note in preview.notes]
    return join([tag("p", " · ".join(facts), class_="dr-muted"), notes, [_prompt(shown) for shown in preview.prompts]])


def _prompt(shown: PromptPreview) -> Html:
    title, text = TASKS[shown.task]
    counted = tag("span", plural(shown.tokens, "token"), class_="dr-chip") if shown.tokens else None
    prompt = shown.prompt
    return tag(
        "section",
        tag("h3", title, " ", counted),
        tag("p", text, class_="dr-muted"),
        tag("p", STAND_IN, class_="dr-muted") if shown.task == "RPS" else None,
        tag("p", EVERY_TITLE, class_="dr-muted") if shown.questions > 1 else None,
        tag("pre", [_segment(s) for s in prompt.segments], "\n", prompt.answer, [_segment(s) for s in prompt.reply],
            tag("mark", f" {shown.answer}", class_="dr-answer", title="the answer to learn"), tabindex=0),
        class_="dr-prompt",
        data_task=shown.task,
    )  # fmt: skip


def _segment(segment: Segment) -> Html | str:
    if segment.kind == "soft":
        return tag("mark", "[soft prompt]", class_="dr-soft", title="the trained vectors stand here")
    return tag("span", segment.text, class_=f"dr-in-{segment.kind}") if segment.kind != "text" else segment.text
