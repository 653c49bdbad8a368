"""``jobs.child`` with the quick recipe."""

import sys

from fake_recipe import recipe

from jobs.child import main

sys.exit(main(sys.argv[1:], recipe=recipe))
