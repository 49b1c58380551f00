"""Errors while bytes are decoded: what is damage, and what is not."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile

from ..errors import CinrError, DamagedArchive, OutOfMemory, one_line

# Anything else that decoders raise is a mistake of this package.
_DAMAGE = (
    ValueError,
    LookupError,
    ArithmeticError,
    EOFError,
    BadGzipFile,
    RecursionError,
    zlib.error,
)
_IMPOSSIBLE_WORDS = "invalid for the employed entropy model"  # an AssertionError of constriction


@contextlib.contextmanager
def damaged(what: str) -> Iterator[None]:
    """Raise one line for what decoders raise when bytes cannot be right, and for lack of memory."""
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
