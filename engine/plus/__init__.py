"""DELRec-plus: what goes beyond the paper, as a row of its own.

The language model after both stages, a recommender that reads titles (:mod:`engine.teachers.text`) and the teachers,
each weighed by how well validation users bear it out: a sum of named parts.
"""

from engine.plus.ranker import PlusRanker
from engine.plus.weights import PlusWeights, learn_weights

__all__ = ["PlusRanker", "PlusWeights", "learn_weights"]
