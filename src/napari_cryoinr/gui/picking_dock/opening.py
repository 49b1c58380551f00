"""Micrographs as napari layers, and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import CinrError
from ...picking.micrographs import Micrograph, read_micrograph
from ...progress import Progress, Steps
from ..io.layer_matching import KEY, shape_of
from ..io.map_layers import LayerData, angstrom_per

AXES = ("y", "x")
_SAMPLE = 1 << 20  # pixels that contrast limits are taken from
_TAILS = (0.5, 99.5)  # per cent of the pixels that are darker than black and than white

Limits = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Opened:
    """A micrograph that can be shown.

    Attributes
    ----------
    name : its file name, or that of its layer.
    path : its file; None where it is in no file.
    limits : contrast limits.
    """

    name: str
    micrograph: Micrograph
    path: Path | None
    limits: Limits


@dataclass(frozen=True, eq=False)
class LayerSource:
    """What a layer holds, taken on the main thread to be read in another."""

    data: Any
    meta: dict[str, Any]
    path: Path | None

    @classmethod
    def of(cls, layer: Any) -> LayerSource:
        """The data of a layer as they are, what describes them, and the file they came from."""
        data, meta, _ = layer.as_layer_data_tuple()
        path = path_of(layer)
        return cls(data, dict(meta), path)


def path_of(layer: Any) -> Path | None:
    """The file that a layer was read from; None for one that came from elsewhere."""
    source = getattr(layer.source, "path", None)
    if not isinstance(source, str):
        return None
    path = Path(source)
    return path if path.is_file() else None


def is_image(layer: Any) -> bool:
    """Whether a layer is an image; what is wrong with it as a micrograph, `refusal` says."""
    from napari.layers import Image

    return isinstance(layer, Image)


def refusal(layer: Any) -> str | None:
    """Why an image layer cannot be a micrograph, in a line; None if it may be one."""
    if layer.rgb:
        return f"{layer.name}: a colour image; a micrograph is grey: convert it first"
    dimensions = len(shape_of(layer))
    if dimensions != 2:
        return f"{layer.name}: has {dimensions} dimensions; a micrograph is one image of two"
    return None


def contrast_limits(image: npt.NDArray[np.float32]) -> Limits:
    """Limits that a few very bright or dark pixels do not change."""
    step = max(1, round((image.size / _SAMPLE) ** 0.5))
    low, high = np.percentile(image[::step, ::step], _TAILS)
    return float(low), float(high if high > low else low + 1.0)


def open_file_steps(path: Path) -> Steps[Opened]:
    """Read a micrograph; see `read_micrograph` for what it raises."""
    yield Progress("reading", 0, 1)
    micrograph = read_micrograph(path)
    return Opened(path.name, micrograph, path, contrast_limits(micrograph.data))


def open_layer_steps(source: LayerSource) -> Steps[Opened]:
    """The micrograph of an image layer that `refusal` has nothing against.

    Raises
    ------
    MicrographError
        if the image is none that `Micrograph` takes, as one with infinite values or NaN.
    """
    yield Progress("reading", 0, 1)
    data, meta = source.data, source.meta
    name = str(meta.get("name") or "layer")
    if meta.get("multiscale"):
        data = data[0]
    # What napari shows may be changed meanwhile.
    micrograph = Micrograph(np.array(data), _pixel_size(meta), name)
    path, pixel_size = source.path, micrograph.pixel_size
    if path is not None:
        stored = _stored(path)
        if stored is None or stored.data.shape != micrograph.data.shape:
            path = None  # a file of several images, or of a kind that only napari reads
        elif pixel_size is None:
            pixel_size = stored.pixel_size
    micrograph = Micrograph(micrograph.data, pixel_size, name)
    limits = contrast_limits(micrograph.data)
    return Opened(name if path is None else path.name, micrograph, path, limits)


def _stored(path: Path) -> Micrograph | None:
    try:
        return read_micrograph(path)
    except (CinrError, OSError):
        return None


def _pixel_size(meta: dict[str, Any]) -> float | None:
    """Å per pixel of a layer whose units are lengths and whose pixels are squares."""
    y, x = [float(scale) for scale in meta.get("scale", (1.0, 1.0))]
    factors = [angstrom_per(unit) for unit in meta.get("units") or ("pixel",) * 2]
    if factors[0] is None or factors[0] != factors[1] or abs(x - y) > 1e-6 * abs(x):
        return None
    return abs(x) * factors[0]


def micrograph_layer(path: Path) -> LayerData:
    """The layer of a micrograph in a file, placed in Å where the pixel size is known."""
    micrograph = read_micrograph(path)
    meta = placement(micrograph) | {
        "name": micrograph.name,
        "contrast_limits": contrast_limits(micrograph.data),
        "metadata": {
            KEY: {"micrograph": micrograph.name, "pixel_size": micrograph.pixel_size}
            | {"path": str(path)}
        },
    }
    return micrograph.data, meta, "image"


def placement(micrograph: Micrograph) -> dict[str, Any]:
    """Scale and units of the layer of a micrograph."""
    size = micrograph.pixel_size
    return {
        "scale": (1.0, 1.0) if size is None else (size, size),
        "units": ("pixel" if size is None else "angstrom",) * 2,
        "axis_labels": AXES,
    }
