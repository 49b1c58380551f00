"""A picker that knows nothing of a particle but its diameter: the network as it was pretrained."""

from __future__ import annotations

from .calibration import THRESHOLD
from .picker_model import PickerModel
from .preprocessing import SIDE

BOX_PER_DIAMETER = 1.2
"""Side of a box over the longest extent of the particle in it."""

_LIMITS = (0.3, 25.0)  # of the standard deviation in a box, in noise levels: dead areas, and ice


def pretrained_picker(diameter: float, pixel_size: float | None = None) -> PickerModel:
    """Return the picker that comes with the package, for particles of some size.

    It was trained on synthetic micrographs of particles of many shapes, and finds what is about as
    large as it was told. A training on some particles of one's own starts from it.

    Parameters
    ----------
    diameter : float
        The longest extent of a particle, Å; pixels where there is no pixel size.
    pixel_size : float, optional
        Å per pixel of the micrographs; those that state another one are picked just as well, and
        resampled to this one if theirs is so large that the network would see too few pixels.

    Returns
    -------
    PickerModel
        Its box has `BOX_PER_DIAMETER` times the diameter.

    Examples
    --------
    >>> from napari_cryoinr import pretrained_picker
    >>> model = pretrained_picker(130, pixel_size=1.5)
    >>> model.box, model.threshold, len(model.rounds)
    (104.0, 0.5, 0)
    """
    from .networks.modern.modern_network import ModernNetwork
    from .networks.modern.pretrained_weights import (
        PRETRAINED_VIEW,
        pretrained_arrays,
        pretrained_calibration,
    )

    # As a model file has it, so that a model is the same before and after it is saved.
    box = round(BOX_PER_DIAMETER * diameter / (pixel_size or 1.0), 6)
    network = ModernNetwork.from_arrays(box * PRETRAINED_VIEW, pretrained_arrays())
    numbers = (pretrained_calibration(), _LIMITS, THRESHOLD)
    return PickerModel(network, *numbers, (), pixel_size, PRETRAINED_VIEW)


def coarsest_pixel_size(diameter: float) -> float:
    """Return the largest pixel, Å, with which the network sees particles of a diameter, Å."""
    from .networks.modern.pretrained_weights import PRETRAINED_VIEW

    return PRETRAINED_VIEW * BOX_PER_DIAMETER * diameter / SIDE
