"""Archives are read, verified and decompressed with a handful of packages."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from data_files import DATA

# What docs/install.md says is enough; and what these are made of, beside the standard library.
PACKAGES = ("napari_cryoinr", "numpy", "h5py", "constriction", "mrcfile", "click")
PARTS = ("cython_runtime", "_cython", "_cyutility")

DECODE = """
import hashlib, importlib.abc, json, sys

allowed = set(sys.argv[1].split(",")) | set(sys.stdlib_module_names)
parts = tuple(sys.argv[2].split(","))

class OnlyThese(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.partition(".")[0]
        if top not in allowed and not top.startswith(parts):
            raise ModuleNotFoundError(f"{top} is not to be needed", name=top)

for name in [name for name in sys.modules if name.partition(".")[0] not in allowed]:
    if name != "__main__":
        del sys.modules[name]  # of files that run when Python starts
sys.meta_path.insert(0, OnlyThese())

import numpy as np
import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run

archive, target = sys.argv[3:]
with cryoinr.open_archive(archive) as opened:
    member = opened[0]
    whole = member.read()
    z, y, x = member.shape
    part = np.s_[z // 3 :, 2 : y - 2, x // 2]
    assert (member.read(part) == whole[part]).all()
    coarse = member.read(level=1).shape
codes = [
    run(["info", archive]),
    run(["info", "--json", archive]),
    run(["verify", archive]),
    run(["decompress", "--member", "0", archive, target]),
]
print("DONE", json.dumps([hashlib.sha256(whole.tobytes()).hexdigest(), coarse, codes]))
"""


def decoded(archive: Path, target: Path) -> tuple[str, list[int]]:
    """(sha256 of the first map, shape of its next level), decoded with `PACKAGES` alone."""
    command = [sys.executable, "-c", DECODE, ",".join(PACKAGES), ",".join(PARTS)]
    done = subprocess.run(
        [*command, str(archive), str(target)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    voxels, coarse, codes = json.loads(done.stdout.rsplit("DONE", 1)[1])
    assert codes == [0, 0, 0, 0], done.stderr
    return voxels, coarse


SETTINGS = {
    "field, envelope": cryoinr.Settings(model="field", effort="fast"),
    "field, mask and residual": cryoinr.Settings(
        keep="contour", max_error=0.5, model="field", effort="fast"
    ),
    "inr": cryoinr.Settings(
        model="inr", keep="volume", target_psnr=25, inr=cryoinr.InrSettings(steps=5)
    ),
    "paper": cryoinr.Settings(
        model="paper",
        paper=cryoinr.PaperSettings(frequencies=3, latent_size=2, widths=(16, 8), max_steps=20),
    ),
    "lossless": cryoinr.Settings(lossless=True),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_few_packages_decode_archives_of_every_model(name: str, tmp_path: Path) -> None:
    path, target = tmp_path / "a.cinr", tmp_path / "a.mrc"
    cryoinr.compress(cryoinr.synthetic_map(20, seed=2), path, SETTINGS[name])
    voxels, coarse = decoded(path, target)
    with cryoinr.open_archive(path) as archive:
        expected = archive[0].read()
    assert voxels == hashlib.sha256(expected.tobytes()).hexdigest()
    assert coarse == [10, 10, 10]
    np.testing.assert_array_equal(cryoinr.read_map(target).data, expected)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.cinr")), ids=lambda path: path.stem)
def test_few_packages_decode_the_stored_archives(path: Path, tmp_path: Path) -> None:
    voxels, _ = decoded(path, tmp_path / "a.mrc")
    with cryoinr.open_archive(path) as archive:
        assert voxels == hashlib.sha256(archive[0].read().tobytes()).hexdigest()
