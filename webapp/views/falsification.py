"""The falsification tests of a run as a list: what was asked, what decided, and the figures of each."""

from __future__ import annotations

from collections.abc import Sequence

from engine.evaluate.render import readable
from engine.falsify.record import Claim, Falsification, Figure, Finding, Verdict, difference
from engine.labels import label
from webapp.html import Html, tag
from webapp.views.compare import scrolled

BADGES: dict[Verdict, str] = {"passed": "dr-done", "failed": "dr-failed", "not decided": "dr-interrupted"}


def tests(record: Falsification) -> Html:
    """Everything that ``falsification.json`` says; the figures of a test unfold."""
    asked = (
        f"{record.dataset}, teacher {label(record.teacher)}, {record.users} of {record.users_available} test users, "
        f"{record.candidates} candidates, seed {record.seed}."
    )
    controls = [tag("li", tag("b", name), f": {source}") for name, source in record.controls.items()]
    return tag(
        "div",
        tag("p", asked, class_="dr-muted", style="font-size:13.5px"),
        tag("ol", [_test(finding) for finding in record.findings]),
        tag("ul", controls, class_="dr-muted", style="font-size:13px;margin:0") if controls else None,
        tag("p", record.rules, class_="dr-muted", style="font-size:13px"),
        class_="dr-tests",
    )


def _test(finding: Finding) -> Html:
    title = f"{finding.number}. {finding.title}"
    head = tag("div", tag("h3", title), _badge(finding.verdict), class_="dr-test-head")
    because = [tag("li", readable(reason)) for reason in finding.because.split("; ") if reason]
    more = tag(
        "details",
        tag("summary", "Figures", tag("span", f" of test {finding.number}", class_="dr-sr")),
        _figures(finding),
        _claims(finding),
        class_="dr-more",
    )
    return tag("li", head, tag("p", finding.question), tag("ul", because), more,
               data_test=str(finding.number), data_verdict=finding.verdict)  # fmt: skip


def _badge(verdict: Verdict) -> Html:
    return tag("span", verdict.capitalize(), class_=f"dr-badge {BADGES[verdict]}")


def _figures(finding: Finding) -> Html:
    """A row for each that was asked, a column for each measure."""
    measures = list(dict.fromkeys(figure.measure for figure in finding.figures))
    heads = [
        tag("th", "Asked", scope="col"),
        *(tag("th", readable(measure), scope="col", class_="dr-number") for measure in measures),
    ]
    rows = []
    for name in dict.fromkeys(figure.name for figure in finding.figures):
        found = {figure.measure: figure for figure in finding.figures if figure.name == name}
        rows.append(
            tag("tr", tag("th", readable(name), scope="row"), [_figure(found.get(measure)) for measure in measures])
        )
    return scrolled(f"Figures of test {finding.number}", tag("thead", tag("tr", heads)), tag("tbody", rows))


def _figure(figure: Figure | None) -> Html:
    if figure is None:
        return tag("td", "–", class_="dr-number dr-muted")
    ends = tag("small", f"{figure.low:z.3f} to {figure.high:z.3f}")
    return tag("td", f"{figure.value:z.3f}", ends, class_="dr-number")


def _claims(finding: Finding) -> Html:
    """Paired differences, each with its verdict; those that decide first."""
    names = ("Paired difference", "Measure", "Value", "Wanted", "Verdict")
    heads = [tag("th", name, scope="col", class_="dr-number" if name == "Value" else None) for name in names]
    rows = [_claim(claim) for claim in _deciding_first(finding.claims)]
    return scrolled(f"Differences of test {finding.number}", tag("thead", tag("tr", heads)), tag("tbody", rows))


def _deciding_first(claims: Sequence[Claim]) -> list[Claim]:
    return sorted(claims, key=lambda claim: not claim.deciding)


def _claim(claim: Claim) -> Html:
    verdict = _badge(claim.verdict) if claim.deciding else f"{claim.verdict}, decides nothing"
    return tag(
        "tr",
        tag("th", readable(claim.name), scope="row"),
        tag("td", readable(claim.measure)),
        tag("td", difference(claim), class_="dr-number"),
        tag("td", claim.wanted),
        tag("td", verdict),
    )
