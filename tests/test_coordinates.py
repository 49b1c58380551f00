"""Coordinates of particles: known files, exact round trips, where y counts from, damaged files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr import (
    MicrographError,
    OutputError,
    Particles,
    read_coordinates,
    read_micrograph,
    write_coordinates,
)
from napari_cryoinr.picking.coordinates import SUFFIXES, find_coordinates
from napari_cryoinr.picking.coordinates.star_file import write_star_list, write_star_table

SOME = Particles(
    np.array([[179.9, 378.8], [1 / 3, -2.5], [40.0, 1e-7]]), np.array([0.9, 1e-20, -3.0]), 84, 1.5
)


def same(one: Particles, two: Particles, digits: float = 0.0) -> bool:
    """Whether all is known of both and the same, to a relative error."""

    def flat(particles: Particles) -> np.ndarray:
        score = () if particles.score is None else particles.score
        sizes = (particles.box or np.nan, particles.pixel_size or np.nan)
        return np.concatenate([particles.xy.ravel(), score, sizes])

    (a, b) = flat(one), flat(two)
    tolerance = {"rtol": digits, "atol": 1e5 * digits, "equal_nan": True}
    return one.xy.shape == two.xy.shape and a.shape == b.shape and np.allclose(a, b, **tolerance)


def kept_by(suffix: str, particles: Particles) -> Particles:
    """What a format can hold of particles."""
    if suffix == ".box":
        particles = replace(particles, score=None, pixel_size=None)
    if suffix != ".star" and not len(particles):
        particles = replace(particles, box=None, pixel_size=None)  # it stands in the rows
    return particles


def text_file(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


# ---------------------------------------------------------------------------------- particles


def test_particles() -> None:
    assert len(SOME) == 3 and SOME.xy.dtype == np.float64 and SOME.box == 84.0
    assert SOME.above(0.0).xy.tolist() == [[179.9, 378.8], [1 / 3, -2.5]]
    assert len(SOME.above(0.9)) == 1 and SOME.above(0.9).box == 84.0
    assert SOME.above(1.0).xy.shape == (0, 2)
    assert len(replace(SOME, score=None).above(1.0)) == 3
    assert len(Particles([])) == 0 and Particles([]).xy.shape == (0, 2)  # type: ignore[arg-type]
    assert SOME.flipped(100).xy.tolist()[0] == [179.9, 99 - 378.8]
    assert np.allclose(SOME.flipped(100).flipped(100).xy, SOME.xy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"xy": np.zeros((3, 3))}, r"shape \(3, 3\): must be \(n, 2\)"),
        ({"xy": np.zeros(4)}, r"shape \(4,\)"),
        ({"xy": [["a", "b"]]}, "no array of numbers"),
        ({"xy": [[1, 2], [3, np.nan], [np.inf, 4]]}, "2 numbers of xy are infinite or NaN"),
        ({"score": [1, 2]}, r"score has the shape \(2,\): must be \(3,\)"),
        ({"score": [1, 2, np.nan]}, "1 numbers of score"),
        ({"box": 0}, "box = 0: must be positive"),
        ({"box": np.nan}, "box = nan"),
        ({"pixel_size": -1.5}, "pixel_size = -1.5"),
    ],
)
def test_refused_particles(change: dict[str, object], words: str) -> None:
    with pytest.raises(MicrographError, match=words):
        replace(SOME, **change)  # type: ignore[arg-type]


# -------------------------------------------------------------------------------- known files


def test_csv_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_coordinates(SOME, path)
    assert path.read_text().splitlines() == [
        "x,y,score,box,pixel_size",
        "179.9,378.8,0.9,84.0,1.5",
        "0.3333333333333333,-2.5,1e-20,84.0,1.5",
        "40.0,1e-07,-3.0,84.0,1.5",
    ]
    write_coordinates(Particles(SOME.xy[:1]), path, overwrite=True)
    assert path.read_text() == "x,y\n179.9,378.8\n"


def test_box_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.box"
    write_coordinates(SOME, path)
    assert path.read_text().splitlines() == [
        "137.9\t336.8\t84\t84",
        "-41.66666667\t-44.5\t84\t84",
        "-2\t-41.9999999\t84\t84",
    ]
    write_coordinates(Particles(np.array([[100.0, 50.0]]), box=85), path, overwrite=True)
    assert path.read_text() == "58\t8\t85\t85\n"  # 58 + 85 // 2 = 100, as RELION computes it


def star_blocks(path: Path) -> list[tuple[str, list[str], list[list[str]]]]:
    """(name, labels, rows) of the tables of a file, in their order."""
    blocks: list[tuple[str, list[str], list[list[str]]]] = []
    for line in path.read_text().splitlines():
        if line.startswith("data_"):
            blocks.append((line, [], []))
        elif line.startswith("_"):
            blocks[-1][1].append(line.split()[0])
        elif line and not line.startswith(("#", "loop_")):
            blocks[-1][2].append(line.split("\t"))
    return blocks


def test_star_as_written(tmp_path: Path) -> None:
    """RELION reads the first table only, and no line may end as Windows ends lines."""
    path = tmp_path / "a.star"
    write_coordinates(SOME, path)
    assert b"\r" not in path.read_bytes()
    first, optics = star_blocks(path)
    assert first == (
        "data_",
        ["_rlnCoordinateX", "_rlnCoordinateY", "_rlnAutopickFigureOfMerit"],
        [["179.9", "378.8", "0.9"], ["0.3333333333", "-2.5", "1e-20"], ["40", "1e-07", "-3"]],
    )
    assert optics[0] == "data_optics"
    assert dict(zip(optics[1], optics[2][0], strict=True)) == {
        "_rlnOpticsGroup": "1",
        "_rlnOpticsGroupName": "opticsGroup1",
        "_rlnMicrographPixelSize": "1.5",
        "_rlnImagePixelSize": "1.5",
        "_rlnImageSize": "84",
        "_rlnImageDimensionality": "2",
    }
    write_coordinates(Particles(SOME.xy[:1]), path, micrograph="mics/data_1.mrc", overwrite=True)
    assert star_blocks(path) == [
        (
            "data_",
            ["_rlnCoordinateX", "_rlnCoordinateY", "_rlnMicrographName"],
            [["179.9", "378.8", "mics/data_1.mrc"]],
        )
    ]


def test_star_table_as_written(tmp_path: Path) -> None:
    path = tmp_path / "all.star"
    other = Particles(np.array([[5.0, 6.0]]), np.array([0.5]), 100, 1.1)
    none = replace(SOME.above(10), box=100, pixel_size=1.1)
    tables = {"m/A.mrc": SOME, "m/B.mrc": other, "m/C 1.mrc": SOME.above(0.5), "m/D.mrc": none}
    write_star_table(tables, path)
    optics, particles = star_blocks(path)
    assert (optics[0], particles[0]) == ("data_optics", "data_particles")
    assert optics[2] == [
        ["1", "opticsGroup1", "1.5", "1.5", "84", "2"],
        ["2", "opticsGroup2", "1.1", "1.1", "100", "2"],
    ]
    assert particles[1] == [
        "_rlnCoordinateX",
        "_rlnCoordinateY",
        "_rlnMicrographName",
        "_rlnOpticsGroup",
        "_rlnAutopickFigureOfMerit",
    ]
    assert particles[2][2:] == [
        ["40", "1e-07", "m/A.mrc", "1", "-3"],
        ["5", "6", "m/B.mrc", "2", "0.5"],
        ["179.9", "378.8", '"m/C 1.mrc"', "1", "0.9"],
    ]
    for name in ("m/A.mrc", "m/B.mrc", "m/C 1.mrc"):
        for micrograph in (name, Path(name).name, Path("elsewhere") / Path(name).stem):
            assert same(read_coordinates(path, micrograph=micrograph), tables[name], 1e-9)
    assert same(read_coordinates(path, micrograph="B_avg.mrc"), other)
    tables["E.mrc"] = Particles(np.array([[1.0, 2.0]]), None, 84, 1.5)
    write_star_table(tables, path, overwrite=True)
    assert "rlnAutopickFigureOfMerit" not in path.read_text()


def test_star_table_refuses(tmp_path: Path) -> None:
    path = tmp_path / "all.star"
    for tables, words in (
        ({"A.mrc": SOME, "B.mrc": replace(SOME, box=None)}, "box size is known for some"),
        ({"A.mrc": SOME, "B.mrc": replace(SOME, pixel_size=None)}, "pixel size is known for some"),
        ({'A".mrc': SOME}, "cannot stand in a .star file"),
        ({"A#1.mrc": SOME}, "cannot stand"),
        ({"A\n.mrc": SOME}, "cannot stand"),
        ({" ": SOME}, "cannot stand"),
        ({}, "no micrographs"),
    ):
        with pytest.raises(MicrographError, match=words):
            write_star_table(tables, path)
    with pytest.raises(OutputError, match=r"must end in \.star"):
        write_star_table({"A.mrc": SOME}, tmp_path / "all.csv")
    assert not list(tmp_path.iterdir())


def test_star_list_as_written(tmp_path: Path) -> None:
    path = tmp_path / "autopick.star"
    write_star_list({"m/A.mrc": Path("picks") / "A.star"}, path)
    assert star_blocks(path) == [
        (
            "data_coordinate_files",
            ["_rlnMicrographName", "_rlnMicrographCoordinates"],
            [["m/A.mrc", str(Path("picks") / "A.star")]],
        )
    ]
    with pytest.raises(MicrographError, match="would begin a table"):
        write_star_list({"data_1.mrc": "A.star"}, path, overwrite=True)
    with pytest.raises(MicrographError, match="change to the folder of the RELION project"):
        read_coordinates(path)


# ------------------------------------------------------------------------------- foreign files


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n1.5,2\n3,4\n",
        "\ufeffX , Y\r\n 1.5, 2\r\n\r\n3,4\r\n",
        'name,Y,confidence,x,radius_px\n"a,b",2,0.5,1.5,31\nc,4,,3,31\n',
        "\n\nx,y\n1.5,2\n\n3,4",
    ],
    ids=["plain", "Windows", "other columns", "blank lines"],
)
def test_csv_of_others(tmp_path: Path, text: str) -> None:
    made = read_coordinates(text_file(tmp_path / "a.CSV", text))
    assert same(made, Particles(np.array([[1.5, 2.0], [3.0, 4.0]])))


def test_numbers_of_any_length_are_read(tmp_path: Path) -> None:
    digits = "12.5" + 700 * "0" + "1"
    for name, text in (
        ("a.csv", f"x,y\n{digits},-{digits}\n"),
        ("a.box", f"{digits} -{digits} 1 1\n"),
        ("a.star", f"{STAR_HEAD}{digits} -{digits}\n"),
    ):
        assert read_coordinates(text_file(tmp_path / name, text)).xy.tolist() == [[12.5, -12.5]]


def test_csv_sizes_that_differ_are_not_one_size(tmp_path: Path) -> None:
    text = "x,y,score,box,pixel_size\n1,2,0.1,80,1.5\n3,4,0.2,90,1.5\n"
    made = read_coordinates(text_file(tmp_path / "a.csv", text))
    assert (made.box, made.pixel_size) == (None, 1.5)
    assert made.score is not None and made.score.tolist() == [0.1, 0.2]


TWO = Particles(np.array([[180, 379], [169, 450]]), box=84)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("138 337 84 84\n127\t408\t84\t84\n", TWO),
        ("138 337 84 84 -3\r\n127 408 84 84 -2\r\n", TWO),
        ("10.25 1e1 85.0 85.0\n\n", Particles(np.array([[52.25, 52.0]]), box=85)),
        ("0 0 80 90\n", Particles(np.array([[40.0, 45.0]]))),
        ("", Particles(np.zeros((0, 2)))),
    ],
    ids=["EMAN1", "helices", "between pixels", "not square", "empty"],
)
def test_box_of_others(tmp_path: Path, text: str, expected: Particles) -> None:
    assert same(read_coordinates(text_file(tmp_path / "a.box", text)), expected)


STAR_30 = """
data_images

