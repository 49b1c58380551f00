"""Flipping between a map and what comes out of its file, in place."""

from __future__ import annotations

from typing import Any

KEY = "G"  # free in napari for layers of every kind
_LOOK = (
    "contrast_limits",
    "gamma",
    "colormap",
    "opacity",
    "blending",
    "rendering",
    "iso_threshold",
    "attenuation",
    "interpolation2d",
    "interpolation3d",
)


def flip(original: Any, decoded: Any) -> Any:
    """Show one of two layers in the place of the other, with its look; returns the shown one.

    The decoded one is shown first. Camera, slice and selected layers stay as they are.
    """
    shown, hidden = (decoded, original) if decoded.visible else (original, decoded)
    if original.visible and decoded.visible:  # both, one above the other
        shown, hidden = original, decoded
    copy_look(shown, hidden)
    hidden.visible, shown.visible = True, False
    return hidden


def copy_look(source: Any, target: Any) -> None:
    """Draw an image layer as another is drawn, in slices and in 3-D; labels have their own look."""
    if type(source) is not type(target):
        return
    for name in _LOOK:
        value = getattr(source, name)
        if getattr(target, name) != value:
            setattr(target, name, value)
