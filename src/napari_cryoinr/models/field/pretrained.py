"""The parts that were trained beforehand and come with the package.

`pretrained.npz` holds integers only. Files name the edition they were made with; an edition never
changes, later ones stand beside it. How it was made: `pretraining/` in the repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources

import constriction
import numpy as np

from ...coding import Tables
from ...errors import CinrError
from ...support.array_types import Float64Array, Int64Array
from .context_network import ContextNetwork
from .field_settings import BLOCKS

EDITIONS = (1,)
SHAPES = ("smooth", "sharp")


@dataclass(frozen=True, eq=False)
class Pretrained:
    """One edition.

    Attributes
    ----------
    network : chooses the probability table of a latent.
    counts : how likely each token of a magnitude is, by table, shape (tables, tokens).
    bands : tables of the last bands of the blocks.
    transforms : by side of a block and shape of the basis, the two integer matrices (B, B) of
        `lapped`. The shape "smooth" is the classical one, which repeats constants and slopes best;
        "sharp" was learned on whole maps, and packs fine detail into fewer latents.
    """

    network: ContextNetwork
    counts: Int64Array
    bands: Tables
    transforms: dict[tuple[int, str], tuple[Int64Array, Int64Array]]

    @cached_property
    def models(self) -> list[constriction.stream.model.Categorical]:
        """An entropy model for each table, as in `coding.Tables`."""
        return [
            constriction.stream.model.Categorical(row.astype(np.float64), perfect=False)
            for row in self.counts
        ]

    @cached_property
    def bits(self) -> Float64Array:
        """Ideal code length of each token in bits, shape (tables, tokens); for the encoder."""
        shares = self.counts / self.counts.sum(axis=1, keepdims=True)
        return -np.log2(shares)


@lru_cache(maxsize=4)
def pretrained(edition: int = EDITIONS[-1]) -> Pretrained:
    """Load an edition.

    Raises
    ------
    CinrError
        if this version of the package has no such edition.
    """
    if edition not in EDITIONS:
        raise CinrError(
            f"edition {edition} of the pretrained networks is not known to this version of"
            f" napari-cryoinr, which has up to {EDITIONS[-1]}: update napari-cryoinr"
        )
    path = resources.files(__package__).joinpath(f"pretrained{edition}.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        layers = int(data["layers"])
        network = ContextNetwork(
            tuple(data[f"weights{n}"].astype(np.float64) for n in range(layers)),
            tuple(data[f"bias{n}"].astype(np.float64) for n in range(layers)),
            len(data["counts"]),
        )
        return Pretrained(
            network,
            data["counts"].astype(np.int64),
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
