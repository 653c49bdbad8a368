"""Every test has a data folder of its own; tests marked ``real`` share what was fetched, and nothing else."""

from __future__ import annotations

import os

KEPT = {"DELREC_TEST_HOME"}
LEAKING = (
    *("DELREC_", "GRADIO_", "UVICORN_", "WANDB_", "MLFLOW_"),
    *("FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY", "PYTHONIOENCODING", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
)
"""Beginnings of variables by which the machine would have a say in what is tested."""
for name in [name for name in os.environ if name.startswith(LEAKING) and name not in KEPT]:
    del os.environ[name]
os.environ["DELREC_SHARED_MB"] = "0"  # what one test made is no other's; tests of sharing set it
os.environ["DELREC_RUNS_AT_ONCE"] = "1"  # a second run waits; tests of several at once set it
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,::1"  # servers of tests are here
# Before torch is imported anywhere: one thread per test process, so that parallel workers do not fight over the cores
# and sums come out in the same order in every run.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import platformdirs  # noqa: E402
import pytest  # noqa: E402

FETCHED = ("datasets", "models")
"""The only folders of a data folder that tests may share: what was downloaded, never what was computed."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that take longest begin first where several processes share them (``make test``), so that none is left
    alone at the end: those with real weights, those with a browser, and then by how many tests they have."""
    if not hasattr(config, "workerinput"):
        return
    tests: dict[Path, list[pytest.Item]] = {}
    for item in items:
        tests.setdefault(item.path, []).append(item)

    def cost(path: Path) -> tuple[bool, bool, int]:
        real, browser = (any(it.get_closest_marker(name) for it in tests[path]) for name in ("real", "browser"))
        return real, browser, len(tests[path])

    items[:] = [item for path in sorted(tests, key=cost, reverse=True) for item in tests[path]]


def _link_fetched(home: Path, cache: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    for name in FETCHED:
        (cache / name).mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(cache / name, target_is_directory=True)
    return home


@pytest.fixture(scope="session")
def shared_home() -> Path:
    """Folder that keeps downloads between test sessions: ``DELREC_TEST_HOME`` or one in the user's cache."""
    chosen = os.environ.get("DELREC_TEST_HOME")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("delrec-studio-tests"))


@pytest.fixture(scope="session")
def real_home(shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder for this session whose ``datasets/`` and ``models/`` are the shared ones.

    ``DELREC_HOME`` points to it while session and module fixtures that ask for it are set up; each test then gets
    its own again (see :func:`delrec_home`).
    """
    home = _link_fetched(tmp_path_factory.mktemp("real") / "home", shared_home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELREC_HOME", str(home))
        yield home


@pytest.fixture(autouse=True)
def delrec_home(
    request: pytest.FixtureRequest, tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """``DELREC_HOME`` of this test alone; with the mark ``real``, downloads come from the shared folder."""
    home = tmp_path / "delrec-home"
    if request.node.get_closest_marker("real"):
        _link_fetched(home, shared_home)
    monkeypatch.setenv("DELREC_HOME", str(home))
    return home
