"""What an :class:`engine.explain.report.ExplanationReport` is made of."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Read-only; what a newer version adds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Item(Part):
    """An item for readers; ``title`` has the id beside it where another item looks the same."""

    item: int
    """Dense id; beyond the data set's for titles of one's own."""
    raw_id: str
    title: str
    year: int | None = None
    genres: tuple[str, ...] = ()
    known: bool = True
    """Whether the data set has it."""
    interactions: int | None = None
    """In training; ``None`` for titles of one's own."""


class HistoryItem(Item):
    query: str = ""
    """What was typed."""


class Candidate(Item):
    chosen_next: bool = False
    """Whether the user really chose it next."""
    overall: float | None = None
    """Where the row puts it among all items outside the history, where candidates are its best of the catalogue."""


class About(Part):
    """What is explained."""

    model: str
    """The row of the results table that answers, and whose reasons these are."""
    beside: str
    """Another row, whose ranking and reasons stand beside them."""
    teacher: str
    seed: int = 0
    plus: dict[str, float] | None = None
    """How DELRec-plus weighs its parts, by name, teachers first; ``None`` where the run has none."""


class RankedCandidates(Part):
    """How a row ranks the candidates; lists go by their columns."""

    model: str
    scores: tuple[float, ...]
    places: tuple[float, ...]
    margin: float
    """The explained item's lead over the best other candidate."""
    probability: float
    """The explained item's, by the softmax over the candidates."""
    rank: float
    top: int
    """Dense id of the first one."""


class ItemEffects(Part):
    """What the explained item loses when each history item is removed, oldest first."""

    margin: tuple[float, ...]
    probability: tuple[float, ...]


class Effects(Part):
    """Leave-one-out effects by removal operator, of the model and of the row beside it."""

    model: dict[str, ItemEffects]
    beside: dict[str, ItemEffects]
    sign_agreement: dict[str, float]
    """Between operators, ``delete/random``."""
    agreement: dict[str, float | None]
    """Spearman's rank correlation of both rows' effects; ``None`` where one has no order."""
    agreement_sentence: str = ""
    note: str = ""


class Contrast(Part):
    """Why the explained item rather than its rival."""

    chosen: bool
    """Whether the rival was chosen, or is the strongest."""
    rather_than: Item
    lead: float
    effects: tuple[float, ...]


class Raise(Part):
    """A change of one title that raises the item among the candidates, verified by asking about that history alone."""

    rank: float
    """Where it then stands."""
    removed: int | None = None
    """Place in the history of the title that goes ..."""
    added: int | None = None
    """... or the id of the one that is added as the latest."""


class WhyNot(Part):
    """Why the item does not come first."""

    rank: float
    first: int
    """Id of the candidate that comes first in its place."""
    behind: float
    """How far its score lies behind that one's."""
    against: tuple[int, ...]
    """Places of the titles that speak most for the first one rather than for it ..."""
    speaking: tuple[int, ...]
    """... and of those that speak most for it."""
    raised: Raise | None
    """The change of one title that raises it most; ``None`` where none of those tried does."""
    tried: int
    sentence: str = ""


class PartOfSum(Part):
    model: str
    weight: float
    target: float
    rival: float
    lead: float
    effects: tuple[float, ...]
    because: int | None


class SumOfParts(Part):
    """What each part of a row that is a sum adds to the explained item's lead over its rival."""

    model: str
    rather_than: Item
    lead: float
    parts: tuple[PartOfSum, ...]
    sentence: str


class Change(Part):
    """A change of the history after which another candidate comes first."""

    kind: Literal["removal", "replacement"]
    positions: tuple[int, ...]
    replacements: tuple[int, ...] = ()
    top_before: int
    top_after: int
    rank_after: float
    smallest: bool
    verified: bool


class Counterfactual(Part):
    removal: Change | None
    replacement: Change | None
    single_changes: tuple[int, ...]
    asked: int
    complete: bool
    sentence: str


class Summary(Part):
    sentence: str
    fallback: str
    """Stands in where the model wrote nothing that holds."""
    evidence: dict[str, Any]
    """Everything that a sentence may claim, see :class:`engine.explain.evidence.Evidence`."""


class Piece(Part):
    text: str
    kind: str = "text"
    index: int = -1


class Reading(Part):
    """The exact prompt."""

    segments: tuple[Piece, ...]
    answer: str
    reply: tuple[Piece, ...] = ()
    soft_tokens: int
    tokens: int


class PromptEffect(Part):
    prompt: str
    answer: RankedCandidates
    margin_effect: float


class AdapterEffect(Part):
    answer: RankedCandidates
    margin_effect: float


class PromptAndAdapter(Part):
    prompts: tuple[PromptEffect, ...] | None
    adapter: AdapterEffect | None


class Spread(Part):
    mean: float
    sd: float


class OrderOfHistory(Part):
    model: str = ""
    swaps: tuple[float, ...]
    """What the margin loses when items i and i + 1 change places."""
    shuffled_margin: Spread | None
    shuffled_rank: Spread | None
    same_top: float | None


class Order(Part):
    model: OrderOfHistory
    beside: OrderOfHistory


class Stability(Part):
    """The explained item's place while the candidates are listed in other orders."""

    model: str
    shuffles: int
    rank: Spread
    margin: Spread
    probability: Spread
    same_top: float


class Gradients(Part):
    """Integrated gradients of the lead over ``rival``, a dense id."""

    items: tuple[float, ...]
    rival: int
    lead: float
    baseline: float
    steps: int
    completeness_error: float


class CheckedSentence(Part):
    text: str
    verdict: Literal["supported", "neutral", "unsupported"]
    faults: tuple[str, ...] = ()
    statements: int = 0
    held: int = 0


class Grounding(Part):
    badge: Literal["grounded", "partly", "ungrounded"]
    sentences: tuple[CheckedSentence, ...]
    invented: tuple[str, ...]
    precision: float | None = None


class Words(Part):
    """A text about the recommendation, and the verdict on it."""

    text: str
    grounding: Grounding
    weights: str
    """Who wrote it: ``base``, ``adapter``, ``computed`` for nobody, or where else it came from."""
    sample: int
    begun: str = ""
    note: str = ""


class Rationale(Part):
    request: str
    texts: tuple[Words, ...]
    """Best first."""


class FreeWords(Part):
    grammar: str
    text: Words


class Writing(Part):
    """Texts that are being written."""

    request: str
    texts: tuple[str, ...]
