"""``delrec run`` and ``delrec resume`` with the quick recipe; arguments: ``STEPS``, or ``resume RUN``."""

import sys

from fake_recipe import config, recipe

from engine.errors import Cancelled
from jobs import api, foreground

try:
    if sys.argv[1] == "resume":
        foreground.resume(api.status(sys.argv[2]), None, recipe)
    else:
        foreground.run(config(steps=int(sys.argv[1])), "smoke", None, None, recipe)
except Cancelled:
    sys.exit(3)
