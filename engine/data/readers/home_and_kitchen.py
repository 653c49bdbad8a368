"""Amazon Home and Kitchen, as the paper calls it."""

from engine.data.readers.paper import PaperSet

READER = PaperSet("home-and-kitchen", "Home_and_Kitchen", "551,682 reviews of 28,237 items by 66,519 people (5-core)")
