"""``jobs.child`` with the quick recipe."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # as what a worker starts it has no script's own folder on the path

from fake_recipe import recipe

from jobs.child import main

sys.exit(main(sys.argv[1:], recipe=recipe))
