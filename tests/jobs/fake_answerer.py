"""``jobs.answerer`` that knows the fake kinds."""

import sys

import fake_kinds

from jobs.answerer import main

fake_kinds.register()
main(int(sys.argv[1]))
