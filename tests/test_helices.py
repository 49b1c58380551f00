"""Helices: a rise and a twist are found, about any axis, and one turn of them is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import napari_cryoinr as cryoinr
from napari_cryoinr.progress import Clock, drain
from napari_cryoinr.symmetry.continuous import Symmetry
from napari_cryoinr.symmetry.rotations import quaternion_of
from napari_cryoinr.symmetry.search import candidates_steps
from test_continuous_symmetry import compressed, copies

TILTED = quaternion_of(Rotation.from_euler("xyz", [2, 1.5, 0], degrees=True).as_matrix())
ABOUT_Y = quaternion_of(np.roll(np.eye(3), 1, axis=0))


def helix(
    rise: float,
    twist: float,
    shape: tuple[int, int, int],
    group: str = "C1",
    frame: tuple[int, ...] = (),
) -> Symmetry:
    return Symmetry.from_floats(group, [(n - 1) / 2 + 0.3 for n in shape], frame, (rise, twist))


@pytest.mark.parametrize(
    ("rise", "twist", "group", "shape", "frame"),
    [
        (6.3, 37.2, "C1", (64, 48, 50), ()),
        (4.1, -166.6, "C1", (70, 48, 50), ()),
        (9.2, 22.0, "C3", (80, 56, 56), ()),
        (6.3, 37.2, "C1", (48, 70, 50), ABOUT_Y),
        (5.1, 65.3, "C1", (72, 48, 48), TILTED),
        (2.2, -80.1, "C1", (64, 50, 50), ()),
    ],
)
def test_rise_and_twist_are_found(
    rise: float, twist: float, group: str, shape: tuple[int, int, int], frame: tuple[int, ...]
) -> None:
    own = helix(rise, twist, shape, group, frame)
    density = copies(own, shape, 1, 5, 1.6)
    found = drain(candidates_steps(density, (1.0, 1.0, 1.0), Clock()))
    assert found[0].group == group
    alone = drain(candidates_steps(density, (1.0, 1.0, 1.0), Clock(), "helix"))
    assert alone[0] == found[0]
    assert all(one.rise for one in alone)
    assert found[0].to_floats()[1] == pytest.approx((rise, twist), abs=0.01)
    assert found[0].axes[0] == pytest.approx(own.axes[0], abs=1e-3)


@pytest.mark.slow
def test_a_helix_is_stored_by_one_of_its_steps(tmp_path: Path) -> None:
    shape = (60, 40, 42)
    density = copies(helix(6.3, 37.2, shape), shape, 0, 5, 1.6)
    alone, _ = compressed(density, tmp_path, symmetry="none")
    size = alone.bytes
    archive, report = compressed(density, tmp_path, symmetry="helix")
    assert archive[0].symmetry.startswith("helix about z: rise 6.3")
    assert report.nrmse is not None
    assert report.nrmse <= 0.08
    assert archive.bytes < 0.7 * size
    whole = archive[0].read()
    part = np.s_[40:58, 8:40, 11:30]
    np.testing.assert_array_equal(archive[0].read(part), whole[part])


def test_a_particle_is_no_helix(tmp_path: Path) -> None:
    own = Symmetry.from_floats("D2", (20.0, 20.0, 20.0))
    density = copies(own, (40, 40, 40), 8, 6)
    with pytest.raises(cryoinr.GoalMissed, match="symmetry = helix: the map differs"):
        compressed(density, tmp_path, symmetry="helix")
    with pytest.raises(cryoinr.SettingsError, match="symmetry = 'helix': must be auto, none, C1"):
        cryoinr.FieldSettings(symmetry="helix")
