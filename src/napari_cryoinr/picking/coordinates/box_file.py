"""EMAN .box: a line for each particle, with the corner of its box and the box's width and height.

"The first 2 are the x/y coordinates of the lower left corner of the box. The next 2 are the box
size in X and Y (normally the same). The fifth number is a 'mode', and isn't always present" (EMAN2
wiki, "Other Miscellaneous Files"). EMAN shows the first row of a file at the bottom: the lower left
corner is that of the smallest x and y in the order of the file. The centre of a box of n pixels is
its pixel n // 2, the first being 0: half an odd box is rounded down, as in RELION, which reads such
files too (`Preprocessing::readCoordinates`, src/preprocessing.cpp).

EMAN1 and RELION read whole numbers only. Corners are written with as many digits as a centre
between pixels needs, and as whole numbers where they are whole.
"""

from __future__ import annotations

from decimal import Context, Decimal
from pathlib import Path

import numpy as np

from ...errors import MicrographError
from ..particles import Particles
from .text import common, lines, number, shortest

_NAMES = ("x", "y", "width", "height")
# Sums of decimal numbers are exact with it: a float has its digits between 1e309 and 1e-341.
_EXACT = Context(prec=700)


def read(path: Path, micrograph: str | None) -> Particles:
    """Particles of a file; further columns, such as those of helices, are passed over."""
    centres, sides = [], []
    for line, text in enumerate(lines(path), 1):
        words = text.split()
        if not words:
            continue
        if len(words) < len(_NAMES):
            raise MicrographError(
                f"{path}: line {line} has {len(words)} values: must have at least"
                f" {len(_NAMES)}, {', '.join(_NAMES)}"
            )
        sizes = [number(words[i], path, line, _NAMES[i]) for i in (2, 3)]
        if min(sizes) <= 0:
            raise MicrographError(
                f"{path}: line {line}: a box of {words[2]} × {words[3]} pixels: must be positive"
            )
        for word, name in zip(words, _NAMES[:2], strict=False):
            number(word, path, line, name)
        centres.append([_moved(words[i], _half(sizes[i])) for i in (0, 1)])
        sides += sizes
    return Particles(np.array(centres), box=common(sides))


def encode(path: Path, particles: Particles, micrograph: str | None) -> str:
    """The text of a file."""
    if particles.box is None:
        raise MicrographError(f"{path}: .box files hold boxes: give a box size, in pixels")
    side = shortest(float(particles.box))
    half = _half(particles.box)
    rows = ((_corner(x, half), _corner(y, half), side, side) for x, y in particles.xy.tolist())
    return "".join("\t".join(row) + "\n" for row in rows)


def _half(size: float) -> int:
    return int(size // 2)


def _moved(text: str, by: int) -> float:
    """A decimal number plus a whole one, rounded once: a float sum would round twice."""
    return float(_EXACT.add(_EXACT.create_decimal(text), Decimal(by)))


def _corner(centre: float, half: int) -> str:
    """The shortest number that gives the centre again when `half` is added."""
    corner = _EXACT.subtract(Decimal(repr(centre)), Decimal(half))
    whole = corner.to_integral_value()
    return format(whole if corner == whole else corner, "f")
