"""The DELRec pipeline as a library: data, teachers, LLM, distillation, fine-tuning, evaluation.

Knows no queue, database or web page. Progress and cancellation go through :class:`engine.monitor.Monitor`.
"""
