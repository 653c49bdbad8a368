"""``delrec explain``: why a run recommends an item."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from engine.errors import StudioError
from webapp.commands._options import find_run, finished_run, target_file

if TYPE_CHECKING:
    from rich.console import Console

    from engine.explain.report import ExplanationReport
    from jobs.records import Run


@click.command()
@click.option("--run", "reference", required=True, metavar="RUN", help="A finished run: id, its beginning, or name.")
@click.option("--user", metavar="USER", help="A test user, by id in the data set.")
@click.option(
    "--titles",
    multiple=True,
    help=r'A history, oldest first: "Toy Story; id:50"; \; is a semicolon in a title. With --user: replaces hers.',
)
@click.option("--item", metavar="ITEM", help="Item to explain, a title or id:…; default: the row's first.")
@click.option(
    "--rival", metavar="ITEM", help="Why rather than this one? A title or id:…; default: the strongest other."
)
@click.option("--model", metavar="ROW", help="The row of the results table to explain; default: as the app chooses.")
@click.option("--beside", metavar="ROW", help="The row to hold it against; default: the teacher.")
@click.option("--catalogue", is_flag=True, help="Candidates: the row's best of all items, not the evaluation's.")
@click.option("--only", "parts", multiple=True, metavar="PART", help="Measure this part only; may come repeatedly.")
@click.option("--prompt-of", "other_runs", multiple=True, metavar="RUN", help="Try this run's soft prompt too.")
@click.option(
    "--elsewhere", is_flag=True, help="Let the writer of explain.writer_url write: sends titles and measurements there."
)
@click.option("--json", "file", metavar="FILE", help="Write everything to FILE as JSON.")
def command(
    reference: str,
    user: str | None,
    titles: tuple[str, ...],
    item: str | None,
    rival: str | None,
    model: str | None,
    beside: str | None,
    catalogue: bool,
    parts: tuple[str, ...],
    other_runs: tuple[str, ...],
    elsewhere: bool,
    file: str | None,
) -> None:
    """Why is an item recommended? Measured by asking the models again with the history changed.

    Effects of single titles for the row and another one, why an item is not recommended, the smallest change that
    flips the answer, order, stability, soft prompt, adapter, gradients. All of it takes a minute or two on two cores;
    --only summary takes seconds. Answers are kept with the run, for the page Inspect too: what was asked before is not
    measured again.
    """
    found = finished_run(reference, "explain a finished run")
    if user is None and not titles:
        raise StudioError("whose recommendation?", where="--user, --titles", remedy="give one of the two")
    if catalogue and user is None:
        raise StudioError(
            "--catalogue goes with --user", where="--catalogue", remedy="with --titles they are that anyway"
        )
    target = target_file(file)

    from engine.data.references import checked_titles, split_titles
    from engine.explain.endpoint import name_of
    from engine.explain.report import PARTS, ExplanationReport, check_parts
    from engine.rows import checked_row
    from engine.settings import make_config
    from engine.whole_files import write_text
    from jobs import answers
    from webapp.inspect.question import Question

    check_parts(parts)
    question = Question(
        found.id,
        user or "",
        tuple(checked_titles([title for part in titles for title in split_titles(part)])) if titles else None,
        item=_raw_id(found, item, "--item"),
        rival=_raw_id(found, rival, "--rival"),
        model="" if model is None else checked_row(make_config(found.config), model, "--model"),
        beside="" if beside is None else checked_row(make_config(found.config), beside, "--beside"),
        candidates="catalogue" if catalogue else "sampled",
    )
    if question.titles == ():
        raise StudioError("the history is empty", where="--titles", remedy='give one or more, e.g. "Toy Story; Heat"')
    requested = [part for part in PARTS if not parts or part in parts]
    requests = [question.request(part) for part in requested]
    if "prompt" in requested and other_runs:
        requests[requested.index("prompt")]["prompt_of"] = [find_run(other).id for other in other_runs]
    if elsewhere:
        if "rationale" not in requested:
            remedy = "leave --only out, or add --only rationale"
            raise StudioError("--elsewhere goes with the generated words", where="--elsewhere", remedy=remedy)
        writer = make_config(found.config).explain
        if not writer.writer_url:
            remedy = "launch a run with explain.writer_url and explain.writer_model"
            raise StudioError(f"run {found.name!r} names no writer elsewhere", where="--elsewhere", remedy=remedy)
        requests[requested.index("rationale")]["rationale_elsewhere"] = int(time.time())  # asked anew each time
        click.echo(f"Titles and measurements of this recommendation are sent to {name_of(writer)}.", err=True)
    measured = ExplanationReport.merged(
        ExplanationReport.read(answers.here("explain", found, request)) for request in requests
    )
    assert measured is not None
    report = measured.only(requested)
    if target is not None:
        write_text(target, json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n")
    _show(report)


def _raw_id(run: Run, text: str | None, where: str) -> str:
    """The data set's id of the item that is meant, as the page Inspect asks; empty for None."""
    if text is None:
        return ""
    from engine.explain.explanandum import find_item
    from webapp.previews import dataset_of_run

    catalogue = dataset_of_run(run, fetch=True).catalogue
    return catalogue.raw_ids[find_item(catalogue, text, where)]


def _show(report: ExplanationReport) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for part, show in SHOWN.items():
        if getattr(report, part) is not None:
            show(console, report)
        elif part in report.inapplicable:
            console.print(Text(report.inapplicable[part]))
    for note in report.notes:
        console.print(Text(note, style="dim"))


