"""``delrec explain``: why a run recommends an item."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from engine.errors import StudioError
from webapp.commands._options import find_run, target_file

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.option("--run", "reference", required=True, metavar="RUN", help="A finished run: id, its beginning, or name.")
@click.option("--user", metavar="USER", help="A test user, by id in the data set.")
@click.option("--titles", multiple=True, help='Or a history, oldest first: "Toy Story; Star Wars; Fargo".')
@click.option("--item", metavar="ITEM", help="Candidate to explain, a title or id; default: the LLM's first.")
@click.option("--catalogue", is_flag=True, help="Candidates: the teacher's best, not those of the evaluation.")
@click.option("--only", "parts", multiple=True, metavar="PART", help="Measure this part only; may come repeatedly.")
@click.option("--prompt-of", "other_runs", multiple=True, metavar="RUN", help="Try this run's soft prompt too.")
@click.option("--json", "file", metavar="FILE", help="Write everything to FILE as JSON.")
def command(
    reference: str,
    user: str | None,
    titles: tuple[str, ...],
    item: str | None,
    catalogue: bool,
    parts: tuple[str, ...],
    other_runs: tuple[str, ...],
    file: str | None,
) -> None:
    """Why is an item recommended? Measured by asking the models again with the history changed.

    Effects of single titles for LLM and teacher, the smallest change that flips the answer, order, stability, soft
    prompt, adapter, gradients. All of it takes a minute or two on two cores; --only summary takes seconds.
    """
    found = find_run(reference)
    if found.state != "done":
        raise StudioError(f"run {found.name!r} is {found.state}", where=found.id, remedy="explain a finished run")
    if (user is None) == (not titles):
        raise StudioError("whose recommendation?", where="--user, --titles", remedy="give one of the two")
    if catalogue and user is None:
        raise StudioError(
            "--catalogue goes with --user", where="--catalogue", remedy="with --titles they are that anyway"
        )
    target = target_file(file)

    from engine.data import parse_titles
    from engine.explain.bench import bench_of_titles, bench_of_user
    from engine.explain.explanation import PARTS, Explanation, check_parts, explain
    from engine.llm import SoftPrompt
    from engine.models import Models
    from engine.monitor import Monitor
    from engine.run_folder import RunFolder, write_text

    check_parts(parts)
    models = Models.load(RunFolder.open(found.folder), Monitor())
    others = {
        other.id: SoftPrompt.load(RunFolder.open(other.folder).soft_prompt, models.backbone)
        for other in map(find_run, other_runs)
    }
    if user is not None:
        bench = bench_of_user(models, user, item, "catalogue" if catalogue else "sampled")
    else:
        bench = bench_of_titles(models, [title for part in titles for title in parse_titles(part)], item)
    answer = {"run_id": found.id, **explain(Explanation(bench, others), parts or tuple(PARTS))}
    if target is not None:
        write_text(target, json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
    _show(answer)


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

    found = answer["effects"]
    title = f"Effect of each title on the lead of {answer['target']['title']}"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("history, oldest first")
    columns = [(who, name, values["margin"]) for who in ("llm", "teacher") for name, values in found[who].items()]
    for who, name, _ in columns:
        table.add_column(f"{who}\n{name}", justify="right")
    for place, item in enumerate(answer["history"]):
        known = "" if item["known"] else " (not in the catalogue)"
        table.add_row(Text(item["title"] + known), *(f"{values[place]:+.3f}" for _, _, values in columns))
    console.print(table)
    agreement = found["spearman_with_teacher"]["delete"]
    console.print(f"Rank correlation of the LLM's and the teacher's effects: {_number(agreement)}. {found['note']}")


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

    from engine.evaluate.render import label

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
        console.print(Text(f"Soft prompt {effect['prompt']}: place #{place:g}, lead {change:+.3f}."))
    if found["adapter"]:
        change = -found["adapter"]["margin_effect"]
        console.print(f"Adapter off: place #{found['adapter']['answer']['rank']:g}, lead {change:+.3f}.")


def _stability(console: Console, answer: dict[str, Any]) -> None:
    found = answer["stability"]
    place = f"place {found['rank']['mean']:.1f} ± {found['rank']['sd']:.1f}"
    console.print(
        f"Candidates shuffled {found['shuffles']} times: {place}, same first answer in {found['same_top']:.0%}."
    )


def _gradients(console: Console, answer: dict[str, Any]) -> None:
    found = answer["gradients"]
    values = ", ".join(f"{value:+.3f}" for value in found["items"])
    console.print(f"Integrated gradients by title: {values}; completeness error {found['completeness_error']:.3f}.")


def _rationale(console: Console, answer: dict[str, Any]) -> None:
    from rich.text import Text

    best = answer["rationale"]["texts"][0]
    told = {
        "computed": "The language model wrote nothing grounded; computed instead",
        "base": "In the model's own words, after the fact (base weights)",
        "adapter": "In the model's own words, after the fact (fine-tuned weights)",
    }
    console.print(Text(f"{told[best['weights']]}, {best['grounding']['badge']}: {best['text']}"))


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:+.2f}"


SHOWN = {
    "summary": _summary,
    "ladder": _ladder,
    "effects": _effects,
    "counterfactual": _counterfactual,
    "prompt": _prompt,
    "stability": _stability,
    "gradients": _gradients,
    "rationale": _rationale,
}
"""Parts that the terminal shows; the JSON holds all."""
