"""The context network that was trained beforehand and comes with the package.

`pretrained1.npz` holds integers only. Files name the edition they were made with; an edition never
changes, later ones stand beside it. How it was made: `pretraining/` in the repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from ...coding.integer_network import IntegerNetwork
from ...coding.probability_tables import Tables
from ...errors import CinrError
from .context_model import ContextModel

EDITIONS = (1,)


@dataclass(frozen=True, eq=False)
class Pretrained:
    """One edition."""

    model: ContextModel


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
            f"edition {edition} of the networks of inr is not known to this version of"
            f" napari-cryoinr, which has up to {EDITIONS[-1]}: update napari-cryoinr"
        )
    path = resources.files(__package__).joinpath(f"pretrained{edition}.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        layers = int(data["layers"])
        network = IntegerNetwork(
            tuple(data[f"weights{n}"].astype(np.float64) for n in range(layers)),
            tuple(data[f"bias{n}"].astype(np.float64) for n in range(layers)),
        )
        return Pretrained(ContextModel(network, Tables(data["counts"].astype(np.int64))))
