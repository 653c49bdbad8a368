"""The trained head: what it begins with, what it learns, and that nothing of it is stale."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from llm_world import CANDIDATES, HISTORY, TITLES, make_catalogue
from torch import Tensor, nn

from engine.llm import Backbone, Embedded
from engine.llm.sequence_prompts import SequencePrompts
from engine.llm.tiny import tiny_causal
from engine.llm.verbalizers import TitleHead, learning

COUNTS = np.array([9, 0, 4, 1, 0, 7, 2, 3, 3, 1, 5, 6, 8, 2, 2, 1])
OWN = ("Wholly New", "Fargo II")
EMBEDDINGS = torch.randn(len(COUNTS), 8, generator=torch.Generator().manual_seed(7))
EMBEDDINGS[5] = 0  # of a cold item


def make(
    backbone: Backbone | None = None, own: tuple[str, ...] = (), seed: int = 0, *, embeddings: bool = False
) -> TitleHead:
    head = TitleHead(backbone or tiny_causal(0), (*TITLES, *own), COUNTS, seed)
    if embeddings:
        head.add_embeddings(EMBEDDINGS)
        assert head.embedding_projection is not None
        nn.init.normal_(head.embedding_projection.weight, generator=torch.Generator().manual_seed(seed))
    return head


def batch(backbone: Backbone) -> Embedded:
    lists = SequencePrompts("movie", "SASRec", make_catalogue(TITLES))
    return backbone.embed([backbone.encode(lists.lsr(history, (), False)) for history in (HISTORY, [1, 2])])


def states(backbone: Backbone) -> Tensor:
    return torch.randn(3, backbone.width, generator=torch.Generator().manual_seed(2))


def test_scores_of_candidates_are_those_of_the_catalogue() -> None:
    backbone = tiny_causal(0)
    head, asked = make(backbone, OWN), batch(backbone)
    candidates = torch.tensor([[*CANDIDATES, 16, 17], [17, *CANDIDATES, 3]])
    whole = head.catalogue_scores(asked)
    assert whole.shape == (2, len(TITLES) + 2)
    torch.testing.assert_close(head.scores(asked, candidates), whole.gather(1, candidates))
    torch.testing.assert_close(head.slot_scores(asked)[[4, 7]], whole)
    assert head.slot_scores(asked).shape == (5 + 3, len(TITLES) + 2)


def test_nobodys_choice_has_the_least_bias_whether_known_or_ones_own() -> None:
    head = make(own=OWN)
    with torch.no_grad():
        head.bias[1] = 5.0  # of an item that nobody chose: not looked at
        head.bias[3] = -3.0
    biases = head._biases()
    assert biases[[1, 4, 16, 17]].tolist() == [-3.0] * 4
    assert biases[0] == head.bias[0]


def test_untrained_it_ranks_by_popularity_on_the_whole() -> None:
    backbone = tiny_causal(0)
    many = tuple(f"movie {chr(65 + item)}" for item in range(26))
    counts = np.array([3000] * 13 + [1] * 13)
    scores = TitleHead(backbone, many, counts, 0).state_scores(states(backbone))
    assert (scores[:, :13].mean(1) > scores[:, 13:].mean(1) + 1).all()


def test_item_embeddings_are_added_to_titles_that_have_them() -> None:
    """By hand; before their projection has learned they change nothing, and one's own and cold titles have none."""
    backbone = tiny_causal(0)
    plain, head, asked = make(backbone, OWN), make(backbone, OWN), states(backbone)
    head.add_embeddings(EMBEDDINGS)
    assert torch.equal(head.state_scores(asked), plain.state_scores(asked))
    head = make(backbone, OWN, embeddings=True)
    assert head.embedding_projection is not None
    normed = (EMBEDDINGS - EMBEDDINGS.mean(1, keepdim=True)) / (EMBEDDINGS.var(1, False, keepdim=True) + 1e-5).sqrt()
    added = head._projected(asked) @ (normed @ head.embedding_projection.weight.T).T
    differences = head.state_scores(asked) - plain.state_scores(asked)
    torch.testing.assert_close(differences[:, : len(COUNTS)], added, atol=1e-4, rtol=1e-4)
    assert not differences[:, [5, len(COUNTS), len(COUNTS) + 1]].any()
    assert not any(parameter is head.embeddings for parameter in head.trainable().values()), "they are not learned"


def test_item_embeddings_of_another_catalogue_are_refused() -> None:
    with pytest.raises(ValueError, match="embeddings of 15 items, not of 16"):
        make().add_embeddings(EMBEDDINGS[1:])


@pytest.mark.parametrize("embeddings", [False, True])
def test_what_was_copied_is_taken_whole(embeddings: bool) -> None:
    backbone = tiny_causal(0)
    first, second = make(backbone, embeddings=embeddings), make(backbone, seed=1)
    asked = states(backbone)
    kept, expected = first.copied(), first.state_scores(asked)
    assert not torch.allclose(second.state_scores(asked), expected)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1.0)
    second.take(kept)
    assert torch.equal(second.state_scores(asked), expected)
    trainable = {f"head.{name}" for name, _ in first.named_parameters()}
    assert set(first.trainable()) == trainable
    assert set(kept) - trainable == ({"head.embeddings"} if embeddings else set())
    with pytest.raises(KeyError):
        second.take({})


@pytest.mark.parametrize("change", ["optimizer", "take", "embeddings"])
def test_kept_vectors_of_titles_are_never_stale(change: str) -> None:
    backbone = tiny_causal(0)
    head, asked = make(backbone, embeddings=change == "embeddings"), states(backbone)
    with torch.no_grad():
        before = head.state_scores(asked)  # keeps the vectors
    if change != "take":
        learned = head.items if change == "optimizer" else head.embedding_projection
        assert learned is not None
        optimizer = torch.optim.AdamW(learned.parameters(), lr=0.1)
        head.state_scores(asked)[:, 0].sum().backward()
        optimizer.step()
    else:
        head.take(make(backbone, seed=4).copied())
    with torch.no_grad():
        after = head.state_scores(asked)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, head.state_scores(asked).detach())


@pytest.mark.parametrize("embeddings", [False, True])
def test_dropout_acts_within_learning_alone(embeddings: bool) -> None:
    backbone = tiny_causal(0)
    head, asked = make(backbone, embeddings=embeddings), states(backbone)
    torch.testing.assert_close(head.state_scores(asked), head.state_scores(asked))
    whole, dropped = head.state_scores(asked), []
    for _ in range(2):
        with learning(head):
            dropped.append(head.state_scores(asked))
            assert torch.equal(head.state_scores(asked), dropped[-1])  # all parts of a step have it in common
    assert not torch.allclose(dropped[0], dropped[1])
    assert not torch.allclose(dropped[0], whole)
    assert not head.training
    torch.testing.assert_close(head.state_scores(asked), whole)


def test_it_begins_the_same_whatever_random_state_it_finds() -> None:
    torch.manual_seed(1)
    first = make().copied()
    torch.manual_seed(2)
    second = make().copied()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.initial_seed() == 2


def test_the_model_itself_is_no_part_of_it() -> None:
    head = make()
    assert not any("backbone" in name for name, _ in head.named_parameters())
    assert not any("backbone" in name for name, _ in head.named_modules())
