"""Density maps as napari layers, and back."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...errors import MapError
from ...maps.density_map import DensityMap
from ...maps.mrc_header import MrcHeader, new_header
from ...support.array_types import Triple

AXES = ("z", "y", "x")
UNITS = ("angstrom",) * 3
LayerData = tuple[Any, dict[str, Any], str]
_MODES = {"int8": 0, "int16": 1, "uint16": 6, "uint8": 6, "float16": 12}


def layer_of(
    data: Any,
    name: str,
    voxel_size: Triple,
    origin: Triple,
    header: MrcHeader,
    contrast_limits: tuple[float, float] | None,
    contour: float | None,
    details: dict[str, Any],
) -> LayerData:
    """An image layer of a map: placed in Å, with an iso-surface at its contour in 3-D.

    `data` is an array (z, y, x), or a list of levels, the finest first.
    """
    meta: dict[str, Any] = {
        "name": name,
        "scale": voxel_size,
        "translate": origin,
        "units": UNITS,
        "axis_labels": AXES,
        "metadata": {
            "cryoinr": {
                "contour": contour,
                "mrc_header": header.raw,
                "mrc_extended": header.extended,
                "byte_order": header.byte_order,
                **details,
            }
        },
    }
    if isinstance(data, list):
        meta["multiscale"] = True
    if contrast_limits is not None:
        meta["contrast_limits"] = contrast_limits
    if contour is not None:
        meta |= {"rendering": "iso", "iso_threshold": contour}
    return data, meta, "image"


def map_of(data: Any, meta: dict[str, Any]) -> DensityMap:
    """The density map of an image layer.

    Scale, translate and units become voxel size and origin; the MRC header that the layer came
    with is kept where it still fits.

    Raises
    ------
    MapError
        if the layer is no single 3-D volume of real numbers.

    Warns
    -----
    UserWarning
        if the layer has no length unit (a pixel is taken as 1 Å), or is rotated or sheared.
    """
    name = str(meta.get("name") or "map")
    if meta.get("multiscale"):
        data = data[0]  # full resolution
    if meta.get("rgb") or data.ndim != 3:
        kind = "an RGB image" if meta.get("rgb") else f"{data.ndim}-D"
        raise MapError(f"layer {name!r} is {kind}; a density map is a 3-D volume of one channel")
    volume = _in_memory(data)
    if volume.dtype.kind not in "biuf":
        raise MapError(f"layer {name!r} holds {volume.dtype}; a density map holds real numbers")
    voxel_size, origin = _placement(meta, name)
    header = _kept_header(meta, volume)
    # What napari shows may be changed meanwhile; what was read of a lazy array is ours.
    values = volume.astype(np.float32, copy=volume is data)
    if header is None:
        mode = _MODES.get(volume.dtype.name, 2)
        header = new_header(values.shape, voxel_size, origin, mode)
        return DensityMap(values, voxel_size, origin, header, name).with_fitting_mode()
    size = header.cell_voxel_size
    known = size if all(np.isfinite(s) and s > 0 for s in size) else (1.0, 1.0, 1.0)
    original = DensityMap(values, known, header.origin(known), header, name)
    return original.moved(voxel_size, origin).with_fitting_mode()


def _in_memory(data: Any) -> Any:
    """A volume as a numpy array; of a dask array, chunk by chunk into its place."""
    if not hasattr(data, "__dask_graph__"):
        return np.asarray(data)
    from dask.array import store

    volume = np.empty(data.shape, data.dtype)
    store(data, volume, lock=False)
    return volume


def _kept_header(meta: dict[str, Any], volume: Any) -> MrcHeader | None:
    """The MRC header the layer came with, if it is one of a volume of this shape."""
    details = (meta.get("metadata") or {}).get("cryoinr") or {}
    raw = details.get("mrc_header")
    if not isinstance(raw, bytes):
        return None
    header = MrcHeader(raw, details.get("mrc_extended", b""), details.get("byte_order", "<"))
    shape = tuple(header.file_shape[axis] for axis in header.to_zyx)
    return header if shape == volume.shape else None


def _placement(meta: dict[str, Any], name: str) -> tuple[Triple, Triple]:
    """(voxel size, origin) in Å of a layer's scale, translate and units."""
    scale = [float(s) for s in meta.get("scale", (1.0,) * 3)]
    translate = [float(t) for t in meta.get("translate", (0.0,) * 3)]
    factors = [angstrom_per(unit) for unit in meta.get("units") or ("pixel",) * 3]
    if None in factors:
        warnings.warn(f"layer {name!r} has no length unit; a pixel is taken as 1 Å", stacklevel=3)
    for key, identity in (("rotate", np.eye(3)), ("shear", np.zeros(3)), ("affine", np.eye(4))):
        value = meta.get(key)
        if value is not None and not np.allclose(np.asarray(value), identity):
            warnings.warn(f"the {key} of layer {name!r} is not stored in a map", stacklevel=3)
    in_angstrom = [1.0 if f is None else f for f in factors]
    size = [abs(s) * f for s, f in zip(scale, in_angstrom, strict=True)]
    origin = [t * f for t, f in zip(translate, in_angstrom, strict=True)]
    return (size[0], size[1], size[2]), (origin[0], origin[1], origin[2])


def angstrom_per(unit: Any) -> float | None:
    """How many Å a unit is; None for one that is no length."""
    import pint

    registry = pint.get_application_registry()
    try:
        return float(registry.Quantity(1.0, str(unit)).to("angstrom").magnitude)
    except pint.PintError:
        return None
