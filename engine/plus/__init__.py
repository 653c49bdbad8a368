"""DELRec-plus: what goes beyond the paper, as a row of its own.

The same language model, with the same soft prompt, learns from every position of every training sequence at once, and
its answer is weighed against the teacher's on validation users.
"""

from engine.plus.model import Plus, load_plus
from engine.plus.ranker import PlusRanker
from engine.plus.stage import train_plus

__all__ = ["Plus", "PlusRanker", "load_plus", "train_plus"]
