"""What the formats share: lines of text, numbers in them, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from ...errors import MicrographError


def lines(path: Path) -> list[str]:
    """The lines of a text file, without their ends.

    Raises
    ------
    MicrographError
        if the file is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MicrographError(f"{path}: no text file ({error.reason})") from error
    if "\0" in text:
        raise MicrographError(f"{path}: no text file (it holds zero bytes)")
    return text.split("\n")  # splitlines would split at more than line ends


def number(text: str, path: Path, line: int, name: str) -> float:
    """The finite number that a value of a line is.

    Raises
    ------
    MicrographError
        if it is none, naming the line and the column.
    """
    try:
        value = math.nan if "_" in text else float(text)  # Python takes 1_7.9 for a number
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise MicrographError(f"{path}: line {line}: {name} = {text!r}: must be a finite number")
    return value


def common(values: Iterable[float]) -> float | None:
    """The one positive number that all values are; None where they are not."""
    different = set(values)
    value = different.pop() if len(different) == 1 else 0.0
    return value if 0 < value < math.inf else None


def shortest(value: float) -> str:
    """The fewest digits that read back as the same number; whole numbers without a point."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
