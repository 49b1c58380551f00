"""Atomic models against maps: places, known changes, files that cannot be."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import DensityMap, MapError, SettingsError, UnreadableFile
from napari_cryoinr.cli.main import run
from napari_cryoinr.maps.mrc_header import new_header
from napari_cryoinr.quality.model_report import ModelReport
from napari_cryoinr.support import records

gemmi = pytest.importorskip("gemmi")

HELIX = Path(__file__).resolve().parent / "data" / "helix.pdb"
SHAPE, SIZE, ORIGIN = (40, 36, 32), (0.9, 1.0, 1.1), (-16.0, -3.0, -7.0)


def atoms(path: Path = HELIX) -> list[tuple[int, str, np.ndarray]]:
    """(residue, name, position (z, y, x)) of the atoms of a PDB file, waters left out."""
    found = []
    for line in path.read_text().splitlines():
        if line.startswith("ATOM"):
            x, y, z = (float(line[a : a + 8]) for a in (30, 38, 46))
            found.append((int(line[22:26]), line[17:20], np.array((z, y, x))))
    return found


def balls(without: int | None = None, shape=SHAPE, size=SIZE, origin=ORIGIN) -> np.ndarray:
    """Density with a Gaussian for each atom, in plain numpy; one residue may be missing."""
    axes = [o + v * np.arange(n) for n, v, o in zip(shape, size, origin, strict=True)]
    out = np.zeros(shape)
    for residue, _, position in atoms():
        if residue != without:
            z, y, x = (np.exp(-((a - p) ** 2) / 1.6) for a, p in zip(axes, position, strict=True))
            out += z[:, None, None] * y[:, None] * x
    return out.astype(np.float32)


@pytest.fixture(scope="module")
def helix() -> DensityMap:
    return DensityMap(balls(), SIZE, ORIGIN, name="helix")


def report_of(original: DensityMap, decoded: np.ndarray, model=HELIX, contour=0.3) -> ModelReport:
    copy = replace(original, data=decoded)
    return cryoinr.compare_with_model(original, copy, model, contour, resolution=3.0)


def test_a_model_fits_the_map_that_was_made_of_it(helix) -> None:
    report = report_of(helix, helix.data.copy())
    assert (report.atoms, report.atoms_outside) == (60, 0)
    assert len(report.residues) == 12  # the water has no row
    assert (report.residues[0].chain, report.residues[0].number) == ("A", "11")
    assert report.correlation_before > 0.95  # the map lacks the water
    assert min(residue.before for residue in report.residues) > 0.93
    assert min(report.fsc_before[:10]) > 0.9
    assert report.fsc_before == report.fsc_after
    assert all(residue.change == 0 for residue in report.residues)
    assert report.most_changed == ()
    assert "residues that changed most" not in report.text()


def test_the_map_may_lie_anywhere(helix, tmp_path) -> None:
    """ORIGIN, start indices and another order of axes say the same."""
    expected = report_of(helix, helix.data)
    shape, voxels = (48, 44, 40), (20, 5, 8)  # start indices, z, y, x
    size = (0.9, 0.9, 0.9)
    origin = tuple(-n * 0.9 for n in voxels)
    data = balls(shape=shape, size=size, origin=origin)
    header = new_header(data.shape, size, (0, 0, 0))
    x_starts = {"nxstart": -voxels[2], "nystart": -voxels[1], "nzstart": -voxels[0]}
    started = DensityMap(data, size, origin, header.changed(**x_starts))
    # Sections along x, rows along z, columns along y.
    nz, ny, nx = shape
    order = {"mapc": 2, "mapr": 3, "maps": 1, "nx": ny, "ny": nz, "nz": nx}
    starts = {"nxstart": -voxels[1], "nystart": -voxels[0], "nzstart": -voxels[2]}
    turned = DensityMap(data, size, origin, header.changed(**order, **starts))
    found = []
    for number, density_map in enumerate((DensityMap(data, size, origin), started, turned)):
        path = tmp_path / f"{number}.mrc"
        cryoinr.write_map(density_map, path)
        back = cryoinr.read_map(path)
        assert back.origin == pytest.approx(origin, abs=1e-4)
        found.append(report_of(back, back.data))
    for report in found:
        assert report.correlation_before == pytest.approx(expected.correlation_before, abs=0.02)
        assert report.correlation_before == pytest.approx(found[0].correlation_before, abs=1e-4)
    assert "note" not in dict(expected.rows())
    away = report_of(DensityMap(data[::-1, ::-1, ::-1], size, origin), data)
    assert "was it built into this map?" in dict(away.rows())["note"]
    moved = report_of(DensityMap(data, size, (origin[0] + 3, *origin[1:])), data)
    assert moved.correlation_before < found[0].correlation_before - 0.3


def test_the_residue_that_is_lost_comes_first(helix) -> None:
    report = report_of(helix, balls(without=15))
    first, second, *_ = report.most_changed
    assert (first.name, first.number) == ("LEU", "15")
    assert first.change < -0.2 and first.change < 2 * second.change
    changed = [residue for residue in report.residues if residue.change]
    assert len(report.most_changed) == min(10, len(changed))
    assert report.correlation_after < report.correlation_before
    assert np.mean(report.fsc_after) < np.mean(report.fsc_before)
    assert report.residue_rows()[0][0] == "A LEU 15"
    lines = report.text().splitlines()
    assert "residues that changed most, of 12" in lines
    assert lines[-len(report.most_changed)].split()[:3] == ["A", "LEU", "15"]


def test_a_blurred_map_loses_resolution_against_the_model(helix) -> None:
    shells = np.fft.fftn(helix.data)
    axes = [np.fft.fftfreq(n, v) for n, v in zip(SHAPE, SIZE, strict=True)]
    k = np.sqrt(sum(f**2 for f in np.meshgrid(*axes, indexing="ij")))
    low = np.fft.ifftn(np.where(k < 1 / 6, shells, 0)).real.astype(np.float32)
    report = cryoinr.compare_with_model(helix, replace(helix, data=low), HELIX, resolution=3.0)
    assert report.where == "in the whole volume"
    assert report.fsc_05_after == pytest.approx(6, abs=0.6)
    assert report.fsc_05_before is None or report.fsc_05_before < 4


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_correlations_know_no_scale_of_density(helix, scale) -> None:
    expected = report_of(helix, balls(without=15))
    factor = np.float32(scale)
    scaled = replace(helix, data=helix.data * factor)
    found = report_of(scaled, balls(without=15) * factor, contour=0.3 * scale)
    assert found.correlation_after == pytest.approx(expected.correlation_after, abs=1e-4)
    np.testing.assert_allclose(found.fsc_after, expected.fsc_after, atol=1e-3)


def test_atoms_outside_the_box_are_left_out_and_counted(helix) -> None:
    half = np.s_[18:]
    origin = (ORIGIN[0] + 18 * SIZE[0], *ORIGIN[1:])
    part = DensityMap(helix.data[half], SIZE, origin)
    report = report_of(part, part.data)
    assert report.atoms + report.atoms_outside == 60
    assert report.atoms_outside > 10
    assert f"{report.atoms_outside} more outside the box" in report.text()
    assert len(report.residues) < 12
    assert report.correlation_before > 0.9


def test_files_may_be_pdb_or_mmcif_and_packed(helix, tmp_path) -> None:
    expected = report_of(helix, helix.data)
    cif = tmp_path / "helix.cif"
    cif.write_text(gemmi.read_structure(str(HELIX)).make_mmcif_document().as_string())
    for path in (cif, HELIX):
        packed = tmp_path / f"{path.name}.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        report = report_of(helix, helix.data, packed)
        assert report.residues == expected.residues
        assert report.name == packed.name


def test_a_report_goes_through_json(helix) -> None:
    report = report_of(helix, balls(without=15))
    data = json.loads(json.dumps(report.to_dict()))
    assert records.from_dict(ModelReport, data) == report


@pytest.mark.parametrize("text", ["", "nonsense\n", "data_x\n_a.b 1\n"])
@pytest.mark.parametrize("name", ["model.pdb", "model.cif"])
def test_what_is_no_model_is_refused_in_one_line(helix, tmp_path, text, name) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UnreadableFile, match="give PDB or mmCIF") as refused:
        report_of(helix, helix.data, path)
    assert "\n" not in str(refused.value)


def test_what_cannot_be_compared_is_refused(helix, tmp_path, monkeypatch) -> None:
    with pytest.raises(UnreadableFile, match=r"none\.pdb"):
        report_of(helix, helix.data, tmp_path / "none.pdb")
    with pytest.raises(MapError, match="none of its 60 atoms lies in helix"):
        far = replace(helix, origin=(500.0, 0.0, 0.0))
        report_of(far, far.data)
    with pytest.raises(MapError, match="orthogonal boxes only"):
        skewed = replace(helix, header=helix.mrc.changed(cellb=(90.0, 104.0, 90.0)))
        report_of(skewed, skewed.data)
    with pytest.raises(MapError, match="shapes differ"):
        cryoinr.compare_with_model(helix, replace(helix, data=helix.data[1:]), HELIX)
    monkeypatch.setitem(sys.modules, "gemmi", None)
    with pytest.raises(SettingsError, match=r"pip install 'napari-cryoinr\[model\]'"):
        report_of(helix, helix.data)


@pytest.mark.slow
def test_commands_compare_with_a_model(helix, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    cryoinr.write_map(helix, "a.mrc")
    cryoinr.write_map(replace(helix, data=balls(without=15)), "b.mrc")
    shutil.copy(HELIX, "helix.pdb")
    common = ["--threshold", "0.3", "--resolution", "3", "--model", "helix.pdb"]
    assert run(["compare", "a.mrc", "b.mrc", *common]) == 0
    assert "A LEU 15" in capsys.readouterr().out
    assert run(["compare", "a.mrc", "b.mrc", *common, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["keep"] == "envelope"
    assert data["model"]["atoms"] == 60
    assert run(["report", "b.mrc", "--reference", "a.mrc", "r.html", *common]) == 0
    page = Path("r.html").read_text("utf-8")
    assert "A LEU 15" in page and "model-map FSC" in page
    assert page.count("<figure>") == 6
    capsys.readouterr()
    cryoinr.compress(helix, "a.cinr", cryoinr.Settings(lossless=True))
    assert run(["report", "a.cinr", "s.html", "--model", "helix.pdb"]) == 1
    assert "give it with --reference" in capsys.readouterr().err
    assert not Path("s.html").exists()