def _summary(console: Console, report: ExplanationReport) -> None:
    from rich.text import Text

    assert report.summary
    console.print(Text(report.summary.fallback, style="bold"))


def _effects(console: Console, report: ExplanationReport) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from engine.data.titles import as_displayed
    from engine.labels import label

    found = report.effects
    assert found
    title = f"Effect of each title on the lead of {report.target.title}"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("history, oldest first")
    columns = [
        ("\n".join([*label(who).split(), name]), values.margin)
        for who, effects in ((report.run.model, found.model), (report.run.beside, found.beside))
        for name, values in effects.items()
    ]
    for heading, _ in columns:
        table.add_column(heading, justify="right")
    for place, item in enumerate(report.history):
        known = "" if item.known else " (not in the catalogue)"
        known = known or ("" if as_displayed(item.query, item.title) else f" (typed “{item.query}”)")
        table.add_row(Text(item.title + known), *(f"{values[place]:+z.3f}" for _, values in columns))
    console.print(table)
    names = f"{label(report.run.model)}'s and {label(report.run.beside)}'s"
    console.print(f"Rank correlation of {names} effects: {_number(found.agreement['delete'])}. {found.note}")


def _rather(console: Console, report: ExplanationReport) -> None:
    from rich.text import Text

    found = report.rather
    assert found
    order = sorted(range(len(found.effects)), key=lambda place: -abs(found.effects[place]))[:3]
    named = ", ".join(f"{report.history[place].title} ({found.effects[place]:+z.3f})" for place in order)
    text = f"Rather than {found.rather_than.title}: lead {found.lead:+z.3f}; what leaving a title out takes from it, "
    console.print(Text(f"{text}most first: {named}."))


def _why_not(console: Console, report: ExplanationReport) -> None:
    from rich.text import Text

    assert report.why_not
    console.print(Text(report.why_not.sentence))


def _parts(console: Console, report: ExplanationReport) -> None:
    from rich.text import Text

    from engine.labels import label

    found = report.parts
    assert found
    parts = ", ".join(f"{label(part.model)} {part.lead:+z.3f}" for part in found.parts)
    rival = found.rather_than.title
    console.print(Text(f"{label(found.model)} rather than {rival}: {parts}; together {found.lead:+z.3f}."))
    console.print(Text(f"  {found.sentence}"))


def _counterfactual(console: Console, report: ExplanationReport) -> None:
    from rich.text import Text

    found = report.counterfactual
    assert found
    console.print(Text(found.sentence))
    for change in filter(None, (found.removal, found.replacement)):
        named = ", ".join(report.history[place].title for place in change.positions)
        first = report.title(change.top_after)
        console.print(Text(f"  {change.kind} of {named}: {first} comes first, by a run of this history."))


def _ladder(console: Console, report: ExplanationReport) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from engine.labels import label

    assert report.ladder
    table = Table(title="Places of the same candidates", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("candidate")
    for rung in report.ladder:
        table.add_column(label(rung.model), justify="right")
    for column in sorted(range(len(report.candidates)), key=lambda column: report.answer.places[column]):
        item = report.candidates[column]
        chosen = " ← chosen next" if item.chosen_next else ""
        table.add_row(Text(item.title + chosen), *(f"{rung.places[column]:g}" for rung in report.ladder))
    console.print(table)


def _prompt(console: Console, report: ExplanationReport) -> None:
    from rich.text import Text

    found = report.prompt
    assert found
    for effect in found.prompts or ():
        place, change = effect.answer.rank, -effect.margin_effect
        console.print(Text(f"Soft prompt {effect.prompt}: place #{place:g}, lead {change:+z.3f}."))
    if found.adapter:
        change = -found.adapter.margin_effect
        console.print(f"Adapter off: place #{found.adapter.answer.rank:g}, lead {change:+z.3f}.")


def _stability(console: Console, report: ExplanationReport) -> None:
    found = report.stability
    assert found
    place = f"place {found.rank.mean:z.1f} ± {found.rank.sd:z.1f}"
    console.print(f"Candidates shuffled {found.shuffles} times: {place}, same first answer in {found.same_top:.0%}.")


def _gradients(console: Console, report: ExplanationReport) -> None:
    found = report.gradients
    assert found
    values = ", ".join(f"{value:+z.3f}" for value in found.items)
    console.print(f"Integrated gradients by title: {values}; completeness error {found.completeness_error:z.3f}.")


def _rationale(console: Console, report: ExplanationReport) -> None:
    from rich.text import Text

    assert report.rationale
    best = report.rationale.texts[0]
    labels = {
        "computed": "The language model wrote nothing grounded; computed instead",
        "base": "In the model's own words, after the fact (base weights)",
        "adapter": "In the model's own words, after the fact (fine-tuned weights)",
    }
    why = f" ({best.note})" if best.note else ""
    who = labels.get(best.weights, f"In the words of {best.weights}")
    console.print(Text(f"{who}{why}, {best.grounding.badge}: {best.text}"))


def _free(console: Console, report: ExplanationReport) -> None:
    from rich.text import Text

    assert report.free
    found = report.free.text
    console.print(Text(f"Without the grammar it wrote, {found.grounding.badge}: {found.text}"))


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:+z.2f}"


SHOWN = {
    "summary": _summary,
    "ladder": _ladder,
    "effects": _effects,
    "rather": _rather,
    "why_not": _why_not,
    "parts": _parts,
    "counterfactual": _counterfactual,
    "prompt": _prompt,
    "stability": _stability,
    "gradients": _gradients,
    "rationale": _rationale,
    "free": _free,
}
"""Parts that the terminal shows; the JSON holds all."""
