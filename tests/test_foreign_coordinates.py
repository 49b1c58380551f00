"""Coordinates as RELION's jobs, cryoSPARC, crYOLO and Topaz write them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr import MicrographError, Particles, read_coordinates, write_coordinates
from napari_cryoinr.picking.coordinates import read_all_coordinates
from napari_cryoinr.picking.coordinates.star_file import write_star_list
from test_coordinates import SIMPLE, SOME, STAR_HEAD, TWO, same, text_file

REFINED = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnMicrographOriginalPixelSize #2
_rlnImagePixelSize #3
_rlnImageSize #4
1 0.5 2.0 64
2 1.0 2.0 64

data_particles

loop_
_rlnCoordinateX #1
_rlnCoordinateY #2
_rlnMicrographName #3
_rlnOpticsGroup #4
_rlnOriginXAngst #5
_rlnOriginYAngst #6
_rlnAutopickFigureOfMerit #7
100 200 m/A.mrc 1 3.0 -1.0 -999.0
100 200 m/B.mrc 2 3.0 -1.0 0.5
"""


def test_star_of_a_refinement_has_its_centres(tmp_path: Path) -> None:
    """Origins in Å are subtracted in pixels of the micrograph, as where RELION re-extracts."""
    path = text_file(tmp_path / "run_data.star", REFINED)
    tables = read_all_coordinates(path)
    assert same(tables["m/A.mrc"], Particles([[94, 202]], None, 256, 0.5))  # type: ignore[arg-type]
    assert same(tables["m/B.mrc"], Particles([[97, 201]], [0.5], 128, 1.0))  # type: ignore[arg-type]
    old = tmp_path / "old.star"  # of RELION 3.0: in pixels of the images
    text = STAR_HEAD + "_rlnOriginX #3\n_rlnOriginY #4\n10 20.5 2 -1\n"
    assert read_coordinates(text_file(old, text)).xy.tolist() == [[8.0, 21.5]]
    text = text.replace("OriginX", "OriginXAngst").replace("OriginY", "OriginYAngst")
    with pytest.raises(MicrographError, match="no one pixel size: add rlnMicrographPixelSize"):
        read_coordinates(text_file(old, text))


def test_lists_of_coordinate_files_are_followed(tmp_path: Path) -> None:
    """Their paths begin at the RELION project; a list that lists itself is no endless work."""
    job = tmp_path / "AutoPick" / "job006"
    (job / "mics").mkdir(parents=True)
    write_coordinates(SOME, job / "mics" / "A_autopick.star")
    write_coordinates(SOME, job / "mics" / "B.box")
    names = {"mics/A.mrc": "A_autopick.star", "mics/B.mrc": "B.box"}
    files = {name: f"AutoPick/job006/mics/{file}" for name, file in names.items()}
    write_star_list(files, job / "autopick.star")
    assert same(read_coordinates(job / "autopick.star", micrograph="A.mrc"), SOME, 1e-9)
    found = read_all_coordinates(job / "autopick.star")
    assert list(found) == list(names) and found["mics/B.mrc"].box == 84
    write_star_list({"A.mrc": "AutoPick/job006/me.star"}, job / "me.star")
    with pytest.raises(MicrographError, match="no table with rlnCoordinateX"):
        read_coordinates(job / "me.star")


@pytest.mark.parametrize(
    "text",
    [
        STAR_HEAD + "_rlnCoordinateZ #3\n1 2 30\n",
        "data_\n\nloop_\n_rlnTomoName #1\n_rlnCenteredCoordinateXAngst #2\nTS_1 12\n",
    ],
)
def test_positions_in_tomograms_are_told_apart(tmp_path: Path, text: str) -> None:
    with pytest.raises(MicrographError, match="positions in tomograms"):
        read_coordinates(text_file(tmp_path / "a.star", text))
    flat = text_file(tmp_path / "a.star", STAR_HEAD + "_rlnCoordinateZ #3\n1 2 0\n")
    assert len(read_coordinates(flat)) == 1


