"""Amazon Beauty, as the paper calls it."""

from engine.data.readers.paper import PaperSet

READER = PaperSet("beauty", "Beauty", "198,502 reviews of 12,101 items by 22,363 people (5-core)")
