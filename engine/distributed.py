"""Several processes that train one run together: which of them this is, what it takes of the work, how they add up.

Outside :func:`joined` a process is alone, and everything here costs nothing. Together, they go through the recipe in
step: each has the whole model, or a share of it (:mod:`engine.llm.placement`), takes its part of every batch and of
all users who are asked, and the gradients are summed, so all make the same step. What they exchange goes through
``torch.distributed``, which Accelerate describes (gloo on processors, NCCL on GPUs). Only the first one writes, hears
the user, and decides to stop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar
from weakref import ref

from engine import watchdog
from engine.environment import code_version
from engine.errors import StudioError
from engine.monitor import Monitor, MonitorGroup
from engine.seeds import derive

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn
    from torch.distributed.device_mesh import DeviceMesh

Value = TypeVar("Value")
Asked = TypeVar("Asked")
JOIN = timedelta(minutes=10)
"""So long processes wait at first for each other: one that was started alone ends with a sentence."""
WAIT = timedelta(hours=6)
"""So long others may wait while one fetches a model; a process that died is noticed at once, by its connection, and one
that hangs by :mod:`engine.watchdog`."""


class DivisibleBatch(Protocol):
    """A step's questions, which can be asked in parts whose losses add up by their shares."""

    def parts(self, size: int, least: int = 1) -> Iterator[tuple[Self, float]]: ...


BatchT = TypeVar("BatchT", bound=DivisibleBatch)


class _ProcessState:
    """Which process this is, of how many, and what it does for the others before an exchange."""

    rank, count = 0, 1
    serve: Callable[[], None] | None = None
    enlisted: ClassVar[list[ref[Any]]] = []


def world_size() -> int:
    """How many processes work together; 1: this one is alone."""
    return _ProcessState.count


def rank() -> int:
    """The number of this one, from 0."""
    return _ProcessState.rank


def is_main_process() -> bool:
    """Whether it is the one that writes."""
    return _ProcessState.rank == 0


