"""Recommendations for a history of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.data import Catalogue
from engine.data.catalogue import ItemLabel
from engine.errors import StudioError
from engine.ranking import History
from engine.recommend import Recommendation, recommend

TITLES = ("Toy Story", "Star Wars", "Heat", "Alien", "Fargo", "Jaws", "Psycho", "Casablanca")
YEARS = (1995, 1977, 1995, 1979, 1996, 1975, 1960, 1942)


@dataclass
class Reader:
    """The same scores for everyone; remembers whom it was asked about. It has to be told candidates."""

    name: str
    values: Sequence[float]
    asked: list[list[int]] = field(default_factory=list)

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        self.asked += [list(map(int, history)) for history in histories]
        return np.asarray(self.values, np.float32)[candidates]


class Fixed(Reader):
    """One that scores the whole catalogue besides."""

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        self.asked += [list(map(int, history)) for history in histories]
        return np.tile(np.asarray(self.values, np.float32), (len(histories), 1))


@dataclass
class Shop:
    """Teacher ranks items 0..7 downwards, the LLM upwards, popularity puts item 5 first."""

    catalogue: Catalogue
    teacher: Fixed
    popularity: Fixed
    llm: Reader
    seen: list[Catalogue] = field(default_factory=list)

    def ranker(self, catalogue: Catalogue) -> Reader:
        self.seen.append(catalogue)
        return self.llm

    def recommend(
        self, history: Sequence[str | int], *, ask_llm: bool = True, k: int = 3, top: int = 5
    ) -> Recommendation:
        return recommend(
            history,
            catalogue=self.catalogue,
            teacher=self.teacher,
            popularity=self.popularity,
            llm=self.ranker if ask_llm else None,
            k=k,
            top=top,
        )


@pytest.fixture
def shop() -> Shop:
    n = len(TITLES)
    catalogue = Catalogue(TITLES, YEARS, ((),) * n, tuple(map(str, range(n))))
    down = np.arange(n, 0, -1)
    return Shop(
        catalogue,
        Fixed("sasrec", down),
        Fixed("popularity", np.eye(n)[5]),
        Reader("delrec", -down),
    )


def test_teacher_and_llm_stand_side_by_side(shop: Shop) -> None:
    answer = shop.recommend(["toy story", "Heat (1995)"])
    assert [entry.title for entry in answer.history] == ["Toy Story (1995)", "Heat (1995)"]
    assert answer.teacher.model == "sasrec"
    assert [(r.rank, r.item, r.title) for r in answer.teacher.items] == [
        (1, 1, "Star Wars (1977)"),
        (2, 3, "Alien (1979)"),
        (3, 4, "Fargo (1996)"),
    ]
    assert [r.score for r in answer.teacher.items] == [7.0, 5.0, 4.0]
    # the LLM turns the teacher's best five (1, 3, 4, 5, 6) round
    assert answer.llm is not None
    assert answer.llm.model == "delrec"
    assert [(r.rank, r.item, r.score) for r in answer.llm.items] == [(1, 6, -2.0), (2, 5, -3.0), (3, 4, -4.0)]
    assert answer.reranked == 5
    assert answer.unknown == ()
    assert answer.notes == ()


def test_both_models_are_asked_about_the_same_history_in_order(shop: Shop) -> None:
    shop.recommend(["Heat", "Toy Story"])
    assert shop.teacher.asked == [[2, 0]]
    assert shop.llm.asked == [[2, 0]]


def test_item_ids_do_as_well_as_titles(shop: Shop) -> None:
    by_title, by_id = shop.recommend(["Heat", "Toy Story"]), shop.recommend([2, np.int64(0)])
    assert (by_id.teacher, by_id.llm) == (by_title.teacher, by_title.llm)
    assert by_id.history[0].query == "Heat (1995)"


def test_items_that_look_alike_are_told_by_their_ids(shop: Shop) -> None:
    titles = ("Heat", "HEAT", "Heat\ufe0f", "Pêche", "pêche", "Alien", "Fargo", "Brazil")
    shop.catalogue = Catalogue(titles, (None,) * 8, ((),) * 8, tuple(map(str, range(8))))
    answer = shop.recommend(["Heat", "id:4", "fargo"], k=5)
    assert [entry.title for entry in answer.history] == ["Heat [id:0]", "pêche [id:4]", "Fargo"]
    assert answer.llm is not None
    for ranked in (answer.teacher, answer.llm):
        assert sorted(place.title for place in ranked.items) == sorted(
            ["HEAT [id:1]", "Heat\ufe0f [id:2]", "Pêche [id:3]", "Alien", "Brazil"]
        )
    assert (answer.notes, shop.llm.asked) == ((), [[0, 4, 6]])


def test_an_unknown_title_is_named_and_told_to_the_llm_alone(shop: Shop) -> None:
    answer = shop.recommend(["Heat", "Zzyzx Road Trip", "Alien"])
    assert [entry.query for entry in answer.unknown] == ["Zzyzx Road Trip"]
    assert "“Zzyzx Road Trip”" in answer.notes[0]
    assert shop.teacher.asked == [[2, 3]]
    assert shop.llm.asked == [[2, 8, 3]]
    assert shop.seen[0].display(8) == "Zzyzx Road Trip"


def test_several_unknown_titles_keep_their_places(shop: Shop) -> None:
    shop.recommend(["Qwertyuiop", "Heat", "Asdfghjkl"])
    assert shop.llm.asked == [[8, 2, 9]]
    assert [shop.seen[0].display(item) for item in (8, 9)] == ["Qwertyuiop", "Asdfghjkl"]


def test_a_near_miss_comes_with_suggestions(shop: Shop) -> None:
    (entry,) = shop.recommend(["Alien 3", "Heat"]).unknown
    assert entry.suggestions[0] == ItemLabel("id:3", "Alien (1979)")


def test_if_the_catalogue_knows_nothing_popularity_stands_in_and_says_so(shop: Shop) -> None:
    answer = shop.recommend(["Qwertyuiop"])
    assert answer.teacher.model == "popularity"
    assert answer.teacher.items[0].item == 5
    assert shop.teacher.asked == []
    assert answer.llm is not None
    assert "SASRec knows none of the titles" in answer.notes[-1]


def test_without_an_llm_there_is_one_list(shop: Shop) -> None:
    answer = shop.recommend(["Heat", "Qwertyuiop"], ask_llm=False)
    assert answer.llm is None
    assert answer.notes == ("Not in the catalogue, left out: “Qwertyuiop”.",)


def test_a_title_given_twice_counts_once(shop: Shop) -> None:
    assert len(shop.recommend(["Heat", "heat", 2, "Qwertyuiop", "QWERTYUIOP"]).history) == 2


def test_nothing_of_the_history_is_recommended(shop: Shop) -> None:
    answer = shop.recommend(list(TITLES[:5]), k=3, top=20)
    assert {r.item for r in answer.teacher.items} == {5, 6, 7}
    assert answer.reranked == 3


def test_a_model_that_scores_the_whole_catalogue_is_held_to_no_list(shop: Shop) -> None:
    shop.llm = Fixed("delrec-plus", -np.asarray(shop.teacher.values))
    answer = shop.recommend(["Toy Story", "Tron"], k=3, top=3)
    assert answer.reranked is None
    assert answer.llm is not None
    assert [place.item for place in answer.llm.items] == [7, 6, 5]
    assert shop.llm.asked == [[0, 8]]  # titles of one's own are told it, too


def test_a_longer_list_than_the_reranked_one_widens_it(shop: Shop) -> None:
    assert shop.recommend(["Heat"], k=6, top=2).reranked == 6


@pytest.mark.parametrize("history", [[], [""], ["  ", "\u200b\n"]])
def test_an_empty_history_is_an_error_with_a_remedy(shop: Shop, history: list[str]) -> None:
    with pytest.raises(StudioError, match="history is empty"):
        shop.recommend(history)


@pytest.mark.parametrize("k", [0, -1, 8])
def test_lists_of_impossible_length_are_refused(shop: Shop, k: int) -> None:
    with pytest.raises(StudioError, match=r"choose 1 to 7"):
        shop.recommend(["Heat"], k=k)


def test_a_history_of_everything_leaves_nothing(shop: Shop) -> None:
    with pytest.raises(StudioError, match="shorten the history"):
        shop.recommend(list(range(8)), k=1)


@pytest.mark.parametrize("item", [-1, 8])
def test_an_id_outside_the_catalogue_is_refused(shop: Shop, item: int) -> None:
    with pytest.raises(StudioError, match="ids run from 0 to 7"):
        shop.recommend([item])


@pytest.mark.parametrize("title", ["🎬🎬🎬", "שלום עולם", "<script>alert(1)</script>", "${process.exit()}", "x" * 5000])
def test_hostile_and_foreign_titles_stay_text(shop: Shop, title: str) -> None:
    answer = shop.recommend([title, "Heat"])
    assert answer.history[0].query == title
    assert len(answer.teacher.items) == 3
