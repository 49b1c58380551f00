"""Quality reports as CSV files."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest

from napari_cryoinr import OutputError
from napari_cryoinr.maps.density_map import DensityMap
from napari_cryoinr.quality import compare
from napari_cryoinr.quality.csv_report import HEADER, write_csv


@pytest.fixture(scope="module")
def report():
    random = np.random.default_rng(0)
    a = random.normal(size=(16, 17, 18)).astype(np.float32)
    b = a + random.normal(size=a.shape).astype(np.float32) * 0.3
    measured = compare(DensityMap(a, (2.0, 2.0, 2.0)), DensityMap(b, (2.0, 2.0, 2.0)), 0.5)
    return measured.with_size(1234, 4 * a.size)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert tuple(header) == HEADER
    assert {len(row) for row in rows} == {len(HEADER)}
    return [dict(zip(HEADER, row, strict=True)) for row in rows]


def test_every_number_comes_back(tmp_path, report):
    path = tmp_path / "report.csv"
    write_csv(path, report)
    rows = rows_of(path)
    numbers = {row["name"]: float(row["value"]) for row in rows if row["part"] == "number"}
    plain = report.to_dict()
    for name in ("bands", "fsc", "worst"):
        del plain[name]
    about = {row["name"]: row["value"] for row in rows if row["part"] == "about"}
    assert about == {name: plain.pop(name) for name in about}
    assert {"verdict", "summary", "keep"} <= set(about)
    iou = plain.pop("iou")
    assert [numbers.pop(name) for name in ("iou_0.9", "iou_1", "iou_1.1")] == iou
    assert numbers == plain  # all digits
    assert {"ratio", "bits_per_voxel"} < set(numbers)
    bands = [row for row in rows if row["part"] == "band"]
    for i, band in enumerate(report.bands):
        three = bands[3 * i : 3 * i + 3]
        assert {(float(row["low"]), float(row["high"])) for row in three} == {(band.low, band.high)}
        values = {row["name"]: float(row["value"]) for row in three}
        assert values | {"low": band.low, "high": band.high} == dataclasses.asdict(band)
    assert len(bands) == 3 * len(report.bands)
    shells = [row for row in rows if row["part"] == "fsc"]
    assert tuple(float(row["value"]) for row in shells) == report.fsc
    centres = [(float(row["low"]) + float(row["high"])) / 2 for row in shells]
    np.testing.assert_allclose(centres, report.fsc_step * np.arange(1, len(shells) + 1))
    parts = [row["part"] for row in rows]
    assert set(parts) == {"about", "number", "place", "band", "fsc"}
    places = [float(row["value"]) for row in rows if row["name"].endswith("correlation")]
    assert places[1:] == [place.correlation for place in report.worst]


def test_it_is_rfc_4180(tmp_path, report):
    path = tmp_path / "report.csv"
    name = 'a "b", c\nd, Å \udcff'
    write_csv(path, report, {"decoded": name, "original": "plain"})
    data = path.read_bytes()
    assert data.startswith(b"part,name,low,high,value,unit\r\n")
    assert data.endswith(b"\r\n")
    assert b'"a ""b"", c\nd, \xc3\x85 ?"' in data
    about = {row["name"]: row["value"] for row in rows_of(path) if row["part"] == "about"}
    assert (about["decoded"], about["original"]) == ('a "b", c\nd, Å ?', "plain")


def test_units_are_named(tmp_path, report):
    path = tmp_path / "report.csv"
    write_csv(path, report)
    units = {row["name"]: row["unit"] for row in rows_of(path) if row["part"] == "number"}
    assert units["psnr"] == "dB"
    assert units["nyquist"] == units["fsc_099"] == "angstrom"
    assert units["contour"] == units["level"] == units["max_error"] == "density"
    assert units["nrmse"] == units["correlation"] == ""


def test_what_a_report_lacks_has_no_row(tmp_path, report):
    path = tmp_path / "report.csv"
    write_csv(path, dataclasses.replace(report.stored(), contour=None, bands=()))
    rows = rows_of(path)
    assert {row["part"] for row in rows} == {"about", "number"}
    assert {"contour", "bytes", "ratio"}.isdisjoint({row["name"] for row in rows})


def test_it_replaces_a_file_whole_or_fails(tmp_path, report):
    path = tmp_path / "report.csv"
    write_csv(path, report)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_csv(path, report.stored())
    write_csv(path, report.stored(), overwrite=True)
    assert path.read_bytes() != before
    assert [p.name for p in tmp_path.iterdir()] == ["report.csv"]
    for wrong in (tmp_path / "missing" / "report.csv", tmp_path):
        with pytest.raises(OutputError):
            write_csv(wrong, report)
    assert [p.name for p in tmp_path.iterdir()] == ["report.csv"]
