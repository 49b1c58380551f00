"""Micrographs as napari image layers, and image layers as micrographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CinrError
from ...picking.micrographs import Micrograph, read_micrograph
from ...support.array_types import FloatArray
from .layer_matching import KEY, shape_of
from .map_layers import LayerData, angstrom_per

_SAMPLE = 1 << 20  # pixels that contrast limits are estimated from
_TAILS = (0.5, 99.5)  # percentiles shown as black and as white

ContrastLimits = tuple[float, float]


@dataclass(frozen=True, eq=False)
class LayerSource:
    """The content of a layer, taken on the GUI thread to be read in another."""

    data: Any
    meta: dict[str, Any]
    path: Path | None

    @classmethod
    def of(cls, layer: Any) -> LayerSource:
        """Return the data of a layer, its properties, and the file it was read from."""
        data, meta, _ = layer.as_layer_data_tuple()
        source = getattr(layer.source, "path", None)
        path = Path(source) if isinstance(source, str) and Path(source).is_file() else None
        return cls(data, dict(meta), path)

    def read(self) -> tuple[Micrograph, Path | None]:
        """Read the micrograph; return it, and its file if that can be read without napari.

        Raises `MicrographError` if `Micrograph` refuses the image, for instance because of NaN.
        """
        # A copy: the layer's own array may be changed later.
        data = np.array(self.data[0] if self.meta.get("multiscale") else self.data)
        name = str(self.meta.get("name") or "layer")
        micrograph, path = Micrograph(data, _pixel_size(self.meta), name), self.path
        if path is None:
            return micrograph, None
        try:
            stored = read_micrograph(path)
        except (CinrError, OSError):  # a format that only napari reads
            return micrograph, None
        if stored.data.shape != data.shape:  # a file of several images
            return micrograph, None
        if micrograph.pixel_size is None:
            micrograph = Micrograph(data, stored.pixel_size, name)
        return micrograph, path


def is_image(layer: Any) -> bool:
    """Whether a layer is an image; `why_no_micrograph` says whether it can be a micrograph."""
    from napari.layers import Image

    return isinstance(layer, Image)


def why_no_micrograph(layer: Any) -> str | None:
    """Say why an image layer cannot be a micrograph, in one line; None if it may be one."""
    if layer.rgb:
        return f"{layer.name}: a colour image; a micrograph is grey: convert it first"
    dimensions = len(shape_of(layer))
    if dimensions != 2:
        return f"{layer.name}: has {dimensions} dimensions; a micrograph is one image of two"
    return None


def contrast_limits(image: FloatArray) -> ContrastLimits:
    """Return percentiles of an image (rows, columns), insensitive to a few extreme pixels."""
    step = max(1, round((image.size / _SAMPLE) ** 0.5))
    low, high = np.percentile(image[::step, ::step], _TAILS)
    return float(low), float(high if high > low else low + 1.0)


def _pixel_size(meta: dict[str, Any]) -> float | None:
    """Return Å per pixel; None unless the units are lengths and the pixels are square."""
    y, x = [float(scale) for scale in meta.get("scale", (1.0, 1.0))]
    factors = [angstrom_per(unit) for unit in meta.get("units") or ("pixel",) * 2]
    if factors[0] is None or factors[0] != factors[1] or abs(x - y) > 1e-6 * abs(x):
        return None
    return abs(x) * factors[0]


def micrograph_layer(path: Path) -> LayerData:
    """Make the layer of a micrograph file, placed in Å if the pixel size is known."""
    micrograph = read_micrograph(path)
    meta = layer_placement(micrograph) | {"name": micrograph.name}
    meta |= {"contrast_limits": contrast_limits(micrograph.data)}
    return micrograph.data, meta | {"metadata": {KEY: {"path": str(path)}}}, "image"


def layer_placement(micrograph: Micrograph) -> dict[str, Any]:
    """Return scale, units and axis labels of the layer of a micrograph."""
    size = micrograph.pixel_size
    return {
        "scale": (1.0, 1.0) if size is None else (size, size),
        "units": ("pixel" if size is None else "angstrom",) * 2,
        "axis_labels": ("y", "x"),
    }


def derived_placement(layer: Any, start: Any, step: Any) -> dict[str, Any]:
    """Return the placement of a layer derived from an image layer.

    Its pixel (0, 0) lies at `start`, row and column of the image; `step` is the number of pixels of
    the image per pixel of the derived layer, along rows and columns.
    """
    matrix = np.asarray(layer.affine.affine_matrix)
    world = np.append(np.asarray(layer.data_to_world(np.asarray(start, float)), float)[-2:], 1.0)
    return {
        "scale": np.asarray(layer.scale) * step,
        "rotate": np.asarray(layer.rotate),
        "shear": np.asarray(layer.shear),
        "affine": matrix,
        "translate": (np.linalg.inv(matrix) @ world)[:2],
        "units": tuple(map(str, layer.units)),
        "axis_labels": tuple(layer.axis_labels),
    }


def set_placement(layer: Any, placement: dict[str, Any]) -> None:
    """Move a layer; only properties that differ are set, because each takes milliseconds."""
    for name, value in placement.items():
        before = getattr(layer, name)
        if name == "affine":
            before = before.affine_matrix
        elif name == "units":
            before = tuple(map(str, before))
        if not np.array_equal(before, value):
            setattr(layer, name, value)
