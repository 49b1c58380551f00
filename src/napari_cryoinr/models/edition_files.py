"""Files of what was trained beforehand, which come with the package and hold numbers only.

Archives name the edition they were made with; an edition never changes, later ones stand beside it.
How they were made: `pretraining/` in the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import numpy as np

from ..coding.integer_network import IntegerNetwork
from ..errors import CinrError
from ..support.array_types import AnyArray, Float64Array


def edition_arrays(package: str, edition: int, known: Sequence[int]) -> dict[str, AnyArray]:
    """Return the arrays of an edition of a model, which lies in the model's package.

    Raises
    ------
    CinrError
        if this version of the package has no such edition.
    """
    if edition not in known:
        raise CinrError(
            f"edition {edition} of the pretrained networks is not known to this version of"
            f" napari-cryoinr, which has up to {known[-1]}: update napari-cryoinr"
        )
    path = resources.files(package).joinpath(f"pretrained{edition}.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        return dict(data)


def network_of(arrays: dict[str, AnyArray]) -> IntegerNetwork:
    """Return the network whose layers are among the arrays."""

    def layers(name: str) -> tuple[Float64Array, ...]:
        return tuple(arrays[f"{name}{n}"].astype(np.float64) for n in range(int(arrays["layers"])))

    return IntegerNetwork(layers("weights"), layers("bias"))


def network_arrays(network: IntegerNetwork) -> dict[str, AnyArray]:
    """Return what `network_of` reads."""
    out: dict[str, AnyArray] = {"layers": np.array(len(network.weights))}
    for number, (weights, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        out[f"weights{number}"] = narrow(weights)
        out[f"bias{number}"] = narrow(bias)
    return out


def narrow(numbers: AnyArray) -> AnyArray:
    """Return whole numbers in as few bits as hold them."""
    whole = numbers.astype(np.int64)
    fits = np.abs(whole).max(initial=0) < 1 << 31
    return whole.astype(np.int32) if fits else whole
