"""The attributes of a group of OME-Zarr 0.5."""

from __future__ import annotations

from typing import Any

from ..support.array_types import Triple

VERSION = "0.5"
AXES = ("z", "y", "x")


def ome_attributes(name: str, voxel_size: Triple, origin: Triple, levels: int) -> dict[str, Any]:
    """Return the attributes of a multiscale image whose arrays are called "0", "1", ...

    Parameters
    ----------
    name : of the image.
    voxel_size, origin : of the finest level in Å, order (z, y, x); the origin is the position of
        the first voxel.
    levels : how many there are, each with half the voxels of the one before along each axis.

    Examples
    --------
    >>> attributes = ome_attributes("tomogram", (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), 2)
    >>> dataset = attributes["ome"]["multiscales"][0]["datasets"][1]
    >>> [list(change.values()) for change in dataset["coordinateTransformations"]]
    [['scale', [4.0, 4.0, 4.0]], ['translation', [1.0, 1.0, 1.0]]]
    """
    datasets = []
    for level in range(levels):
        side = 2**level
        # The centre of the first voxel is that of the block which it is the mean of.
        start = [o + (side - 1) / 2 * size for o, size in zip(origin, voxel_size, strict=True)]
        transformations = [
            {"type": "scale", "scale": [side * size for size in voxel_size]},
            {"type": "translation", "translation": start},
        ]
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    image = {
        "name": name,
        "axes": [{"name": axis, "type": "space", "unit": "angstrom"} for axis in AXES],
        "datasets": datasets,
        "type": "mean",
    }
    return {"ome": {"version": VERSION, "multiscales": [image]}}