loop_
_rlnMicrographName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnMagnification #4
_rlnDetectorPixelSize #5
_rlnAutopickFigureOfMerit #6
mics/A.mrc  10.000000  20.500000 50000.0 7.5 0.25
mics/A.mrc  30.000000  40.000000 50000.0 7.5 0.125

mics/B.mrc  50.000000  60.000000 10000.0 2.5 0.5
"""
STAR_31 = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
_rlnImagePixelSize #4
_rlnImageSize #5
opticsGroup1 1 1.5 3.0 64
opticsGroup2 2 2.0 2.0 100

# version 30001

data_particles

loop_
_rlnCoordinateX #1
_rlnCoordinateY #2
_rlnImageName #3
_rlnMicrographName #4
_rlnOpticsGroup #5
10.0 20.5 000001@x/A.mrcs job/A.mrc 1
50.0 60.0 000001@x/B.mrcs job/B.mrc 2
30.0 40.0 000002@x/A.mrcs job/A.mrc 1
"""
SIMPLE = "data_\n\n_rlnCoordinateX 10\n_rlnCoordinateY 20.5\n_rlnMicrographPixelSize 1.5\n"
A = np.array([[10.0, 20.5], [30.0, 40.0]])


def test_star_of_others(tmp_path: Path) -> None:
    old = text_file(tmp_path / "old.star", STAR_30)
    assert same(
        read_coordinates(old, micrograph="A.mrc"), Particles(A, np.array([0.25, 0.125]), None, 1.5)
    )
    assert read_coordinates(old, micrograph=Path("x") / "B.tif").pixel_size == 2.5
    new = text_file(tmp_path / "new.star", STAR_31)
    # the images were extracted with half the resolution: 64 of their pixels are 128 here
    assert same(read_coordinates(new, micrograph="A"), Particles(A, None, 128, 1.5))
    assert same(read_coordinates(new, micrograph="B"), Particles([[50, 60]], None, 100, 2))  # type: ignore[arg-type]
    # as extracted by RELION 3.1: 64 pixels of 3.54 Å were 256 of 0.885 Å in the micrograph
    text = STAR_31.replace("rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize")
    text = text.replace(" 1.5 3.0 64", " 0.885 3.54 64")
    extracted = read_coordinates(text_file(tmp_path / "new.star", text), micrograph="A")
    assert same(extracted, Particles(A, None, 256, 0.885))
    simple = text_file(tmp_path / "simple.star", SIMPLE)
    assert same(read_coordinates(simple), Particles(A[:1], None, None, 1.5))


