"""What the header says of a residual stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..support.records import checked_field


@dataclass(frozen=True)
class ResidualConfig:
    """What the decoder must know of a residual stream."""

    kind: str = checked_field(
        "what the residual restores", choices=("max_error", "lossless", "surface")
    )
    step: float = checked_field(
        "size of a quantisation step, density; 1 where lossless; where surface, the distance from"
        " the threshold below which voxels are coded",
        above=0,
        high=float(np.finfo(np.float32).max),
    )
