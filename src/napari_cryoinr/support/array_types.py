"""Array types that modules share; the shape of each array is in the docstring of its function."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
ComplexArray = npt.NDArray[np.complexfloating[Any, Any]]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.floating[Any]]
Int8Array = npt.NDArray[np.int8]
IntArray = npt.NDArray[np.signedinteger[Any]]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]

Triple = tuple[float, float, float]
"""A number for each axis, in the order z, y, x."""

Region = tuple[slice, slice, slice]
"""A box of voxels, in the order z, y, x; every slice has a start and a stop, and no step."""