def test_star_of_several_micrographs_asks_which(tmp_path: Path) -> None:
    path = text_file(tmp_path / "a.star", STAR_31)
    with pytest.raises(MicrographError, match=r"2 micrographs \(job/A.mrc, job/B.mrc\): say of wh"):
        read_coordinates(path)
    with pytest.raises(MicrographError, match=r"holds no micrograph of the name C\.mrc"):
        read_coordinates(path, micrograph="C.mrc")
    path = text_file(tmp_path / "a.star", STAR_31.replace("job/B", "other/A"))
    with pytest.raises(MicrographError, match=r"holds 2 micrographs of the name A\.mrc"):
        read_coordinates(path, micrograph="A.mrc")
    assert read_coordinates(path, micrograph="other/A.mrc").xy.tolist() == [[50.0, 60.0]]
    path = text_file(tmp_path / "a.star", STAR_31.replace("job/B.mrc", "job/A.mrc"))
    assert len(read_coordinates(path)) == 3


def test_a_star_file_that_was_mended_is_read_anew(tmp_path: Path) -> None:
    path = text_file(tmp_path / "a.star", "data_x\n\nnothing\n")
    with pytest.raises(MicrographError):
        read_coordinates(path)
    text_file(path, SIMPLE)
    assert len(read_coordinates(path)) == 1


