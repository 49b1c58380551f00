"""Memory that is not needed any more, given back to the system."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt


@lru_cache(maxsize=1)
def _trim() -> Callable[[int], int] | None:
    """glibc's malloc_trim; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Return freed memory to the system, where the C library can be asked to.

    glibc cuts arrays of up to 32 MiB from one heap and keeps the holes that they leave, into which
    what comes next does not fit: without this a process holds far more than it uses.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


def let_go(array: npt.NDArray[Any]) -> None:
    """Let go of the pages of a memory-mapped file that were read so far.

    They come back, mostly from the system's cache, where they are looked at again. Nothing happens
    to other arrays.
    """
    base: Any = array
    mode = None
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            mode = base.mode
        base = base.base
    if mode == "r" and isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
