"""Stands beside a worker whom nobody asks: it comes and goes as ``jobs.answerer`` does, without what answers need."""

import signal
import sys

from jobs.process import Flag, end_with_parent

stopping = Flag()
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda *_: stopping.set())
end_with_parent(int(sys.argv[1]), stopping.set, 5.0)
while not stopping.wait(0.5):
    pass
