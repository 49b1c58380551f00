"""Ordered parallel map with bounded look-ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier
from typing import TypeVar

from .devices import import_torch

T = TypeVar("T")


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads in which torch does not start further ones: parts are small."""
    torch = import_torch()
    barrier = Barrier(threads + 1)

    def start() -> None:
        torch.set_num_threads(1)
        barrier.wait()

    pool = ThreadPoolExecutor(threads, "cryoinr", initializer=start)
    for _ in range(threads):
        pool.submit(int)
    barrier.wait()
    torch.set_num_threads(threads)  # what threads to come begin with
    return pool


def ordered_map(work: Callable[[int], T], count: int) -> Iterator[T]:
    """Yield work(0), work(1), ... in order; the next few are computed meanwhile."""
    threads = import_torch().get_num_threads()
    if min(threads, count) < 2:
        yield from map(work, range(count))
        return
    pool = _pool(threads)
    begun: deque[Future[T]] = deque()
    try:
        for number in range(count):
            begun.append(pool.submit(work, number))
            if len(begun) > threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
