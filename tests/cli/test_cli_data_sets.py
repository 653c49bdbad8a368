"""``delrec data``: what is listed, described, fetched and imported."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from cli_shell import Shell

from engine import datasets
from engine.data import remote
from engine.data.readers import films, ml_1m


def atomic(folder: Path, users: int = 6, items: int = 6) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"u{user}\ti{item}\t{(item * 7 + user) % 11}\n" for user in range(users) for item in range(items))
    (folder / "shop.inter").write_text(f"user_id:token\titem_id:token\ttimestamp:float\n{rows}u0\ti0\t99\n")
    titles = "".join(f"i{item}\tThing &amp; {item}\n" for item in range(items + 1))
    (folder / "shop.item.gz").write_bytes(gzip.compress(f"item_id:token\ttitle:token\n{titles}".encode()))
    return folder


def test_all_data_sets_are_listed_with_licence_and_where_from(shell: Shell) -> None:
    rows = json.loads(shell("data", "list", "--json").out)
    assert [row["name"] for row in rows] == list(datasets.names())
    assert all(row["about"] and row["licence"] and row["where"] for row in rows)
    where = {row["name"]: row["where"] for row in rows}
    assert where["synthetic"] == "built in"
    assert "delrec data fetch ml-1m" in where["ml-1m"]
    assert "fetch" not in where["recbole"]
    plain = shell("data", "list").out
    assert all(name in plain for name in datasets.names())


def test_a_data_set_is_described_in_words_and_as_json(shell: Shell, tmp_path: Path) -> None:
    path, target = atomic(tmp_path / "shop"), tmp_path / "out.json"
    said = shell("data", "describe", "recbole", "--set", f"data.path={path}", "--json", str(target))
    assert said.code == 0, said.err
    found = json.loads(target.read_text())
    assert (found["users"], found["items"], found["interactions"]) == (6, 6, 36)
    assert found["cleaning"]["dropped"] == {"repeats": {"interactions": 1, "users": 0, "items": 0}}
    assert "dropped: 1 repeats" in said.out
    assert "1 row of the items file, of no item kept" in said.out
    by_setting = shell("data", "describe", "--set", "data.dataset=recbole", "--set", f"data.path={path}")
    assert by_setting.out == said.out


def test_files_are_imported_under_a_name_that_runs_take(shell: Shell, tmp_path: Path) -> None:
    folder = atomic(tmp_path / "shop")
    said = shell("data", "import", *map(str, sorted(folder.iterdir())), "--name", "shop")
    assert said.code == 0, said.err
    assert "read as recbole" in said.err
    assert "37 rows of 6 items by 6 users" in said.err
    assert "--set data.dataset=shop" in said.out
    target = tmp_path / "out.json"
    assert shell("data", "describe", "shop", "--json", str(target)).code == 0
    found = json.loads(target.read_text())
    assert (found["users"], found["items"], found["interactions"]) == (6, 6, 36)
    assert [row["where"] for row in json.loads(shell("data", "list", "--json").out) if row["name"] == "shop"] == [
        "here"
    ]
    assert "there is a data set 'shop' already" in shell.refuses("data", "import", str(folder), "--name", "shop")


def test_an_imported_one_is_renamed_and_deleted(shell: Shell, tmp_path: Path) -> None:
    assert shell("data", "import", str(atomic(tmp_path / "shop")), "--name", "shop").code == 0
    assert "--set data.dataset=store" in shell("data", "rename", "shop", "store").out
    assert "there is no imported data set 'shop'" in shell.refuses("data", "delete", "shop", "--yes")
    shell("launch", "--preset", "smoke", "--set", "data.dataset=store", "--name", "On it")
    assert "On it is queued or under way" in shell.refuses("data", "delete", "store", "--yes")
    assert "On it is queued or under way" in shell.refuses("data", "rename", "store", "other")
    shell("cancel", "On it")
    assert "store would be deleted (1 run on it: On it)" in shell.refuses("data", "delete", "store")
    assert "store is deleted" in shell("data", "delete", "store", "--yes").out
    assert datasets.imported() == ()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("data", "describe", "nonsense"), "there is no data set 'nonsense'"),
        (("data", "describe", "ml-1m"), "delrec data fetch ml-1m"),
        (("data", "describe", "ml-1m", "--set", "data.path=/no/such"), "there is no /no/such"),
        (("data", "describe", "recbole"), "set data.path"),
        (("data", "describe", "amazon-2018", "--set", "data.category=Nope"), "choose one of AMAZON_FASHION"),
        (("data", "fetch", "nonsense"), "there is no data set 'nonsense'"),
        (("data", "fetch", "csv"), "cannot be fetched"),
        (("data", "fetch", "recbole"), "cannot be fetched"),
        (("data", "fetch", "amazon-2014"), "which part?"),
        (("data", "fetch", "ml-latest", "--category", "ml-1b"), "choose one of ml-latest-small"),
        (("data", "import", "/no/such/file", "--name", "x"), "there is no /no/such/file"),
        (("data", "import", "/etc/hostname", "--name", "../x"), "no name for a data set"),
        (("data", "import", "/etc/hostname"), "--name"),
        (("data", "import", "/etc/hostname", "--name", "x", "--as", "nonsense"), "there is no data set 'nonsense'"),
        (("data", "rename", "synthetic", "x"), "there is no imported data set 'synthetic'"),
        (("data", "rename", "nonsense", "x"), "there is no imported data set 'nonsense'"),
        (("data", "delete", "../x", "--yes"), "there is no imported data set '../x'"),
        (("data", "delete"), "Missing argument"),
        (("data", "nonsense"), "No such command"),
    ],
)
def test_bad_input_is_one_line(shell: Shell, arguments: tuple[str, ...], told: str) -> None:
    assert told in shell.refuses(*arguments)


def test_files_of_no_known_format_are_refused(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    assert "no known format: photo.jpg" in shell.refuses("data", "import", str(tmp_path), "--name", "x")
    assert datasets.imported() == ()


def test_sizes_are_said_and_large_ones_need_a_yes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    monkeypatch.setattr(films, "GROUPLENS", "http://x/")
    monkeypatch.setattr(remote, "size_of", lambda url: 12_000_000_000)
    monkeypatch.setattr(ml_1m.READER, "fetch", lambda *asked: fetched.append(asked) or Path("/there"), raising=False)
    refusal = shell("data", "fetch", "ml-1m")
    assert refusal.code == 2
    assert "ml-1m.zip: 12.0 GB, http://x/ml-1m.zip" in refusal.err
    assert "12.0 GB to fetch (ml-1m) — say --yes" in refusal.err
    assert not fetched
    said = shell("data", "fetch", "ml-1m", "--yes")
    assert said.code == 0, said.err
    assert len(fetched) == 1
    assert "delrec data describe ml-1m" in said.out
