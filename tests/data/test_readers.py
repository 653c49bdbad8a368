"""What holds for every data set of the registry."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from samples import DAY, ITEMS, ITEMS_ALONE, LOG, NUMBER, SEQUENCES, WRITE, Row

from engine import datasets
from engine.config import DataConfig
from engine.data import Dataset, load_dataset
from engine.data.cleaning import Cleaning
from engine.data.readers.base import Reader
from engine.domains import DOMAINS
from engine.errors import Cancelled, StudioError
from engine.fields import describe
from engine.locations import data_fault, data_presence
from engine.monitor import Monitor

FILES = [name for name in datasets.names() if name != "synthetic"]
NATIVE = [name for name in FILES if name not in ("ml-100k", "csv")]


class Log(Monitor):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def load(name: str, path: Path, monitor: Monitor | None = None, **settings: object) -> Dataset:
    settings = {"min_interactions": 3, "min_item_interactions": 1} | settings
    config = DataConfig(dataset=name, path=str(path), **settings)  # type: ignore[arg-type]
    return load_dataset(config, 0, monitor or Monitor())


def shown(dataset: Dataset) -> dict[str, list[str]]:
    """Each user's titles, oldest first."""
    titles = dataset.catalogue.titles
    told = zip(dataset.user_ids, dataset.sequences, strict=True)
    return {user: [titles[item] for item in items] for user, items in told}


def sample_users(dataset: Dataset) -> dict[str, list[str]]:
    """What a sample holds, its users as ``SEQUENCES`` calls them: formats whose users are numbers call ``A1`` 1."""
    return {f"A{user.removeprefix('A')}": titles for user, titles in shown(dataset).items()}


EXPECTED = {user: [ITEMS[raw][0] for raw in items] for user, items in SEQUENCES.items()}


@pytest.mark.parametrize("name", datasets.names())
def test_every_entry_says_what_it_is_and_whether_it_is_here(name: str) -> None:
    reader = datasets.reader(name)
    unsaid = [fact for fact in Reader.__annotations__ if not hasattr(reader, fact)]
    assert not unsaid, f"its reader gives no value to {', '.join(unsaid)} of engine.data.readers.base.Reader"
    for text in (reader.title, reader.about, reader.licence):
        assert text
        assert "\n" not in text
    assert reader.domain in DOMAINS, "engine/domains.py has the words of each domain"
    config = DataConfig(dataset=name)
    assert (data_presence(config) == "unknown") == (data_fault(config) is not None)


@pytest.mark.parametrize("name", FILES)
def test_the_same_facts_in_every_format_give_the_same_sequences_and_titles(name: str, tmp_path: Path) -> None:
    WRITE[name](tmp_path, LOG)
    assert data_presence(DataConfig(dataset=name, path=str(tmp_path))) == "here"
    dataset = load(name, tmp_path)
    assert sample_users(dataset) == EXPECTED
    assert {tuple(sorted(times.tolist())) for times in dataset.timestamps} == {
        tuple(t) for t in map(list, dataset.timestamps)
    }
    record = dataset.cleaning
    assert isinstance(record, Cleaning)
    assert record.rows == len(LOG)
    assert record.dropped == {}
    assert record.unused == 1 or name in ("ml-100k", "csv")
    assert "Never Chosen" not in dataset.catalogue.titles


@pytest.mark.parametrize("name", NATIVE)
def test_repeats_unknown_items_and_rows_without_an_id_are_counted(name: str, tmp_path: Path) -> None:
    """The first occurrence stays; a game that is not listed and a row without a user go."""
    known = {**NUMBER, "gone": "777"}
    NUMBER["gone"] = "777"
    try:
        WRITE[name](tmp_path, [*LOG, ("A1", "B000000001", LOG[-1][2] + 86_400 * 30), ("A2", "gone", LOG[0][2])])
    finally:
        del NUMBER["gone"]
    assert known["gone"] == "777"
    dataset = load(name, tmp_path)
    assert sample_users(dataset) == EXPECTED
    assert dataset.cleaning is not None
    counts = {kind: step.interactions for kind, step in dataset.cleaning.dropped.items()}
    assert counts == {"repeats": 1, "unlisted": 1}
    assert "1 repeats" in dataset.cleaning.summary()


@pytest.mark.parametrize("name", NATIVE)
def test_plain_packed_and_archived_files_are_one(name: str, tmp_path: Path) -> None:
    """As they are, unpacked, within a folder, and in an archive with a folder."""
    made = tmp_path / "made"
    made.mkdir()
    WRITE[name](made, LOG)
    plain = tmp_path / "above" / "plain"
    plain.mkdir(parents=True)
    for path in made.iterdir():
        if path.suffix == ".gz":
            (plain / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        else:
            shutil.copy(path, plain)
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "above")
    first = load(name, made)
    for path in (plain, plain.parent, tmp_path / "packed.zip"):
        if path.suffix == ".zip" and any(plain.glob("*.zip")):
            continue  # an archive within an archive
        again = load(name, path)
        assert again.catalogue == first.catalogue
        assert shown(again) == shown(first)


@pytest.mark.parametrize("name", NATIVE)
def test_a_file_stands_for_its_folder(name: str, tmp_path: Path) -> None:
    WRITE[name](tmp_path, LOG)
    for path in tmp_path.iterdir():
        if not any(path.match(pattern) for pattern in ITEMS_ALONE):
            assert sample_users(load(name, path)) == EXPECTED