# --------------------------------------------------------------------------------- round trips

places = st.lists(st.tuples(*[st.floats(-1e5, 1e5)] * 2, st.floats(0, 1)), max_size=6)
sizes = st.none() | st.floats(0.5, 5000) | st.integers(1, 1000)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(table=places, scored=st.booleans(), box=sizes, pixel_size=sizes)
def test_what_a_format_holds_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[tuple[float, float, float]],
    scored: bool,
    box: float | None,
    pixel_size: float | None,
) -> None:
    """From CSV to the last bit, from the others to ten digits."""
    numbers = np.array(table).reshape(-1, 3)
    made = Particles(numbers[:, :2], numbers[:, 2] if scored else None, box or 84, pixel_size)
    for suffix in SUFFIXES:
        path = tmp_path_factory.getbasetemp() / f"round{suffix}"
        write_coordinates(made, path, micrograph="m/A.mrc", overwrite=True)
        expected, digits = kept_by(suffix, made), 0.0 if suffix == ".csv" else 1e-9
        assert same(read_coordinates(path), expected, digits)
    write_star_table({"m/A.mrc": made, "m/B.mrc": made}, path, overwrite=True)
    assert same(read_coordinates(path, micrograph="B"), made, 1e-9) or not len(made)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_particles_are_fine(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    none = Particles(np.zeros((0, 2)), np.zeros(0), 84, 1.5)
    write_coordinates(none, path, micrograph="A.mrc")
    assert same(read_coordinates(path), kept_by(suffix, none))
    assert len(read_coordinates(path, micrograph="A.mrc")) == 0


# ---------------------------------------------------------------------------------- where y is


def test_every_format_counts_rows_in_the_order_of_the_file(tmp_path: Path) -> None:
    """A bright pixel in the stored row 20 is at y = 20, whatever edge a program shows it at."""
    image = np.zeros((64, 80), np.float32)
    image[20, 45] = 1
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(image)
    data = (tmp_path / "a.mrc").read_bytes()
    assert data.index(np.float32(1).tobytes(), 1024) == 1024 + 4 * (20 * 80 + 45)

    made = read_micrograph(tmp_path / "a.mrc")
    y, x = np.unravel_index(np.argmax(made.data), made.data.shape)
    particles = Particles(np.array([[x, y]]), box=16)
    for suffix, line in ((".csv", "45.0,20.0,16.0"), (".box", "37\t12\t16\t16")):
        write_coordinates(particles, tmp_path / f"a{suffix}")
        assert (tmp_path / f"a{suffix}").read_text().splitlines()[-1] == line
    write_coordinates(particles, tmp_path / "a.star")
    assert star_blocks(tmp_path / "a.star")[0][2] == [["45", "20"]]
    for suffix in SUFFIXES:
        (x, y) = read_coordinates(tmp_path / f"a{suffix}").xy[0]
        assert made.data[int(y), int(x)] == 1

    # a program that counts from the other edge finds it in the image upside down
    (x, y) = particles.flipped(len(made.data)).xy[0]
    assert y == 43 and made.data[::-1][int(y), int(x)] == 1


# ------------------------------------------------------------------------------- damaged files

STAR_HEAD = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n"
DAMAGED: dict[str, tuple[str, str, str]] = {
    "no header": (".csv", "1,2\n3,4\n", "line names 0 columns x"),
    "empty CSV": (".csv", "", "names 0 columns x"),
    "no y": (".csv", "x,z\n1,2\n", "line names 0 columns y"),
    "x twice": (".csv", "x,y,X\n1,2,3\n", "line names 2 columns x"),
    "semicolons": (".csv", "x;y\n1;2\n", "names 0 columns x"),
    "short row": (".csv", "x,y\n1,2\n\n3\n", "data row 2: y = ''"),
    "long row": (".csv", "x,y\n1,2,3\n", "not a readable table .*line 2"),
    "text in CSV": (
        ".csv",
        "x,y\n1,2\n3,four\n",
        "data row 2: y = 'four': must be a finite number",
    ),
    "NaN in CSV": (".csv", "x,y\n1,nan\n", "data row 1: y = 'nan'"),
    "underscore": (".box", "1_7 2 80 80\n", "data row 1: x = '1_7'"),
    "no score": (".csv", "x,y,score\n1,2,\n", "data row 1: score = ''"),
    "infinite score": (".csv", "x,y,score\n1,2,inf\n", "data row 1: score = 'inf'"),
    "box in CSV": (".csv", "x,y,box\n1,2,large\n", "data row 1: box = 'large'"),
    "zeros": (".csv", "x,y\n1,\0\n", "data row 1: y"),
    "long field": (".csv", "x,y\n" + "1" * 200_000 + ",2\n", "data row 1: x = '111"),
    "three columns": (".box", "1 2 80 80\n1 2 80\n", "data row 2: height = ''"),
    "commas": (".box", "1,2,80,80\n", "first line has 1 values"),
    "text in box": (".box", "1 2 80 80\n\n1 b 80 80\n", "data row 2: y = 'b'"),
    "NaN in box": (".box", "nan 2 80 80\n", "data row 1: x = 'nan'"),
    "no box": (".box", "1 2 0 80\n", "data row 1 has a box of 0 × 80 pixels: must be positive"),
    "negative box": (".box", "1 2 80 -80\n", "box of 80 × -80 pixels"),
    "empty star": (".star", "", "no table with rlnCoordinateX and rlnCoordinateY"),
    "no star": (".star", "x,y\n1,2\n", "no table with rlnCoordinateX"),
    "other table": (".star", "data_\n\nloop_\n_rlnVoltage #1\n300\n", "no table with"),
    "nothing in it": (".star", "data_\n", "not a readable .star file"),
    "short star row": (".star", STAR_HEAD + "1 2\n3\n", "data row 2: rlnCoordinateY = 'nan'"),
    "long star row": (".star", STAR_HEAD + "1 2 3\n", "not a readable .star file"),
    "text in star": (
        ".star",
        STAR_HEAD + "1 2\n\n# said\n3 four\n",
        "data row 2: rlnCoordinateY = 'four': must be a finite number",
    ),
    "label twice": (".star", STAR_HEAD + "_rlnCoordinateX #3\n1 2 3\n", "has one label twice"),
    "NaN in star": (".star", STAR_HEAD + "nan 2\n", "data row 1: rlnCoordinateX = 'nan'"),
    "infinite in star": (".star", STAR_HEAD + "1 -inf\n", "data row 1: rlnCoordinateY = '-inf'"),
    "text in simple star": (".star", SIMPLE.replace("20.5", "b"), "rlnCoordinateY = 'b'"),
    "pixel size": (
        ".star",
        STAR_31.replace("1.5", "x"),
        "data row 1: rlnMicrographPixelSize = 'x'",
    ),
    "tomograms": (
        ".star",
        STAR_HEAD + "_rlnCoordinateZ #3\n_rlnTomoName #4\n655.8 1006.3 202.5 TS_34\n",
        "positions in tomograms",
    ),
    "unbalanced": (".star", STAR_HEAD + '1 "2\n', "a.star: "),
}


@pytest.mark.parametrize(("suffix", "text", "words"), DAMAGED.values(), ids=list(DAMAGED))
def test_damaged_files_are_refused_in_one_line(
    tmp_path: Path, suffix: str, text: str, words: str
) -> None:
    path = text_file(tmp_path / f"a{suffix}", text)
    with pytest.raises(MicrographError, match=words) as caught:
        read_coordinates(path, micrograph="A.mrc" if text.count("job") else None)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.data(), st.sampled_from(SUFFIXES))
