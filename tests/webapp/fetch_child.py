"""``jobs.data_child`` that finds the owners' files on the server named first, at the paths of their own addresses."""

from __future__ import annotations

import sys

from engine import datasets
from engine.data.readers.downloaded import Downloaded
from engine.data.remote import RemoteFile
from jobs.data_child import main

SERVER, PARENT = sys.argv[1:]


def _moved(reader: Downloaded) -> None:
    own = reader.remotes

    def remotes(config: object) -> tuple[RemoteFile, ...]:
        return tuple(
            RemoteFile(remote.name, tuple(f"{SERVER}/{url.split('/', 3)[3]}" for url in remote.urls), "")
            for remote in own(config)  # type: ignore[arg-type]
        )

    reader.remotes = remotes  # type: ignore[method-assign]


for name in ("amazon-2014", "ml-1m"):
    found = datasets.reader(name)
    assert isinstance(found, Downloaded)
    _moved(found)
sys.exit(main(int(PARENT)))
