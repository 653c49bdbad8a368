"""``delrec explain``: why a run recommends an item."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from engine.errors import StudioError
from webapp.commands._options import find_run, target_file

if TYPE_CHECKING:
    from rich.console import Console

    from db.runs import Run


@click.command()
@click.option("--run", "reference", required=True, metavar="RUN", help="A finished run: id, its beginning, or name.")
@click.option("--user", metavar="USER", help="A test user, by id in the data set.")
@click.option(
    "--titles",
    multiple=True,
    help=r'A history, oldest first: "Toy Story; id:50"; \; is a semicolon in a title. With --user: replaces hers.',
)
@click.option("--item", metavar="ITEM", help="Candidate to explain, a title or id:…; default: the LLM's first.")
@click.option(
    "--rival", metavar="ITEM", help="Why rather than this one? A title or id:…; default: the strongest other."
)
@click.option("--catalogue", is_flag=True, help="Candidates: the teacher's best, not those of the evaluation.")
@click.option("--only", "parts", multiple=True, metavar="PART", help="Measure this part only; may come repeatedly.")
@click.option("--prompt-of", "other_runs", multiple=True, metavar="RUN", help="Try this run's soft prompt too.")
@click.option("--json", "file", metavar="FILE", help="Write everything to FILE as JSON.")
def command(
    reference: str,
    user: str | None,
    titles: tuple[str, ...],
    item: str | None,
    rival: str | None,
    catalogue: bool,
    parts: tuple[str, ...],
    other_runs: tuple[str, ...],
    file: str | None,
) -> None:
    """Why is an item recommended? Measured by asking the models again with the history changed.

    Effects of single titles for LLM and teacher, the smallest change that flips the answer, order, stability, soft
    prompt, adapter, gradients. All of it takes a minute or two on two cores; --only summary takes seconds. Answers are
    kept with the run, for the page Inspect too: what was asked before is not measured again.
    """
    found = find_run(reference)
    if found.state != "done":
        raise StudioError(f"run {found.name!r} is {found.state}", where=found.id, remedy="explain a finished run")
    if user is None and not titles:
        raise StudioError("whose recommendation?", where="--user, --titles", remedy="give one of the two")
    if catalogue and user is None:
        raise StudioError(
            "--catalogue goes with --user", where="--catalogue", remedy="with --titles they are that anyway"
        )
    target = target_file(file)

    from engine.data.references import checked_titles, split_titles
    from engine.explain.explanation import PARTS, check_parts
    from engine.run_folder import write_text
    from jobs import answers
    from webapp.inspect.question import Question
    from webapp.inspect.session import merged

    check_parts(parts)
    question = Question(
        found.id,
        user or "",
        tuple(checked_titles([title for part in titles for title in split_titles(part)])) if titles else None,
        item=_raw_id(found, item, "--item"),
        rival=_raw_id(found, rival, "--rival"),
        candidates="catalogue" if catalogue else "sampled",
    )
    if question.titles == ():
        raise StudioError("the history is empty", where="--titles", remedy='give one or more, e.g. "Toy Story; Heat"')
    wanted = [part for part in PARTS if not parts or part in parts]
    requests = [question.request(part) for part in wanted]
    if "prompt" in wanted and other_runs:
        requests[wanted.index("prompt")]["prompt_of"] = [find_run(other).id for other in other_runs]
    measured = merged(answers.here("explain", found, request) for request in requests)
    answer = {name: value for name, value in (measured or {}).items() if name not in PARTS or name in wanted}
    if target is not None:
        write_text(target, json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
    _show(answer)


def _raw_id(run: Run, text: str | None, where: str) -> str:
    """The data set's id of the item that is meant, as the page Inspect asks; empty for None."""
    if text is None:
        return ""
    from engine.explain.bench import find_item
    from webapp.previews import dataset_of_run

    catalogue = dataset_of_run(run, fetch=True).catalogue
    return catalogue.raw_ids[find_item(catalogue, text, where)]


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for part, show in SHOWN.items():
        if part in answer:
            show(console, answer)
    for note in answer["notes"]:
        console.print(Text(note, style="dim"))


def _summary(console: Console, answer: dict[str, Any]) -> None:
    from rich.text import Text

    console.print(Text(answer["summary"]["fallback"], style="bold"))


