"""Errors while bytes are decoded: what is damage, and what is not."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile

from ..errors import CinrError, DamagedArchive, OutOfMemory, one_line

# What decoders raise for bytes that cannot be right. Anything else is a mistake of this package.
_DAMAGE = (
    ValueError,
    LookupError,
    ArithmeticError,
    EOFError,
    BadGzipFile,
    RecursionError,
    struct.error,
    zlib.error,
)
_IMPOSSIBLE_WORDS = "invalid for the employed entropy model"  # an AssertionError of constriction


@contextlib.contextmanager
def damaged(what: str) -> Iterator[None]:
    """Raise one line that says that bytes are damaged, or that there is too little memory.

    Raises
    ------
    DamagedArchive
        For what decoders raise when their bytes cannot be right.
    OutOfMemory
        For a MemoryError.
    """
    try:
        yield
    except CinrError:
        raise
    except _DAMAGE as error:
        raise DamagedArchive(f"{what} is damaged ({one_line(error)})") from error
    except AssertionError as error:
        if _IMPOSSIBLE_WORDS not in str(error):
            raise
        raise DamagedArchive(f"{what} is damaged (the coded words are impossible)") from error
    except MemoryError as error:
        raise OutOfMemory(
            f"{what}: there is not enough memory; read a smaller region or a coarser level"
        ) from error