@pytest.mark.parametrize("name", FILES)
def test_a_path_where_nothing_is_is_refused_before_and_when_reading(name: str, tmp_path: Path) -> None:
    config = DataConfig(dataset=name, path=str(tmp_path / "absent"))
    assert data_presence(config) == "unknown"
    with pytest.raises(StudioError) as failure:
        load_dataset(config, 0, Monitor())
    for refusal in (data_fault(config), failure.value):
        assert str(tmp_path / "absent") in str(refusal)
        assert "data.path" in str(refusal)


@pytest.mark.parametrize("name", NATIVE)
def test_a_wrong_folder_says_which_files_were_looked_for_and_what_is_there(name: str, tmp_path: Path) -> None:
    (sample := tmp_path / "sample").mkdir()
    WRITE[name](sample, LOG)
    endings = {suffix for file in sample.rglob("*") for suffix in file.suffixes}
    shutil.rmtree(sample)
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    config = DataConfig(dataset=name, path=str(tmp_path))
    told = str(data_fault(config))
    files = told.partition("looked for ")[2].partition("holiday.jpg")[0]
    assert any(ending in files for ending in endings), f"'files' of its reader names none that end in {sorted(endings)}"
    assert "holiday.jpg" in told
    with pytest.raises(StudioError, match="looked for"):
        load_dataset(config, 0, Monitor())


@pytest.mark.parametrize("name", NATIVE)
def test_without_a_path_nothing_is_fetched_and_the_remedy_is_named(name: str) -> None:
    fault = data_fault(DataConfig(dataset=name))
    assert fault is not None
    assert "data.path" in fault.remedy


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("name", NATIVE)
def test_a_file_cut_in_the_middle_is_a_sentence(name: str, part: int, tmp_path: Path) -> None:
    """What is packed cannot be read. Of what is not, the last line may happen to be whole; then it is still told."""
    WRITE[name](tmp_path, LOG)
    victims = sorted(tmp_path.iterdir())
    victim = victims[min(part, len(victims) - 1)]
    content = victim.read_bytes()
    victim.write_bytes(content[: len(content) * 2 // 3 + 1] if victim.suffix in (".gz", ".zip") else content[:-9])
    log = Log()
    try:
        load(name, tmp_path, monitor=log)
        told = log.lines[0]
        assert victim.suffix not in (".gz", ".zip")
    except StudioError as error:
        told = str(error)
    assert re.search(r"cut off|damaged", told), told
    assert victim.name.removesuffix(".gz") in told
    assert "\n" not in told


@pytest.mark.parametrize("name", NATIVE)
def test_items_of_another_data_set_are_told(name: str, tmp_path: Path) -> None:
    others = {raw: str(int(number) + 500) for raw, number in NUMBER.items()}
    first = tmp_path / "first"
    first.mkdir()
    kept = dict(NUMBER)
    log = [(user, f"B99{item[3:]}", moment) for user, item, moment in LOG]
    NUMBER.update({f"B99{raw[3:]}": others[raw] for raw in kept})
    try:
        WRITE[name](first, log)
    finally:
        for raw in list(NUMBER):
            if raw not in kept:
                del NUMBER[raw]
    with pytest.raises(StudioError, match="none of the 5 items of the interactions is in the items file"):
        load(name, first)


@pytest.mark.parametrize("name", NATIVE)
def test_reading_can_be_stopped(name: str, tmp_path: Path) -> None:
    class Stopping(Monitor):
        def should_stop(self) -> bool:
            return True

    WRITE[name](tmp_path, LOG)
    with pytest.raises(Cancelled):
        load_dataset(DataConfig(dataset=name, path=str(tmp_path)), 0, Stopping())


@pytest.mark.parametrize("name", NATIVE)
def test_times_that_are_all_equal_are_told(name: str, tmp_path: Path) -> None:
    def written(called: str, rows: list[Row]) -> tuple[Path, list[bytes]]:
        (folder := tmp_path / called).mkdir()
        WRITE[name](folder, rows)
        return folder, [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]

    (_, usual), (_, later) = (
        written(f"{days}", [(user, item, at + DAY * days) for user, item, at in LOG]) for days in (0, 1)
    )
    if usual == later:
        return  # the format has an order and no times
    dataset = load(name, written("equal", [(user, item, LOG[0][2]) for user, item, _ in LOG])[0])
    assert dataset.cleaning is not None
    assert any("all times are equal" in note for note in dataset.cleaning.notes)


def test_the_setting_s_choices_are_the_registry() -> None:
    setting = next(setting for setting in describe() if setting.name == "data.dataset")
    assert (setting.choices, setting.open) == (datasets.names(), True)


def test_an_unknown_name_is_refused_with_the_like_or_all() -> None:
    with pytest.raises(StudioError, match="did you mean ml-100k"):
        load_dataset(DataConfig(dataset="ml-100"), 0, Monitor())
    with pytest.raises(StudioError, match=f"choose one of {datasets.names()[0]}"):
        load_dataset(DataConfig(dataset="zzz"), 0, Monitor())


def test_names_are_known_without_loading_a_reader() -> None:
    code = "import sys, engine.config; print(*[m for m in sys.modules if m.startswith('engine.data.') or m == 'numpy'])"
    assert not subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