def test_any_bytes_are_particles_or_a_micrograph_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    write_coordinates(SOME, path, overwrite=True)
    good = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(good) - 1), max_size=5)):
        good[place] = data.draw(st.integers(0, 255) | st.sampled_from(list(b"\n\t _#\"',.x1")))
    path.write_bytes(data.draw(st.just(good) | st.binary(max_size=60)))
    try:
        assert read_coordinates(path).xy.shape[1] == 2
    except MicrographError as error:
        assert "\n" not in str(error)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MicrographError, match="no such file"):
        read_coordinates(tmp_path / "a.csv")
    with pytest.raises(MicrographError, match="no such file"):
        read_coordinates(tmp_path)
    with pytest.raises(MicrographError, match=r"\.csv, \.box, \.star, .* give one of these"):
        read_coordinates(text_file(tmp_path / "a.xml", "x,y\n"))
    with pytest.raises(MicrographError, match="give one of these"):
        write_coordinates(SOME, tmp_path / "b.cbox")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = text_file(tmp_path / f"a{suffix}", "old")
    if suffix == ".box":
        with pytest.raises(MicrographError, match="give a box size, in pixels"):
            write_coordinates(replace(SOME, box=None), path, overwrite=True)
    if suffix == ".star":
        with pytest.raises(MicrographError, match=r"cannot stand in a \.star file"):
            write_coordinates(SOME, path, micrograph="A\tB.mrc", overwrite=True)
    with pytest.raises(OutputError, match="exists already"):
        write_coordinates(SOME, path)
    with pytest.raises(OutputError, match="make it first"):
        write_coordinates(SOME, tmp_path / "none" / f"a{suffix}")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


# -------------------------------------------------------------------------------- finding files


def test_find_coordinates(tmp_path: Path) -> None:
    micrograph = Path("mics") / "A.1_avg.mrc"
    endings = [".csv", "_gt.csv", ".box", "_gt.box", ".star", "_gt.star", "_manualpick.star"]
    endings += ["_autopick.star", "_pick.star", ".cbox"]
    order = [tmp_path / f"{name}{end}" for name in ("A.1_avg", "A.1") for end in endings]
    assert find_coordinates(micrograph, tmp_path) is None
    for path in reversed(order):
        text_file(path, "")
        assert find_coordinates(micrograph, tmp_path) == path
    assert find_coordinates("A.1.mrc", tmp_path) == tmp_path / "A.1.csv"
    assert find_coordinates("A.mrc", tmp_path) is None
    text_file(tmp_path / ".csv", "")
    assert find_coordinates("_avg.mrc", tmp_path) is None
