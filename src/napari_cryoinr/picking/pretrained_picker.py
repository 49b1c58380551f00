"""A picker that knows nothing of a particle but its diameter: the network as it was pretrained."""

from __future__ import annotations

from .calibration import THRESHOLD
from .picker_model import PickerModel

BOX_PER_DIAMETER = 1.4
"""Side of a box over the longest extent of the particle in it."""

_LIMITS = (0.3, 25.0)  # of the standard deviation in a box, in noise levels: dead areas, and ice


def pretrained_picker(box: float) -> PickerModel:
    """Return the picker that comes with the package, for boxes of any size.

    It was trained on synthetic micrographs of particles of many shapes, and finds what is about as
    large as it was told. A training on some particles of one's own starts from it.

    Parameters
    ----------
    box : float
        Side of the square around one particle, pixels: `BOX_PER_DIAMETER` times its diameter.

    Returns
    -------
    PickerModel

    Raises
    ------
    MicrographError
        If the box is not positive.

    Examples
    --------
    Particles of 130 Å in a micrograph of 1.5 Å per pixel:

    >>> from napari_cryoinr.picking.pretrained_picker import BOX_PER_DIAMETER, pretrained_picker
    >>> model = pretrained_picker(BOX_PER_DIAMETER * 130 / 1.5)
    >>> model.threshold, len(model.rounds)
    (0.5, 0)
    """
    from .networks.modern.modern_network import ModernNetwork
    from .networks.modern.pretrained_weights import pretrained_arrays, pretrained_calibration

    network = ModernNetwork.from_arrays(box, pretrained_arrays())
    return PickerModel(network, pretrained_calibration(), _LIMITS, THRESHOLD, ())