def cs_file(path: Path, **changed: Any) -> Path:
    """Three picks in two micrographs, as cryoSPARC stores them."""
    fields: dict[str, Any] = {
        "uid": np.array([1, 2, 3], "u8"),
        "location/micrograph_path": np.array([b"J2/0000000000000000123_A.mrc"] * 2 + [b"J2/B.mrc"]),
        "location/micrograph_shape": np.array([[400, 200]] * 3, "u4"),
        "location/center_x_frac": np.array([0.5, 0.25, 0.125], "f4"),
        "location/center_y_frac": np.array([0.5, 0.75, 0.25], "f4"),
        "location/micrograph_psize_A": np.full(3, 0.885, "f4"),
        "pick_stats/ncc_score": np.array([0.5, 0.25, 0.75], "f4"),
        "blob/shape": np.array([[64, 64]] * 3, "u4"),
        "blob/psize_A": np.full(3, 3.54, "f4"),
        **changed,
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    table = np.zeros(3, [(name, v.dtype, v.shape[1:]) for name, v in fields.items()])
    for name, value in fields.items():
        table[name] = value
    with path.open("wb") as file:
        np.save(file, table)
    return path


def test_cs_of_cryosparc(tmp_path: Path) -> None:
    path = cs_file(tmp_path / "picked_particles.cs")
    expected = Particles([[100, 200], [50, 300]], [0.5, 0.25], 256, 0.885)  # type: ignore[arg-type]
    for name in ("A.mrc", "0000000000000000123_A.mrc"):
        assert same(read_coordinates(path, micrograph=name), expected)
    assert read_all_coordinates(path)["J2/B.mrc"].xy.tolist() == [[25, 100]]
    bare = dict.fromkeys(("location/micrograph_psize_A", "pick_stats/ncc_score", "blob/shape"))
    made = read_coordinates(cs_file(path, **bare), micrograph="A.mrc")
    assert same(made, Particles(expected.xy))


def test_refused_cs_files(tmp_path: Path) -> None:
    path = tmp_path / "a.cs"
    pickled = tmp_path / "a.npy"
    np.save(pickled, np.array([{"a": 1}], object), allow_pickle=True)
    for make, words in (
        (lambda: cs_file(path, **{"location/center_x_frac": None}), "passthrough"),
        (
            lambda: cs_file(path, **{"location/center_x_frac": np.full(3, np.nan, "f4")}),
            "must be finite numbers",
        ),
        (lambda: path.write_bytes(b"text"), "not a readable"),
        (lambda: path.write_bytes(cs_file(path).read_bytes()[:-9]), "not a readable"),
        (lambda: path.write_bytes(pickled.read_bytes()), "not a readable"),
    ):
        make()
        with pytest.raises(MicrographError, match=words) as caught:
            read_coordinates(path, micrograph="A.mrc")
        assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.data(), st.sampled_from([".cs", ".cbox"]))
def test_any_bytes_are_particles_or_a_micrograph_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    good = bytearray(cs_file(path).read_bytes() if suffix == ".cs" else CBOX.encode())
    for place in data.draw(st.lists(st.integers(0, len(good) - 1), max_size=4)):
        good[place] = data.draw(st.integers(0, 255) | st.sampled_from(list(b"\n (),':9O")))
    path.write_bytes(good)
    try:
        assert read_coordinates(path, micrograph="A.mrc").xy.shape[1] == 2
    except MicrographError as error:
        assert "\n" not in str(error)


CBOX = """data_global

_cbox_format_version 1.0

data_cryolo

loop_
_CoordinateX #1
_CoordinateY #2
_CoordinateZ #3
_Width #4
_Height #5
_Confidence #6
_EstWidth #7
138 337 <NA> 84 84 0.75 <NA>
127 408 <NA> 84 84 0.25 <NA>

data_cryolo_include

loop_
_slice_index #1
"""


def test_cbox_of_cryolo_and_table_of_topaz(tmp_path: Path) -> None:
    expected = Particles(TWO.xy, np.array([0.75, 0.25]), 84)
    assert same(read_coordinates(text_file(tmp_path / "A.cbox", CBOX)), expected)
    for text, words in (
        (CBOX.replace("<NA> 84", "7 84", 1), "in a tomogram"),
        (SIMPLE, "no table"),
    ):
        with pytest.raises(MicrographError, match=words):
            read_coordinates(text_file(tmp_path / "B.cbox", text))
    text = (
        "image_name\tx_coord\ty_coord\tscore\nA\t180\t379\t0.75\nB\t1\t2\t-1\nA\t169\t450\t0.25\n"
    )
    topaz = text_file(tmp_path / "all.txt", text)
    assert same(read_coordinates(topaz, micrograph="A.mrc"), replace(expected, box=None))
    assert list(read_all_coordinates(topaz)) == ["A", "B"]
    with pytest.raises(MicrographError, match="names 0 columns image_name"):
        read_coordinates(text_file(topaz, "1 2\n"))
