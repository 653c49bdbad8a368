"""Stands for ``delrec serve``: makes all states true, then keeps a worker beside itself."""

import signal
import sys
from pathlib import Path

from jobs import api
from jobs.worker import worker_process

api.recover()
with worker_process((sys.executable, str(Path(__file__).with_name("fake_worker.py")))):
    signal.pause()
