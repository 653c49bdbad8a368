"""The networks: causal, indifferent to padding, and no more random than they should be."""

from __future__ import annotations

import pytest
import torch

from engine.architectures import ARCHITECTURES
from engine.config import TeacherConfig
from engine.dropout import Dropout, drawn_for
from engine.teachers import Teacher
from engine.teachers.network import network_class
from tests.teachers.conftest import N_ITEMS, TINY

NAMES = list(ARCHITECTURES)


def sequences(seed: int = 0) -> torch.Tensor:
    """Three sequences of six items behind the start."""
    items = torch.randint(N_ITEMS, (3, 6), generator=torch.Generator().manual_seed(seed))
    return torch.cat([torch.full((3, 1), N_ITEMS), items], dim=1)


def states(teacher: Teacher, ids: torch.Tensor, padding: int = 0) -> torch.Tensor:
    """Of sequences whose last ``padding`` places are padding."""
    return teacher.network(ids, (torch.arange(ids.shape[1]) < ids.shape[1] - padding).expand_as(ids))


@torch.inference_mode()
def test_later_items_do_not_change_earlier_states_of_what_is_causal(teacher: Teacher) -> None:
    first = sequences()
    before = states(teacher, first)
    for length in range(1, 7):
        changed = torch.cat([first[:, :length], sequences(seed=1)[:, length:]], dim=1)
        assert not torch.equal(changed, first)
        apart = (states(teacher, changed)[:, :length] - before[:, :length]).abs().max()
        assert (apart < 1e-5) == teacher.network.causal


@torch.inference_mode()
def test_amount_and_content_of_padding_do_not_matter(teacher: Teacher) -> None:
    short = sequences()[:, :3]
    for padding in (0, 5, N_ITEMS):
        padded = torch.nn.functional.pad(short, (0, 4), value=padding)
        torch.testing.assert_close(states(teacher, padded, padding=4)[:, :3], states(teacher, short), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_every_state_sees_its_own_and_earlier_items(teacher: Teacher) -> None:
    first = sequences()
    before = states(teacher, first)
    for place in range(1, 7):
        changed = first.clone()
        changed[:, place] = (changed[:, place] + 1) % N_ITEMS
        seen = (states(teacher, changed) != before).any(dim=2).all(dim=0)
        assert seen[place]
        assert seen[:place].any() != teacher.network.causal


def test_only_the_last_items_count(teacher: Teacher) -> None:
    recent = [3, 4, 5, 6, 7, 8]
    assert len(recent) == TINY.max_length
    long, short = teacher.catalogue_scores([[9, 1, 11, *recent], recent])
    assert long.tolist() == pytest.approx(short.tolist(), abs=1e-5)
    assert teacher.catalogue_scores([recent[-2:]])[0].tolist() != pytest.approx(short.tolist(), abs=1e-2)


def test_scores_are_log_probabilities_of_the_whole_catalogue(teacher: Teacher) -> None:
    total = torch.from_numpy(teacher.catalogue_scores([[], [1], [3, 4]])).exp().sum(dim=1)
    assert total.tolist() == pytest.approx([1.0] * 3, abs=1e-5)


def test_scoring_is_without_dropout_even_in_the_midst_of_training(teacher: Teacher) -> None:
    teacher.network.train()
    try:
        first, second = teacher.catalogue_scores([[1, 2]]), teacher.catalogue_scores([[1, 2]])
        assert teacher.network.training
    finally:
        teacher.network.eval()
    assert first.tolist() == second.tolist() == teacher.catalogue_scores([[1, 2]]).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_shape_the_network(name: str) -> None:
    def size(**settings: object) -> int:
        config = TeacherConfig.model_validate(TINY.model_dump() | {"name": name} | settings)
        return sum(p.numel() for p in network_class(name)(N_ITEMS, config).parameters())

    assert size(width=32) > size()
    if "layers" not in ARCHITECTURES[name].ignores:
        assert size(layers=3) > size()
    if name == "caser":
        assert size(caser={"filters": 32}) > size()
    if name == "gru4rec":
        assert size(gru4rec={"hidden": 64}) > size() == size(gru4rec={"hidden": 32})


def test_dropout_zeroes_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    values = Dropout(0.25)(torch.ones(400, 501))
    assert values.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (values == 0).float().mean().item() == pytest.approx(0.25, abs=0.005)
    assert values.mean().item() == pytest.approx(1.0, abs=0.01)


def test_dropout_lets_gradients_through_where_values_pass() -> None:
    torch.manual_seed(0)
    inputs = torch.ones(1000, requires_grad=True)
    values = Dropout(0.5)(inputs)
    values.sum().backward()
    assert inputs.grad is not None
    assert torch.equal(inputs.grad, values.detach())


def test_dropout_of_a_batch_that_is_shared_is_of_its_rows_and_copies_of_them() -> None:
    own, layer = slice(1, 3), Dropout(0.5)

    def dropped(rows: int, drawn: slice) -> torch.Tensor:
        torch.manual_seed(0)
        with drawn_for(drawn, 4):
            return layer(torch.ones(rows, 20))

    for copies in (1, 3):
        whole = dropped(4 * copies, slice(0, 4)).unflatten(0, (copies, 4))
        assert torch.equal(dropped(2 * copies, own).unflatten(0, (copies, 2)), whole[:, own])
    with pytest.raises(ValueError, match="5 rows instead of a multiple of the batch's 2"):
        dropped(5, own)


def test_dropout_follows_the_seed_and_rests_in_evaluation() -> None:
    layer, draws = Dropout(0.5), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(layer(torch.ones(100)).tolist())
    assert draws[0] == draws[1] != draws[2]
    assert torch.equal(layer.eval()(torch.ones(100)), torch.ones(100))
