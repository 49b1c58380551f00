"""The parts that were trained beforehand and come with the package; see `edition_files`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...coding import Tables
from ...support.array_types import Float64Array, Int64Array
from ..edition_files import edition_arrays, network_of
from .context_network import ContextNetwork
from .field_settings import BLOCKS

EDITIONS = (1,)
SHAPES = ("smooth", "sharp")


@dataclass(frozen=True, eq=False)
class Pretrained:
    """One edition."""

    network: ContextNetwork  # chooses the probability table of a latent
    tables: Tables  # of the tokens of magnitudes
    bits: Float64Array  # ideal code length of each token, (tables, tokens); for the encoder
    bands: Tables  # of the last bands of the blocks
    # By side of a block and shape of the basis, the two integer matrices (B, B) of `lapped`. The
    # shape "smooth" is the classical one, which repeats constants and slopes best; "sharp" was
    # learned on whole maps, and packs fine detail into fewer latents.
    transforms: dict[tuple[int, str], tuple[Int64Array, Int64Array]]


@lru_cache(maxsize=4)
def pretrained(edition: int = EDITIONS[-1]) -> Pretrained:
    """Load an edition.

    Raises
    ------
    CinrError
        if this version of the package has no such edition.
    """
    data = edition_arrays(__package__, edition, EDITIONS)
    counts = data["counts"].astype(np.int64)
    return Pretrained(
        ContextNetwork(network_of(data), len(counts)),
        Tables(counts),
        -np.log2(counts / counts.sum(axis=1, keepdims=True)),
        Tables(data["bands"].astype(np.int64)),
        {
            (block, shape): (
                data[f"{shape}_block{block}"].astype(np.int64),
                data[f"{shape}_join{block}"].astype(np.int64),
            )
            for block in BLOCKS
            for shape in SHAPES
        },
    )
