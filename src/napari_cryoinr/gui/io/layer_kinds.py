"""What a layer is recognised as, whether it can be compressed, and otherwise what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import MapError
from .layer_matching import details_of, is_derived, shape_of, voxels_of
from .map_layers import check_along_axes

MAP, STACK, LABELS = "map", "stack", "labels"
"""Kinds that can be compressed: one volume, several of one shape, labels or a mask."""

_VOLUMES = {
    "density": "Density map",
    "labels": "Mask or labels: kept exactly, unless a threshold or a goal is given",
    "tomogram": "Tomogram or crystal, no solvent can be told from density: the whole volume is"
    " kept, unless a threshold is given",
    "half-map": "Half-map",
}
_SPLIT = "right-click the layer in the list"
# What tells the halves of a pair apart: half1, half_map_2, half-A, run_half2_class001_unfil.
_HALF = re.compile(r"half[ _-]?(?:map)?[ _-]?([12ab])(?![a-z0-9])", re.IGNORECASE)
_PARTNERS = {"1": "2", "2": "1", "a": "b", "b": "a"}


@dataclass(frozen=True)
class LayerKind:
    """What a layer is.

    Attributes
    ----------
    kind : `MAP`, `STACK` or `LABELS`; "" for a layer that cannot be compressed.
    words : what it is, as a user says it: "stack of 3 volumes, 64 × 64 × 64".
    problem : why it cannot be compressed, in a sentence; empty if it can.
    remedy : what to do then, in a sentence; may be empty.
    """

    kind: str
    words: str
    problem: str = ""
    remedy: str = ""

    @property
    def offered(self) -> bool:
        """Whether the layer can be compressed."""
        return not self.problem

    @property
    def advice(self) -> str:
        """The problem and its remedy, in one or two sentences; empty if there is none."""
        return " ".join(part for part in (self.problem, self.remedy) if part)


def recognise(layer: Any) -> LayerKind:
    """Return what a layer of a viewer is, without reading its voxels.

    A layer that is offered may still turn out to hold NaN when it is read (see `map_reader`), and
    `volume_words` says more of its voxels then.
    """
    from napari.layers import Image, Labels

    name = layer.name
    if is_derived(layer):
        text = f"{name!r} only shows something about another map."
        return LayerKind("", "overlay", text, "Choose that map.")
    if not isinstance(layer, Image | Labels):
        word = layer._type_string
        text = f"{name!r} holds {word}, no voxels."
        return LayerKind("", word, text, "Choose an image layer.")
    shape = shape_of(layer)
    size = " × ".join(map(str, shape[-3:]))
    if getattr(layer, "rgb", False):
        text = f"{name!r} is a colour image; a map has one number for each voxel."
        return LayerKind("", "colour image", text, f"Split it into channels: {_SPLIT}, Split RGB.")
    dtype = np.dtype(voxels_of(layer).dtype)
    if dtype.kind not in "biuf":
        text = f"{name!r} holds {dtype} numbers; densities are real numbers."
        return LayerKind("", f"{dtype} image", text, "Add its real part or magnitude as a layer.")
    if len(shape) < 3:
        text = f"{name!r} is one image, {size}; a map is a volume."
        remedy = "Open the sections of a volume by File > Open Files as Stack; for particles in a"
        remedy += " micrograph there is the widget Pick particles."
        return LayerKind("", "micrograph or another single image", text, remedy)
    if len(shape) > 4:
        text = f"{name!r} has {len(shape)} dimensions; a map has three, a stack of maps four."
        return LayerKind("", f"{len(shape)}-D image", text, f"Split it: {_SPLIT}, Split Stack.")
    try:
        check_along_axes(layer)
    except MapError as error:
        return LayerKind("", "rotated map", f"{_sentence(error)}.")
    if len(shape) == 4:
        words = f"stack of {shape[0]} volume{'s' * (shape[0] > 1)}, {size}"
        return LayerKind(STACK, words)
    if isinstance(layer, Labels):
        return LayerKind(LABELS, f"labels, {size}, kept exactly")
    source = "map decoded from a .cinr file" if "member" in details_of(layer) else "map"
    return LayerKind(MAP, f"{source}, {size}")


def volume_words(kind: str) -> str:
    """Return what a map of one of `KINDS` is, and what is kept of it by default, in words.

    That is what `compress` does too where it is given neither a threshold nor a goal.
    """
    return _VOLUMES[kind]


def half_map_partner(layer: Any, layers: Iterable[Any]) -> Any:
    """Return the other half-map of one, by its name and shape; None if it is not among `layers`.

    Names that differ in half1 and half2 (or half_map_1, half-A, ...) alone are those of a pair.
    """
    for match in _HALF.finditer(layer.name):
        letter = match.group(1)
        other = _PARTNERS[letter.lower()]
        start, stop = match.span(1)
        wanted = layer.name[:start] + other + layer.name[stop:]
        for one in layers:
            same = one is not layer and one.name.lower() == wanted.lower()
            if same and recognise(one).kind == MAP and shape_of(one) == shape_of(layer):
                return one
    return None


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
