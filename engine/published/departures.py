"""Whether new runs and tests find what the record says: figures outside their recorded intervals."""

from __future__ import annotations

from collections.abc import Iterator

from engine.evaluate.report import Estimate
from engine.falsify.record import Falsification
from engine.published.record import DataFacts, PublishedRun


def departures(recorded: PublishedRun, new: PublishedRun) -> Iterator[str]:
    """Figures of ``new`` outside their recorded intervals, and what is missing, each in one line."""
    for model, figures in recorded.models.items():
        for name, interval in figures.items():
            value = new.models.get(model, {}).get(name)
            yield from _departure(f"{model} {name}", interval, None if value is None else value.value)
    if recorded.data and new.data:
        yield from _data_departures(recorded.data, new.data)
    again = {(c.a, c.b, c.metric): c.difference for c in new.comparisons}
    for c in recorded.comparisons:
        interval = Estimate(value=c.difference, low=c.low, high=c.high)
        yield from _departure(f"{c.a} minus {c.b} {c.metric}", interval, again.get((c.a, c.b, c.metric)))


def _data_departures(recorded: DataFacts, new: DataFacts) -> Iterator[str]:
    """Other data, and figures by rarity; of intervals without width, of few users, nothing can be said."""
    for name in ("users", "items", "interactions"):
        if getattr(recorded, name) != getattr(new, name):
            yield f"the data have {getattr(new, name)} {name}, recorded {getattr(recorded, name)}"
    again = {part.name: part.models for part in new.rarity}
    for part in recorded.rarity:
        for model, figures in part.models.items():
            for metric, interval in figures.items():
                value = again.get(part.name, {}).get(model, {}).get(metric)
                if interval.low < interval.high:
                    name = f"{model} {metric} of targets with {part.name} interactions"
                    yield from _departure(name, interval, None if value is None else value.value)


def trial_departures(recorded: Falsification, new: Falsification) -> Iterator[str]:
    """The same for the figures and differences of falsification tests."""
    again = {finding.number: finding for finding in new.findings}
    for finding in recorded.findings:
        for part in ("figures", "claims"):
            found = {(it.name, it.measure): it.value for it in getattr(again.get(finding.number), part, [])}
            for it in getattr(finding, part):
                interval = Estimate(value=it.value, low=it.low, high=it.high)
                name = f"test {finding.number}, {it.name} {it.measure}"
                yield from _departure(name, interval, found.get((it.name, it.measure)))


def _departure(name: str, interval: Estimate, value: float | None) -> Iterator[str]:
    if value is None:
        yield f"{name} is missing"
    elif not interval.low <= value <= interval.high:
        yield f"{name} is {value:.4f}, recorded {interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
