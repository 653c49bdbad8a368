"""Language models: sources of weights, backbones, prompts, the soft prompt, verbalizers and the ranker."""

from engine.llm.backbone import Backbone, Embedded
from engine.llm.encoder import Encoded, PromptEncoder
from engine.llm.fingerprint import BackboneFingerprint
from engine.llm.prompts import Prompt, Prompts, Segment
from engine.llm.ranker import LLMRanker
from engine.llm.scorer import PromptScorer
from engine.llm.soft_prompt import SoftPrompt
from engine.llm.sources import load_backbone, load_encoder
from engine.llm.verbalizers import Verbalizer, make_verbalizer

__all__ = [
    "Backbone",
    "BackboneFingerprint",
    "Embedded",
    "Encoded",
    "LLMRanker",
    "Prompt",
    "PromptEncoder",
    "PromptScorer",
    "Prompts",
    "Segment",
    "SoftPrompt",
    "Verbalizer",
    "load_backbone",
    "load_encoder",
    "make_verbalizer",
]
