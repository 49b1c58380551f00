"""The weights of `modern` that come with the package, and the calibration of their scores.

They were trained on synthetic micrographs by `pretraining/picker/train.py`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from ....support.array_types import Float32Array
from ...calibration import Calibration

PRETRAINED_VIEW = 1.6
"""What the network sees as one box, in boxes that just hold a particle."""

_FILE = Path(__file__).with_name("pretrained1.npz")
_CALIBRATION = "calibration"


@cache
def pretrained_arrays() -> dict[str, Float32Array]:
    """Return the weights, as `ModernNetwork.arrays` does."""
    with np.load(_FILE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name != _CALIBRATION}


@cache
def pretrained_calibration() -> Calibration:
    """Return the calibration of scores, found on synthetic micrographs of other shapes."""
    with np.load(_FILE, allow_pickle=False) as file:
        return Calibration(*file[_CALIBRATION].tolist())
