"""Runs a function in several processes that work together, forked from the test's own: nothing is imported again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.queues import Queue
from typing import Any

import torch

PATIENCE = 120.0


def together(count: int, work: Callable[[], Any]) -> list[Any]:
    """What ``work`` returns in each of ``count`` processes, by their numbers; tensors as NumPy arrays.

    One is alone, and a process apart: threads of a group that the test's own had would be missing in the next forks.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    answers: Queue[tuple[int, Any]] = context.Queue()
    started = [context.Process(target=_work, args=(rank, count, port, work, answers)) for rank in range(count)]
    for process in started:
        process.start()
    try:
        found = dict(answers.get(timeout=PATIENCE) for _ in started)
    finally:
        for process in started:
            process.join(0 if len(locals().get("found", ())) < count else PATIENCE)
            process.kill()
    for answer in found.values():
        assert not isinstance(answer, _Failed), answer.trace
    return [found[rank] for rank in range(count)]


class _Failed:
    def __init__(self, trace: str) -> None:
        self.trace = trace


def _work(rank: int, count: int, port: int, work: Callable[[], Any], answers: Queue[tuple[int, Any]]) -> None:
    from engine import distributed

    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count), MASTER_PORT=str(port))
    os.environ.update(MASTER_ADDR="127.0.0.1", ACCELERATE_USE_CPU="true", OMP_NUM_THREADS="1")
    torch.set_num_threads(1)  # a forked pool of threads is none
    try:
        with distributed.joined() if count > 1 else contextlib.nullcontext():
            answers.put((rank, work()))
    except BaseException:
        answers.put((rank, _Failed(traceback.format_exc())))
