"""What each verbalizer's score is, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from llm_world import CANDIDATES, HISTORY, SETTINGS, TITLES, make_catalogue

from engine.config import LLMConfig
from engine.data.catalogue import Catalogue
from engine.errors import StudioError
from engine.llm import Backbone, Embedded, Prompts, make_verbalizer
from engine.llm.prompts import Prompt, Segment
from engine.llm.sequence_prompts import SequencePrompts
from engine.llm.tiny import tiny_causal
from engine.llm.verbalizers import StateVerbalizer, TitleHead, TitleLikelihood, TitleTokens
from engine.llm.verbalizers.base import NEUTRAL
from engine.llm.verbalizers.title_tokens import SPREAD
from engine.verbalizers import VERBALIZERS


@pytest.fixture
def batch(backbone: Backbone, prompts: Prompts) -> Embedded:
    return backbone.embed([backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=False))])


def by_hand(backbone: Backbone, batch: Embedded) -> torch.Tensor:
    """For each title the mean of its tokens' logits, rare tokens weighing more."""
    logits = backbone.logits(backbone.answer_states(batch))
    means = []
    for title in TITLES:
        ids = list(backbone.tokens(f" {title}"))
        holders = [sum(token in backbone.tokens(f" {other}") for other in TITLES) for token in ids]
        rarity = torch.tensor([math.log((len(TITLES) + 1) / (count + 0.5)) for count in holders])
        means.append((rarity * logits[0, ids]).sum() / rarity.sum())
    return torch.stack(means)


def test_a_title_scores_the_weighted_mean_of_its_tokens_logits(
    backbone: Backbone, catalogue: Catalogue, batch: Embedded
) -> None:
    """... times a factor, the same for all, under which a prompt that tells nothing leaves the catalogue close."""
    verbalizer = TitleTokens(backbone, TITLES, n_known=len(TITLES))
    neutral = backbone.embed([backbone.encode(NEUTRAL)])
    factor = SPREAD / by_hand(backbone, neutral).std(correction=0)
    for asked in (batch, neutral):
        expected = factor * by_hand(backbone, asked)
        torch.testing.assert_close(verbalizer.catalogue_scores(asked)[0], expected, atol=1e-4, rtol=1e-4)


def test_one_title_alone_has_a_score_too(backbone: Backbone, batch: Embedded) -> None:
    assert TitleTokens(backbone, TITLES[:1], n_known=1).catalogue_scores(batch).isfinite().all()


def test_titles_of_the_same_tokens_tie_and_others_do_not(backbone: Backbone, batch: Embedded) -> None:
    titles = ("qab", "qba", "qabc")
    known = make_catalogue(titles)
    scores = make_verbalizer(LLMConfig(verbalizer="title-tokens"), backbone, known).scores(
        batch, torch.tensor([[0, 1, 2]])
    )[0]
    torch.testing.assert_close(scores[0], scores[1])
    assert abs(scores[0] - scores[2]) > 1e-4


def test_titles_that_begin_alike_are_told_apart(backbone: Backbone, setting: LLMConfig) -> None:
    """... by every verbalizer, wherever they part."""
    titles = ("Star Trek: First Contact", "Star Trek: First Blood", "Star Wars", *TITLES)
    torch.manual_seed(0)
    made = make_verbalizer(setting, backbone, make_catalogue(titles))
    if isinstance(made, TitleHead):  # what it has yet to learn
        made.states.weight.data.normal_()
    asked = backbone.embed(
        [backbone.encode(Prompts("movie", "SASRec", make_catalogue(titles)).lsr([3], [0, 1, 2], False))]
    )
    scores = made.scores(asked, torch.tensor([[0, 1, 2]]))[0]
    assert torch.pdist(scores[:, None]).min() > 1e-4


def of_titles(backbone: Backbone) -> torch.Tensor:
    """int64: the tokens that titles are made of."""
    return torch.tensor(sorted({token for title in TITLES for token in backbone.tokens(f" {title}")}))