def _effects(console: Console, answer: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from engine.data.titles import as_displayed

    found = answer["effects"]
    title = f"Effect of each title on the lead of {answer['target']['title']}"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("history, oldest first")
    columns = [(who, name, values["margin"]) for who in ("llm", "teacher") for name, values in found[who].items()]
    for who, name, _ in columns:
        table.add_column(f"{who}\n{name}", justify="right")
    for place, item in enumerate(answer["history"]):
        known = "" if item["known"] else " (not in the catalogue)"
        known = known or ("" if as_displayed(item["query"], item["title"]) else f" (typed “{item['query']}”)")
        table.add_row(Text(item["title"] + known), *(f"{values[place]:+z.3f}" for _, _, values in columns))
    console.print(table)
    agreement = found["spearman_with_teacher"]["delete"]
    console.print(f"Rank correlation of the LLM's and the teacher's effects: {_number(agreement)}. {found['note']}")


def _rather(console: Console, answer: dict[str, Any]) -> None:
    from rich.text import Text

    found = answer["rather"]
    rival, lead = found["rather_than"]["title"], found["lead"]
    order = sorted(range(len(found["effects"])), key=lambda place: -abs(found["effects"][place]))[:3]
    named = ", ".join(f"{answer['history'][place]['title']} ({found['effects'][place]:+z.3f})" for place in order)
    console.print(
        Text(f"Rather than {rival}: lead {lead:+z.3f}; what leaving a title out takes from it, most first: {named}.")
    )


def _parts(console: Console, answer: dict[str, Any]) -> None:
    from rich.text import Text

    from engine.labels import label

    if (found := answer["parts"]) is None:
        return
    told = ", ".join(f"{label(part['model'])} {part['lead']:+z.3f}" for part in found["parts"])
    rival = found["rather_than"]["title"]
    console.print(Text(f"{label(found['model'])} rather than {rival}: {told}; together {found['lead']:+z.3f}."))
    console.print(Text(f"  {found['sentence']}"))


def _counterfactual(console: Console, answer: dict[str, Any]) -> None:
    from rich.text import Text

    found = answer["counterfactual"]
    console.print(Text(found["sentence"]))
    titles = {item["item"]: item["title"] for item in answer["candidates"]}
    for change in filter(None, (found["removal"], found["replacement"])):
        named = ", ".join(answer["history"][place]["title"] for place in change["positions"])
        console.print(
            Text(f"  {change['kind']} of {named}: {titles[change['top_after']]} comes first, by a run of this history.")
        )


def _ladder(console: Console, answer: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from engine.labels import label

    table = Table(title="Places of the same candidates", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("candidate")
    for rung in answer["ladder"]:
        table.add_column(label(rung["model"]), justify="right")
    order = sorted(range(len(answer["candidates"])), key=lambda column: answer["answer"]["places"][column])
    for column in order:
        item = answer["candidates"][column]
        chosen = " ← chosen next" if item["chosen_next"] else ""
        table.add_row(Text(item["title"] + chosen), *(f"{rung['places'][column]:g}" for rung in answer["ladder"]))
    console.print(table)


def _prompt(console: Console, answer: dict[str, Any]) -> None:
    from rich.text import Text

    found = answer["prompt"]
    for effect in found["prompts"] or ():
        place, change = effect["answer"]["rank"], -effect["margin_effect"]
        console.print(Text(f"Soft prompt {effect['prompt']}: place #{place:g}, lead {change:+z.3f}."))
    if found["adapter"]:
        change = -found["adapter"]["margin_effect"]
        console.print(f"Adapter off: place #{found['adapter']['answer']['rank']:g}, lead {change:+z.3f}.")


def _stability(console: Console, answer: dict[str, Any]) -> None:
    found = answer["stability"]
    if found is None:
        console.print("It reads no list of candidates, so their order cannot sway it.")
        return
    place = f"place {found['rank']['mean']:z.1f} ± {found['rank']['sd']:z.1f}"
    console.print(
        f"Candidates shuffled {found['shuffles']} times: {place}, same first answer in {found['same_top']:.0%}."
    )


def _gradients(console: Console, answer: dict[str, Any]) -> None:
    found = answer["gradients"]
    values = ", ".join(f"{value:+z.3f}" for value in found["items"])
    console.print(f"Integrated gradients by title: {values}; completeness error {found['completeness_error']:z.3f}.")


def _rationale(console: Console, answer: dict[str, Any]) -> None:
    from rich.text import Text

    best = answer["rationale"]["texts"][0]
    told = {
        "computed": "The language model wrote nothing grounded; computed instead",
        "base": "In the model's own words, after the fact (base weights)",
        "adapter": "In the model's own words, after the fact (fine-tuned weights)",
    }
    why = f" ({best['note']})" if best["note"] else ""
    console.print(Text(f"{told[best['weights']]}{why}, {best['grounding']['badge']}: {best['text']}"))


def _free(console: Console, answer: dict[str, Any]) -> None:
    from rich.text import Text

    found = answer["free"]["text"]
    console.print(Text(f"Without the grammar it wrote, {found['grounding']['badge']}: {found['text']}"))


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:+z.2f}"


SHOWN = {
    "summary": _summary,
    "ladder": _ladder,
    "effects": _effects,
    "rather": _rather,
    "parts": _parts,
    "counterfactual": _counterfactual,
    "prompt": _prompt,
    "stability": _stability,
    "gradients": _gradients,
    "rationale": _rationale,
    "free": _free,
}
"""Parts that the terminal shows; the JSON holds all."""
