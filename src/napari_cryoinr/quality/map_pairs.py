"""What all comparisons of two maps share."""

from __future__ import annotations

from ..errors import MapError

RELATIVE_ERROR = 0.2  # the paper counts the voxels within 20 % (arXiv 2512.12975)


def check_same_shape(original: tuple[int, ...], decoded: tuple[int, ...]) -> None:
    """Raise `MapError` unless two maps have the same shape."""
    if original != decoded:
        raise MapError(f"shapes differ: {original} and {decoded}; compare maps on one grid")
