"""Results that are kept for a while, up to so many bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What says how much memory it takes."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""


S = TypeVar("S", bound=Sized)


class ByteCache(Generic[S]):
    """The results that were used last, up to so many bytes; safe from several threads.

    Whoever gets one must not change what others get.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._results: OrderedDict[Hashable, S] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], S]) -> S:
        """Return the result of a key, which is made where it is not there."""
        result = self.find(key)
        if result is None:
            result = make()  # meanwhile others may be read, or made
            self.keep(key, result)
        return result

    def find(self, key: Hashable) -> S | None:
        """Return the result of a key; None where it is not there."""
        with self._lock:
            if key not in self._results:
                return None
            self._results.move_to_end(key)
            return self._results[key]

    def keep(self, key: Hashable, result: S) -> None:
        """Keep a result that was made."""
        with self._lock:
            if key not in self._results:
                self._results[key] = result
                self._bytes += result.nbytes
            while self._bytes > self._limit:
                self._bytes -= self._results.popitem(last=False)[1].nbytes
