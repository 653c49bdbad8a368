"""Stage 1: what the teacher knows becomes a soft prompt of the frozen LLM (paper section IV-B)."""

from engine.distill.stage import distil, random_prompt

__all__ = ["distil", "random_prompt"]
