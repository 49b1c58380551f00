"""Density maps as napari layers, and back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import MapError
from ...maps.density_map import DensityMap, check_finite
from ...maps.mrc_header import MrcHeader, new_header
from ...support.array_types import FloatArray
from .layer_matching import KEY, voxels_of

if TYPE_CHECKING:
    from ...archive import Member

LayerData = tuple[Any, dict[str, Any], str]
MapReader = Callable[[], DensityMap]
MapsReader = Callable[[], list[DensityMap]]
_STRAIGHT = 1e-6  # share of a voxel by which its edges may leave the axes
_MODES = {"int8": 0, "int16": 1, "uint16": 6, "uint8": 6, "float16": 12}


def layer_of(
    data: Any,
    source: DensityMap | Member,
    contrast_limits: tuple[float, float] | None,
    contour: float | None,
    details: dict[str, Any],
) -> LayerData:
    """Make an image layer of a map: placed in Å, with an iso-surface at its contour in 3-D.

    `data` are the voxels (z, y, x), or a list of levels, the finest first; name, position and MRC
    header are those of `source`. The `details` become metadata of the layer.
    """
    kept = {
        "contour": contour,
        "mrc_header": source.mrc.raw,
        "mrc_extended": source.mrc.extended,
        "byte_order": source.mrc.byte_order,
    }
    meta: dict[str, Any] = {
        "name": source.name,
        "scale": source.voxel_size,
        "translate": source.origin,
        "units": ("angstrom",) * 3,
        "axis_labels": ("z", "y", "x"),
        "metadata": {KEY: kept | details},
    }
    if isinstance(data, list):
        meta["multiscale"] = True
    if contrast_limits is not None:
        meta["contrast_limits"] = contrast_limits
    if contour is not None:
        meta |= {"rendering": "iso", "iso_threshold": contour}
    return data, meta, "image"


def map_of(data: Any, meta: dict[str, Any]) -> DensityMap:
    """Make a density map of an image layer.

    Scale, translate and units become voxel size and origin. If the layer is mirrored or rotated by
    right angles, so are the voxels: the map lies in space as the layer does. The MRC header that
    the layer came with is kept if it still fits.

    Raises
    ------
    MapError
        If the layer is no single 3-D volume of real numbers, or does not lie along the axes.

    Warns
    -----
    UserWarning
        If the layer has no length unit (a pixel is taken as 1 Å).
    """
    name = str(meta.get("name") or "map")
    if meta.get("multiscale"):
        data = data[0]  # full resolution
    if meta.get("rgb") or data.ndim != 3:
        kind = "an RGB image" if meta.get("rgb") else f"{data.ndim}-D"
        raise MapError(f"layer {name!r} is {kind}; a density map is a 3-D volume of one channel")
    if data.dtype.kind not in "biuf":
        raise MapError(f"layer {name!r} holds {data.dtype}; a density map holds real numbers")
    axes, steps, first = _along_axes(*_voxels_to_world(meta), data.shape, name)
    angstrom = _angstrom_per_unit(meta, name)
    (z, y, x), (z0, y0, x0) = (np.abs(steps) * angstrom).tolist(), (first * angstrom).tolist()
    voxel_size, origin = (z, y, x), (z0, y0, x0)
    volume = _in_memory(data)
    mode = _MODES.get(volume.dtype.name, 2)
    # napari's arrays may be changed meanwhile; those that were read of a lazy array are ours.
    oriented = _oriented(volume, axes, steps)
    values = oriented.astype(np.float32, order="C", copy=volume is data)
    header = _kept_header(meta, volume.shape) if axes == (0, 1, 2) else None
    if header is None:
        header = new_header(values.shape, voxel_size, origin, mode)
        return DensityMap(values, voxel_size, origin, header, name).with_fitting_mode()
    size = header.cell_voxel_size
    known = size if all(np.isfinite(s) and s > 0 for s in size) else (1.0, 1.0, 1.0)
    original = DensityMap(values, known, header.origin(known), header, name)
    return original.moved(voxel_size, origin).with_fitting_mode()


def map_reader(layer: Any) -> MapReader:
    """Return a function that reads a layer as it is now, in any thread; of a stack, its first map.

    It raises `MapError` if the layer is no density map, or holds infinite voxels or NaN. The layer
    may be changed or removed meanwhile.
    """
    data, meta, _ = layer.as_layer_data_tuple()
    data, own = volumes_of(data, meta)[0]
    return partial(_read_finite, data, dict(own))


def maps_reader(layer: Any) -> MapsReader:
    """Return a function that reads all volumes of a layer; see `map_reader`.

    A stack, 4-D, has several, called NAME 1, NAME 2, ...; every other layer has one.
    """
    data, meta, _ = layer.as_layer_data_tuple()
    volumes = [(one, dict(own)) for one, own in volumes_of(data, meta)]
    return lambda: [_read_finite(*volume) for volume in volumes]


def raw_volumes(layer: Any) -> list[Any]:
    """Return the voxels of each volume of a layer, (z, y, x), lazy ones unread."""
    voxels = voxels_of(layer)
    return list(voxels) if voxels.ndim == 4 else [voxels]


def volumes_of(data: Any, meta: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """Return the volumes of a layer, each as data and metadata of a 3-D layer.

    A stack of volumes, 4-D, has several, called NAME 1, NAME 2, ...; every other layer is returned
    as it is.

    Raises
    ------
    MapError
        If a stack is rotated or sheared between its volumes.
    """
    full = data[0] if meta.get("multiscale") else data
    if meta.get("rgb") or full.ndim != 4:
        return [(data, meta)]
    name = str(meta.get("name") or "map")
    matrix, offset = _voxels_to_world(meta, 4)
    if np.any(matrix[0, 1:]) or np.any(matrix[1:, 0]):
        raise MapError(
            f"layer {name!r} is rotated or sheared between its volumes: reset its affine"
        )
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix[1:, 1:], offset[1:]
    own = dict(meta, affine=affine, multiscale=False, units=(meta.get("units") or ())[1:] or None)
    own |= dict.fromkeys(("scale", "translate", "rotate", "shear"))
    return [(one, own | {"name": f"{name} {number}"}) for number, one in enumerate(full, 1)]


def check_along_axes(layer: Any) -> None:
    """Raise `MapError` if an image layer of three or four dimensions is rotated or sheared."""
    data, meta, _ = layer.as_layer_data_tuple()
    volume, own = volumes_of(data, meta)[0]
    volume = volume[0] if own.get("multiscale") else volume
    _along_axes(*_voxels_to_world(own), volume.shape, layer.name)


def _read_finite(data: Any, meta: dict[str, Any]) -> DensityMap:
    density_map = map_of(data, meta)
    check_finite(density_map.data, density_map.name)
    return density_map


def _in_memory(data: Any) -> Any:
    """Return a volume as a numpy array; a dask array is stored chunk by chunk."""
    if not hasattr(data, "__dask_graph__"):
        return np.asarray(data)
    from dask.array import store

    volume = np.empty(data.shape, data.dtype)
    store(data, volume, lock=False)
    return volume


def _kept_header(meta: dict[str, Any], shape: tuple[int, ...]) -> MrcHeader | None:
    """Return the MRC header that the layer came with, if it is of a volume of this shape."""
    details = (meta.get("metadata") or {}).get(KEY) or {}
    raw = details.get("mrc_header")
    if not isinstance(raw, bytes):
        return None
    header = MrcHeader(raw, details.get("mrc_extended", b""), details.get("byte_order", "<"))
    return header if tuple(header.file_shape[axis] for axis in header.to_zyx) == shape else None


def voxels_like(layer: Any, other: Any) -> Any:
    """Return the voxels of a layer, mirrored and turned so that their axes run as another's.

    Lazy voxels stay lazy. Raises `MapError` if the layers are not parallel.
    """
    data = voxels_of(layer)
    own, reference = (_voxels_to_world(one.as_layer_data_tuple()[1])[0] for one in (layer, other))
    relative = np.linalg.solve(reference, own)
    axes, steps, _ = _along_axes(relative, np.zeros(3), data.shape, layer.name)
    return _oriented(data, axes, steps)


def _oriented(data: Any, axes: tuple[int, ...], steps: FloatArray) -> Any:
    """Return a view of voxels whose indices run forwards along z, y and x."""
    z, y, x = (slice(None, None, -1 if step < 0 else None) for step in steps)
    return data.transpose(axes)[z, y, x]


def _along_axes(
    matrix: FloatArray, offset: FloatArray, shape: tuple[int, ...], name: str
) -> tuple[tuple[int, ...], FloatArray, FloatArray]:
    """Find how voxels lie along the axes of the world.

    Returns the axis of the voxels that runs along each of z, y, x; the steps from one voxel to the
    next, negative where they run backwards; and the first voxel's position once all run forwards.
    """
    axes = np.abs(matrix).argmax(axis=1)
    steps = matrix[range(3), axes]
    rest = matrix.copy()
    rest[range(3), axes] = 0
    if sorted(axes) != [0, 1, 2] or np.abs(rest).max() > _STRAIGHT * np.abs(steps).min():
        hint = "reset rotate, shear and affine of the layer, or resample it"
        text = "is rotated or sheared; a density map lies along the axes"
        raise MapError(f"layer {name!r} {text}: {hint}")
    last = np.array([shape[axis] - 1 for axis in axes])
    return tuple(axes.tolist()), steps, offset + np.minimum(last * steps, 0)


def _angstrom_per_unit(meta: dict[str, Any], name: str) -> FloatArray:
    """Return how many Å the units of a layer are, shape (3,); a pixel counts as 1 Å."""
    factors = [angstrom_per(unit) for unit in meta.get("units") or ("pixel",) * 3]
    if None in factors:
        warnings.warn(f"layer {name!r} has no length unit; a pixel is taken as 1 Å", stacklevel=3)
    return np.array([1.0 if factor is None else factor for factor in factors])


def _voxels_to_world(meta: dict[str, Any], ndim: int = 3) -> tuple[FloatArray, FloatArray]:
    """Return the matrix (n, n) and offset (n,) from indices of voxels to napari's world."""
    from napari.utils.transforms import Affine

    keys = ("scale", "translate", "rotate", "shear")
    own = Affine(ndim=ndim, **{key: meta[key] for key in keys if meta.get(key) is not None})
    affine = meta.get("affine")
    whole = np.eye(ndim + 1) if affine is None else np.asarray(affine, np.float64)
    whole = whole @ own.affine_matrix
    return whole[:ndim, :ndim], whole[:ndim, ndim]


def angstrom_per(unit: Any) -> float | None:
    """Return how many Å a unit is; None for one that is no length."""
    import pint

    registry = pint.get_application_registry()
    try:
        return float(registry.Quantity(1.0, str(unit)).to("angstrom").magnitude)
    except pint.PintError:
        return None
