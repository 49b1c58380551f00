"""Makes the stored archives of format version 2 and the checksums of their voxels, beside itself.

    python tests/data/make_format2.py

To be run when the format is new, and never again once a version of the package has been released:
the archives then show that what was written by it can still be read.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

import numpy as np

import napari_cryoinr as cryoinr

HERE = Path(__file__).parent
LEVELS = 3
SETTINGS = {
    "format2_field": cryoinr.Settings(device="cpu"),
    "format2_refined": cryoinr.Settings(device="cpu", max_error=0.2),
    "format2_lossless": cryoinr.Settings(device="cpu", lossless=True),
}


def maps() -> list[cryoinr.DensityMap]:
    """One without any symmetry, one of C4."""
    plain = cryoinr.synthetic_map((18, 21, 26), seed=1, name="plain")
    data = cryoinr.synthetic_map(20, seed=2).data.astype(np.float64)
    turned = sum(np.rot90(data, turns, axes=(1, 2)) for turns in range(4)) / 4
    rounded = np.round(turned, 3).astype(np.float32)
    return [plain, cryoinr.DensityMap(rounded, (2.0, 2.0, 2.0), name="C4")]


def checksum(voxels: np.ndarray) -> str:
    return blake2b(voxels.astype("<f4").tobytes(), digest_size=8).hexdigest()


def main() -> None:
    checksums = {}
    for name, settings in SETTINGS.items():
        path = HERE / f"{name}.cinr"
        chosen = maps()[1:] if settings.lossless else maps()
        cryoinr.compress(chosen, path, settings)
        checksums[name] = [
            [checksum(member.read(level=level)) for level in range(LEVELS)]
            for member in cryoinr.open_archive(path)
        ]
        print(f"{path.name}: {path.stat().st_size} bytes")
    (HERE / "format2.json").write_text(json.dumps(checksums, indent=1) + "\n")


if __name__ == "__main__":
    main()
