"""Files of real maps that tests read."""

from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"
# Real maps: the smallest of the EMDB, and one with an extended header and another order of axes.
REAL_MAPS = [DATA / "emd_3197_tiny.map", DATA / "emd_3001_microed_P21.map"]
