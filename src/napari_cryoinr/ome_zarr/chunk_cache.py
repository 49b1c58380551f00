"""Decoded chunks that are kept for a while: a viewer asks for one plane of them after the other."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from ..support.array_types import AnyArray


class ChunkCache:
    """The arrays that were used last, up to so many bytes; safe from several threads.

    They are made read-only: whoever gets one must not change what others get.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._arrays: OrderedDict[Hashable, AnyArray] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], AnyArray]) -> AnyArray:
        """Return the array of a key, which is made where it is not there."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
        array = make()  # meanwhile others may be read, or made
        array.flags.writeable = False
        with self._lock:
            if key not in self._arrays:
                self._arrays[key] = array
                self._bytes += array.nbytes
            while self._bytes > self._limit:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes
        return array