def test_likelihood_is_over_the_tokens_of_titles_and_less_a_share_of_the_prior(
    backbone: Backbone, batch: Embedded
) -> None:
    candidates = torch.tensor([CANDIDATES])
    tokens, possible = [backbone.tokens(f" {TITLES[item]}") for item in CANDIDATES], of_titles(backbone)
    total, most, half = (
        TitleLikelihood(backbone, TITLES, len(TITLES), prior).scores(batch, candidates) for prior in (0.0, 1.0, 0.5)
    )
    torch.testing.assert_close(total, backbone.continuation_logprobs(batch, [tokens], possible))
    prior = backbone.continuation_logprobs(backbone.embed([backbone.encode(NEUTRAL)]), [tokens], possible)
    torch.testing.assert_close(most, total - prior, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(half, total - prior / 2, atol=1e-4, rtol=1e-4)


def test_what_counts_as_no_history_can_be_said(batch: Embedded) -> None:
    """... else a prompt that tells nothing at all."""
    backbone = tiny_causal(0)
    lists = SequencePrompts("movie", "SASRec", make_catalogue(TITLES))
    asked = backbone.embed([backbone.encode(lists.lsr([], [], False))])
    verbalizer = TitleLikelihood(backbone, TITLES, len(TITLES), 1.0, lists.lsr([], [], False))
    scores = verbalizer.scores(asked, torch.tensor([CANDIDATES]))
    torch.testing.assert_close(scores, torch.zeros_like(scores), atol=1e-4, rtol=0)


def test_titles_of_ones_own_do_not_move_the_others_likelihoods(backbone: Backbone, batch: Embedded) -> None:
    own = ("Zażółć gęślą", "Toy Story Heat")  # with tokens that no title has, and without
    alone = TitleLikelihood(backbone, TITLES, len(TITLES), 0.7)
    beside = TitleLikelihood(backbone, (*TITLES, *own), len(TITLES), 0.7)
    assert beside.beyond == {len(TITLES)}
    expected = alone.scores(batch, torch.tensor([CANDIDATES]))
    for more in ([], [len(TITLES)], [len(TITLES) + 1], [len(TITLES), len(TITLES) + 1]):
        found = beside.scores(batch, torch.tensor([[*CANDIDATES, *more]]))
        torch.testing.assert_close(found[:, : len(CANDIDATES)], expected, atol=1e-4, rtol=1e-4)
        assert found.isfinite().all()


@pytest.mark.parametrize(
    "setting",
    # The prior takes away exactly what the model says to every prompt, and a head has yet to learn.
    [name for name, it in SETTINGS.items() if not it.prior and not VERBALIZERS[it.verbalizer].learns],
)
def test_the_likeliest_title_is_the_one_the_model_would_write(setting: str) -> None:
    """A model that only ever says one token ranks the title made of it first, whatever scores it untrained."""
    backbone = tiny_causal(0)
    titles = ("zzzz", "qqqq", "xxxx")
    (token,) = set(backbone.tokens("qqqq"))
    blank = backbone.tokens(" ")[0]
    head = backbone.model.get_output_embeddings()
    head.weight = torch.nn.Parameter(torch.zeros_like(head.weight), requires_grad=False)
    prompt = backbone.encode(Prompts("movie", "SASRec", make_catalogue(titles)).lsr([], [0, 1, 2], soft=False))
    batch = backbone.embed([prompt])
    state = backbone.answer_states(batch)[0].detach()
    head.weight.data[token] = head.weight.data[blank] = state
    verbalizer = make_verbalizer(SETTINGS[setting], backbone, make_catalogue(titles))
    assert verbalizer.scores(batch, torch.tensor([[0, 1, 2]])).argmax() == 1


def test_the_prior_is_read_once_for_each_title_whatever_the_adapter(backbone: Backbone, batch: Embedded) -> None:
    verbalizer = TitleLikelihood(backbone, TITLES, len(TITLES), 1.0)
    with torch.inference_mode():
        first = verbalizer.scores(batch, torch.tensor([CANDIDATES])).numpy()
    likelihood = TitleLikelihood(backbone, TITLES, len(TITLES))
    priors = likelihood.scores(batch, torch.tensor([CANDIDATES])).numpy() - first
    for parameter in backbone.parameters():
        parameter.data.mul_(1.1)
    moved = likelihood.scores(batch, torch.tensor([CANDIDATES])).numpy()
    later = TitleLikelihood(backbone, TITLES, len(TITLES), 1.0)
    for asked in (verbalizer, later):
        found = asked.scores(batch, torch.tensor([CANDIDATES])).numpy()
        np.testing.assert_allclose(found, moved - priors, atol=1e-3)


def test_priors_of_another_catalogue_or_another_empty_prompt_are_others(backbone: Backbone) -> None:
    items = torch.tensor([CANDIDATES])
    others = (
        TitleLikelihood(backbone, TITLES[::-1], len(TITLES)),
        TitleLikelihood(backbone, TITLES, len(TITLES), 0.0, Prompt((Segment("So"),), "")),
    )
    first = TitleLikelihood(backbone, TITLES, len(TITLES)).priors(items)
    for other in others:
        assert not torch.allclose(other.priors(items), first, atol=1e-3)


@pytest.mark.parametrize("name", VERBALIZERS)
def test_every_verbalizer_is_what_its_line_says(name: str) -> None:
    made = make_verbalizer(LLMConfig(verbalizer=name), tiny_causal(0), make_catalogue(TITLES))
    assert f"{type(made).__module__}:{type(made).__name__}" == VERBALIZERS[name].verbalizer
    assert isinstance(made, StateVerbalizer) == VERBALIZERS[name].of_states
    assert isinstance(made, TitleHead) == VERBALIZERS[name].learns


@pytest.mark.parametrize("name", [name for name, spec in VERBALIZERS.items() if spec.of_states])
def test_candidates_score_as_in_the_whole_catalogue(name: str, backbone: Backbone, batch: Embedded) -> None:
    """Else a row would rank differently with either form of prompts: who changes one of the two changes both."""
    made = make_verbalizer(LLMConfig(verbalizer=name), backbone, make_catalogue(TITLES))
    assert isinstance(made, StateVerbalizer)
    if isinstance(made, TitleHead):  # untrained, all scores are alike
        for parameter in made.trainable().values():
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    candidates = torch.tensor([CANDIDATES] * len(batch.lengths))
    with torch.inference_mode():
        whole = made.catalogue_scores(batch)
        assert whole.shape == (1, len(TITLES))
        torch.testing.assert_close(made.scores(batch, candidates), whole.gather(1, candidates), atol=1e-3, rtol=1e-3)
    assert whole.std() > 0


def test_an_unknown_verbalizer_is_refused() -> None:
    unknown = LLMConfig().model_copy(update={"verbalizer": "tea-leaves"})
    with pytest.raises(StudioError, match=r"unknown verbalizer 'tea-leaves' \(llm.verbalizer\).*title-tokens"):
        make_verbalizer(unknown, tiny_causal(0), make_catalogue(TITLES))
