"""Latent vectors at the nodes of a coarse grid over the map, interpolated between them.

With one node there is one vector for the whole map, as in the source. With more, the network can
tell parts of the map apart by more than their coordinates, at a cost of a vector for each node.
Interpolation is additions and multiplications alone, so that it is the same on every machine.
"""

from __future__ import annotations

import itertools
from typing import Any


def latents_at(latents: Any, members: Any, points: Any, library: Any) -> Any:
    """Return the latent vectors (n, size) at normalised points (n, 3) of maps `members` (n,).

    `latents`, shape (maps, nodes³, size), are those at the nodes, the first axis of `points` the
    slowest. Arrays are of the module numpy or torch, which `library` is.
    """
    nodes = round(latents.shape[1] ** (1 / 3))
    if nodes == 1:
        return latents[members, 0]
    places = (points + 1.0) * (0.5 * (nodes - 1))
    lower = library.asarray(library.floor(places).clip(0, nodes - 2), dtype=library.int64)
    upper_share = places - lower
    total: Any = 0.0
    for corner in itertools.product((0, 1), repeat=3):
        number: Any = 0
        share: Any = 1.0
        for axis, step in enumerate(corner):
            number = number * nodes + lower[:, axis] + step
            own = upper_share[:, axis]
            share = share * (own if step else 1.0 - own)
        total = total + latents[members, number] * share[:, None]
    return total
