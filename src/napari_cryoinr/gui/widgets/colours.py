"""Colours of layers."""

from __future__ import annotations

from typing import Any

import numpy as np

SIGNED_COLOURS = "RdBu_r"  # a name that napari and matplotlib know
_COLOURS = 81  # odd, so that one is the middle
_PALEST, _NOTHING = 0.25, 0.05  # parts of the range: the palest colour; what is transparent


def signed_colours() -> Any:
    """Return napari colours from blue to red that are transparent in the middle.

    What lies behind shows where values are small, in slices and in volumes that are rendered as
    translucent, where the colours are laid one over the other from the back: no sign hides the
    other, as the largest value along the line of sight would.
    """
    from napari.utils import Colormap
    from napari.utils.colormaps import ensure_colormap

    place = np.linspace(-1, 1, _COLOURS)
    strength = np.abs(place)
    pale = np.sign(place) * (_PALEST + (1 - _PALEST) * strength)  # no white
    colours = ensure_colormap(SIGNED_COLOURS).map((pale + 1) / 2)
    colours[:, 3] = np.clip((strength - _NOTHING) / (1 - _NOTHING), 0, 1)
    return Colormap(colours, name="signed error")