def local_rank() -> int:
    """Its number on this machine: that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", _ProcessState.rank))


@contextmanager
def joined(hung: Callable[[str], None] | None = None) -> Iterator[None]:
    """Within, this process is one of those that a launcher started: ``torchrun``, ``accelerate launch``, this program.

    ``hung`` is told, by another thread, who hangs, and is to end this process; without it nobody is looked after.
    The launcher says so by ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT``, and by
    ``ACCELERATE_USE_CPU`` that GPUs are not used, even where there are some.

    Raises:
        StudioError: the others cannot be reached, or there are fewer GPUs than processes on this machine.
    """
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    cuda = torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_CPU", "").lower() not in ("1", "true", "yes")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"]))
    if cuda and here > torch.cuda.device_count():
        raise StudioError(
            f"{here} processes, and this machine has {torch.cuda.device_count()} GPU",
            where="run.processes",
            remedy="start at most as many, or set both devices to cpu (under a launcher: ACCELERATE_USE_CPU=true)",
        )
    from accelerate import PartialState

    if "OMP_NUM_THREADS" not in os.environ:  # each would take all cores
        os.environ["OMP_NUM_THREADS"] = str(max(1, torch.get_num_threads() // here))
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if distributed.is_initialized():  # by :func:`mesh`, of this process alone
        distributed.destroy_process_group()
    with ExitStack() as watched:
        try:
            store, rank, count = next(rendezvous("env://", timeout=JOIN))
            watched.enter_context(watchdog.watching(store, rank, count, hung))
            backends = "cpu:gloo,cuda:nccl" if cuda else "gloo"
            distributed.init_process_group(backends, store=store, rank=rank, world_size=count, timeout=WAIT)
        except (RuntimeError, ValueError) as error:
            remedy = "start all of them at once, with one MASTER_ADDR and a free MASTER_PORT"
            raise StudioError(f"the processes do not find each other: {error}", remedy=remedy) from None
        state = PartialState(cpu=not cuda)
        _ProcessState.rank, _ProcessState.count, _ProcessState.enlisted = state.process_index, state.num_processes, []
        try:
            other = "another version of the program than the first"
            check_same(other, code_version(), "install the same one on all machines")
            yield
        finally:
            _ProcessState.rank, _ProcessState.count, _ProcessState.serve = 0, 1, None
            distributed.destroy_process_group()
            PartialState._reset_state()


def mesh(device: str) -> DeviceMesh:
    """All processes for FSDP, which wants a group also where this one is alone; ``device``: the type of theirs."""
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh

    if not distributed.is_initialized():
        store = distributed.HashStore()  # type: ignore[attr-defined] # it is documented
        backends = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
        distributed.init_process_group(backends, store=store, rank=0, world_size=1)
    return init_device_mesh(device, (_ProcessState.count,))


def enlist(thing: object) -> int:
    """The number of a thing that is not kept here, the same in all processes: they make such things in one order."""
    _ProcessState.enlisted.append(ref(thing))
    return len(_ProcessState.enlisted) - 1


def enlisted(number: int) -> Any:
    """The thing of this number."""
    return _ProcessState.enlisted[number]()


def before_exchanges(serve: Callable[[], None]) -> None:
    """Have ``serve`` called in front of every exchange from now on, and nothing else."""
    _ProcessState.serve = serve


def _meet() -> None:
    if _ProcessState.serve is not None:
        _ProcessState.serve()


@watchdog.exchange()
def all_gather_number(number: int) -> list[int]:
    """The number of every process, in their order; nothing is done for others before."""
    if _ProcessState.count == 1:
        return [number]
    import torch
    from torch import distributed

    found = [torch.empty(1, dtype=torch.int64) for _ in range(_ProcessState.count)]
    distributed.all_gather(found, torch.tensor([number]))
    return [int(other) for other in found]


def own_parts(batch: BatchT, size: int) -> Iterator[tuple[BatchT, float]]:
    """This process's parts of ``batch``, of at most ``size`` prompts each, with their shares of the whole.

    Randomness is drawn for each part from the step's seed and the part's number, so that it does not matter which
    process takes it. Where there would be fewer parts than processes they are smaller.
    """
    import torch

    seed = torch.initial_seed()
    for number, (part, share) in enumerate(batch.parts(size, _ProcessState.count)):
        if number % _ProcessState.count == _ProcessState.rank:
            if number:  # the first goes on with the step's
                torch.manual_seed(derive(seed, "part", number))
            yield part, share
    torch.manual_seed(derive(seed, "behind"))


def own_rows(n: int) -> slice:
    """Which of ``n`` rows are this process's; all where there are fewer rows than processes."""
    if n < _ProcessState.count:
        return slice(0, n)
    return slice(n * _ProcessState.rank // _ProcessState.count, n * (_ProcessState.rank + 1) // _ProcessState.count)


def map_rows(n: int, ask: Callable[[slice], np.ndarray]) -> np.ndarray:
    """What ``ask`` answers about ``n`` rows, of which each process asks its own; everybody gets all."""
    if n < _ProcessState.count or _ProcessState.count == 1:
        return ask(slice(0, n))
    import numpy as np  # who only asks how many there are does without

    return np.concatenate(all_gather(ask(own_rows(n))))


def map_chunks(n: int, size: int, ask: Callable[[slice], np.ndarray], after: Callable[[int], object]) -> np.ndarray:
    """:func:`map_rows`, of ``size`` rows for each process at a time; ``after`` each the number of rows done is told."""
    import numpy as np

    def behind(start: int) -> Callable[[slice], np.ndarray]:
        return lambda own: ask(slice(start + own.start, start + own.stop))

    step = size * _ProcessState.count
    found = np.empty(0)
    for start in range(0, n, step):
        stop = min(start + step, n)
        part = map_rows(stop - start, behind(start))
        if not start:
            found = np.empty((n, *part.shape[1:]), part.dtype)
        found[start:stop] = part
        after(stop)
    return found


def map_items(items: Sequence[Asked], ask: Callable[[int, Asked], Value]) -> list[Value]:
    """What ``ask`` answers about each of the ``items`` and its number, of which each process asks its own; everybody
    gets all."""
    own = own_rows(len(items))
    found = [ask(own.start + number, item) for number, item in enumerate(items[own])]
    return found if len(found) == len(items) else [value for part in all_gather(found) for value in part]


@watchdog.exchange()
def all_gather(value: Value) -> list[Value]:
    """The value of every process, in their order."""
    if _ProcessState.count == 1:
        return [value]
    from accelerate.utils import gather_object

    _meet()
    found: list[Value] = gather_object([value])
    return found


def check_same(what: str, value: str, remedy: str, where: str = "") -> None:
    """Make sure that all processes have the same ``value``; each is told, so that none waits for one that has ended.

    Raises:
        StudioError: one of them has ``what``.
    """
    found = all_gather(value)
    other = next((number for number, own in enumerate(found) if own != found[0]), None)
    if other is not None:
        raise StudioError(f"process {other + 1} of {len(found)} has {what}", where=where, remedy=remedy)


@watchdog.exchange()
def broadcast(value: Value) -> Value:
    """The first process's value."""
    if _ProcessState.count == 1:
        return value
    from accelerate.utils import broadcast_object_list

    _meet()
    found: list[Value] = broadcast_object_list([value])
    return found[0]


@watchdog.exchange()
def all_reduce(tensors: Iterable[Tensor], *numbers: float) -> list[float]:
    """Replace each of the ``tensors`` by its sum over all processes; returns the sums of the ``numbers``.

    Sums are made in float32 (numbers in float64), in one exchange for each device.
    """
    if _ProcessState.count == 1:
        return list(numbers)
    import torch
    from torch import distributed

    _meet()
    by_device: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors:
        by_device.setdefault(tensor.device, []).append(tensor)
    for own in by_device.values():
        flat = torch.cat([tensor.detach().flatten().float() for tensor in own])
        distributed.all_reduce(flat)
        for tensor, total in zip(own, flat.split([tensor.numel() for tensor in own]), strict=True):
            tensor.detach().copy_(total.view_as(tensor))
    together = torch.tensor(numbers, dtype=torch.float64)
    if numbers:
        distributed.all_reduce(together)
    return together.tolist()


def all_reduce_gradients(parameters: Iterable[nn.Parameter], *numbers: float) -> list[float]:
    """:func:`all_reduce` of the parameters' gradients; one that has none here adds nothing."""
    if _ProcessState.count == 1:
        return list(numbers)
    import torch

    learned = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in learned:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return all_reduce([parameter.grad for parameter in learned if parameter.grad is not None], *numbers)


@watchdog.exchange()
def barrier() -> None:
    """Until all are here."""
    if _ProcessState.count > 1:
        import torch
        from torch import distributed

        _meet()
        distributed.all_reduce(torch.zeros(1))  # a barrier of NCCL would hold a GPU


@contextmanager
def main_process_first() -> Iterator[None]:
    """The first does this before the others, who find what it has left."""
    if not is_main_process():
        barrier()
    yield
    if is_main_process():
        barrier()


class SynchronizedMonitor(MonitorGroup):
    """The first process tells what happens and hears whether to stop; the others do as it does.

    :meth:`should_stop` must be asked by all of them at the same points, but for what is done under
    :func:`main_process_first`, which gets :attr:`own`.
    """

    def __init__(self, monitor: Monitor) -> None:
        super().__init__([monitor] if is_main_process() else [])
        self.own = MonitorGroup(self.monitors)
        """Asks for this process alone."""

    def should_stop(self) -> bool:
        return broadcast(super().should_stop())
