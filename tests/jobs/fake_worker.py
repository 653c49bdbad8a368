"""``jobs.worker`` whose children run the quick recipe; ``FAKE_ANSWERER`` names the program that answers questions."""

import os
import sys
from pathlib import Path

from jobs.worker import run_worker

HERE = Path(__file__).parent

run_worker(
    int(sys.argv[1]) if len(sys.argv) > 1 else None,
    command=(sys.executable, str(HERE / "fake_child.py")),
    answerer=(sys.executable, str(HERE / os.environ.get("FAKE_ANSWERER", "fake_answerer.py"))),
)
