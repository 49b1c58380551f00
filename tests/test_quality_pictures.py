"""The pictures of a quality report, and the files that hold them."""

from __future__ import annotations

import base64
import functools
import struct
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.legend import Legend
from matplotlib.text import Text

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run
from napari_cryoinr.errors import MapError
from napari_cryoinr.maps.density_map import DensityMap
from napari_cryoinr.quality import charts, compare, histograms, pictures
from napari_cryoinr.quality.html_report import Section, report_steps, write_picture, write_report

PNG = b"\x89PNG\r\n\x1a\n"


def noise(shape, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def case(name):
    """(original, decoded, contour) of an odd map."""
    if name == "tiny":
        a = noise((20, 20, 20))
        return DensityMap(a, name="tiny"), a + noise(a.shape, 1, 0.2), 0.5
    if name == "not cubic":
        a = noise((25, 43, 73), scale=1e-4)
        b = a + noise(a.shape, 1, 1e-7)
        return DensityMap(a, (1.1, 1.3, 2.0), name="$x_{$ \u65e5\u672c" * 30), b, None
    if name == "flat box":
        a = noise((4, 96, 96)) + np.float32(1e4)
        return DensityMap(a, (5.0, 5.0, 5.0)), a + noise(a.shape, 1, 3.0), 1e4
    if name == "constant":
        a = np.full((20, 20, 20), 3e5, np.float32)
        return DensityMap(a), a + 1, 4e5
    assert name == "equal"
    a = noise((20, 22, 24))
    return DensityMap(a), a.copy(), 0.5


@functools.cache
def measured(name):
    original, decoded, contour = case(name)
    return original, decoded, compare(original, DensityMap(decoded, original.voxel_size), contour)


def fsc_figure(report):
    return pictures.chart_figure(charts.draw_fsc, report)


def error_figure(original, decoded, report):
    counts = histograms.error_histogram(original, decoded, report.contour)
    return pictures.chart_figure(charts.draw_errors, counts, report.contour)


def density_figure(original, decoded, report):
    counts = histograms.density_histogram(original, decoded, report.contour)
    return pictures.chart_figure(charts.draw_densities, counts)


def texts_of(figure, monkeypatch):
    """Every text that is really drawn, unlike the labels of ticks outside an axis' range."""
    drawn = {}
    plain = Text.draw

    def draw(self, renderer, *args, **kwargs):
        if self.get_visible() and self.get_text().strip():
            drawn[id(self)] = self
        plain(self, renderer, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", draw)
        figure.canvas.draw()
    return list(drawn.values())


def assert_legible(figure, monkeypatch):
    """No text is cut off, lies on another or, unless it belongs there, on a chart."""
    drawn = texts_of(figure, monkeypatch)
    assert drawn
    texts = [(text.get_text(), text.get_window_extent()) for text in drawn]
    inside = [text for axes in figure.axes for text in axes.texts]
    for artist, (text, box) in zip(drawn, texts, strict=True):
        if artist not in inside:
            assert not any(box.padded(-1).overlaps(axes.bbox) for axes in figure.axes), text
    whole = figure.bbox
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= whole.x1 and box.y1 <= whole.y1, text
    for i, (text, box) in enumerate(texts):
        for other, its in texts[i + 1 :]:
            apart = (
                box.x1 <= its.x0 + 1
                or its.x1 <= box.x0 + 1
                or box.y1 <= its.y0 + 1
                or its.y1 <= box.y0 + 1
            )
            assert apart, (text, other)
    for legend in figure.findobj(Legend):
        assert not any(legend.get_window_extent().overlaps(axes.bbox) for axes in figure.axes)


@pytest.mark.parametrize("name", ["not cubic", "constant"])
def test_the_overview_is_legible(name, monkeypatch):
    assert_legible(pictures.overview_figure(*measured(name)), monkeypatch)


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (pictures.slices_figure, "flat box"),
        (pictures.slices_figure, "equal"),
        (error_figure, "flat box"),
        (density_figure, "not cubic"),
        (lambda original, decoded, report: fsc_figure(report), "constant"),
    ],
)
def test_single_pictures_are_legible(draw, name, monkeypatch):
    assert_legible(draw(*measured(name)), monkeypatch)


def test_slices_show_the_planes_through_the_centre_of_mass():
    data = np.zeros((12, 14, 16), np.float32)
    data[2:5, 8:11, 11:14] = 1  # centre (3, 9, 12)
    decoded = data + noise(data.shape, 1, 0.1)
    original = DensityMap(data, (2.0, 1.0, 1.0))
    report = compare(original, DensityMap(decoded, (2.0, 1.0, 1.0)), 0.5)
    axes = pictures.slices_figure(original, decoded, report).axes[:9]
    images = [a.images[0] for a in axes]
    for row, plane in enumerate((np.s_[3], np.s_[:, 9], np.s_[:, :, 12])):
        shown = [np.asarray(image.get_array()) for image in images[3 * row : 3 * row + 3]]
        np.testing.assert_array_equal(shown[0], data[plane])
        np.testing.assert_array_equal(shown[1], decoded[plane])
        np.testing.assert_allclose(shown[2], decoded[plane] - data[plane], atol=1e-6)
    assert len({image.get_clim() for i, image in enumerate(images) if i % 3 < 2}) == 1
    ((low, high),) = {image.get_clim() for image in images[2::3]}
    assert low == -high
    assert high == max(np.abs(image.get_array()).max() for image in images[2::3])
    assert {image.origin for image in images} == {"lower"}
    low, zero, high = (np.array(to_rgba(images[2].cmap(v))) for v in (0.0, 0.5, 1.0))
    assert zero[:3].min() > 0.9  # no error is white
    assert low[2] > low[0] and high[0] > high[2]  # blue below, red above
    assert images[3].get_extent() == [0, 16, 0, 24]  # Å: x across, z up


def test_a_constant_map_is_grey():
    original = DensityMap(np.full((8, 8, 8), -7, np.float32))
    report = compare(original, original)
    images = [a.images[0] for a in pictures.slices_figure(original, original.data, report).axes[:3]]
    assert images[0].norm(-7) == images[1].norm(-7) == images[2].norm(0) == 0.5


@pytest.mark.parametrize("contour", [None, 100.0])
def test_slices_show_the_middle_where_there_is_no_mass(contour):
    original, decoded, _ = case("tiny")
    report = compare(original, DensityMap(decoded), contour)
    shown = pictures.slices_figure(original, decoded, report).axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, original.data[10])


def test_fsc_figure_shows_the_curve_and_where_it_falls():
    _, _, report = measured("tiny")
    axes = fsc_figure(report).axes[0]
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(x, report.fsc_step * np.arange(1, len(report.fsc) + 1))
    np.testing.assert_array_equal(y, report.fsc)
    labels = axes.get_legend_handles_labels()[1]
    assert labels[0] == f"below 0.99: {report.fsc_099:.2f} Å"
    assert labels[1] == f"below 0.5: nowhere down to {report.nyquist:.2f} Å"
    marks = [line.get_data() for line in axes.lines if line.get_marker() == "o"]
    assert len(marks) == 1
    np.testing.assert_allclose(np.ravel(marks[0]), [1 / report.fsc_099, 0.99])


def test_a_report_without_a_curve_says_so(monkeypatch):
    _, _, report = measured("tiny")
    texts = texts_of(fsc_figure(report.stored()), monkeypatch)
    assert "the curve was not recorded" in [text.get_text() for text in texts]


def test_error_figure_counts_every_voxel_above_the_contour():
    original, decoded, report = measured("tiny")
    axes = error_figure(original, decoded, report).axes[0]
    above = np.count_nonzero(original.data > report.contour)
    assert axes.collections[0].get_array().sum() == above
    for line, sign in zip(axes.lines, (-1, 1), strict=True):
        x, y = line.get_data()
        np.testing.assert_allclose(y, sign * 0.2 * np.abs(x))
    assert axes.get_ylim()[1] >= np.abs(decoded - original.data)[original.data > 0.5].max()


def test_density_figure_counts_every_voxel_and_marks_the_contour():
    original, decoded, report = measured("tiny")
    axes = density_figure(original, decoded, report).axes[0]
    assert [patch.get_data().values.sum() for patch in axes.patches] == [report.voxels] * 2
    assert axes.get_yscale() == "log"
    assert list(axes.lines[0].get_xdata()) == [0.5, 0.5]


@pytest.mark.parametrize("contour", [None, 0.2])
def test_large_maps_are_sampled(monkeypatch, contour):
    monkeypatch.setattr(histograms, "SAMPLE_VOXELS", 700)
    monkeypatch.setattr("napari_cryoinr.maps.density_map.SLAB_VOXELS", 2000)
    a = noise((20, 20, 20))
    counts = histograms.error_histogram(DensityMap(a), a + 3, contour)
    count = a.size if contour is None else np.count_nonzero(a > contour)
    assert counts.stride == -(-count // 700)
    assert 500 < counts.counts.sum() < 800
    errors = counts.counts.sum(axis=0)  # the pairs belong together: every error is 3
    assert errors[counts.errors[1:] < 2.9].sum() == 0


def test_pictures_refuse_other_shapes():
    original, decoded, report = measured("tiny")
    for draw in (pictures.slices_figure, error_figure, density_figure):
        with pytest.raises(MapError, match="shapes differ"):
            draw(original, decoded[1:], report)


def test_the_package_does_not_load_matplotlib():
    code = "import sys, napari_cryoinr.quality.html_report; print('matplotlib' in sys.modules)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


class Page(HTMLParser):
    """A parsed page: its tables, pictures, headings and whatever it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.tables: list[list[tuple[str, ...]]] = []
        self.row: list[str] = []
        self.sources: list[str] = []
        self.words: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        values = dict(attrs)
        self.sources += [values[key] for key in ("src", "href", "srcset") if key in values]
        if tag in ("meta", "img"):
            return
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.row = []
        elif tag in ("td", "th"):
            self.row.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "tr":
            self.tables[-1].append(tuple(self.row))

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.row[-1] += data
        elif self.open:
            self.words.append((self.open[-1], data))


def test_html_report(tmp_path):
    original, decoded, report = measured("tiny")
    sized = report.with_size(1234, original.raw_bytes)
    stored = measured("equal")[2].stored()
    path = tmp_path / "report.html"
    write_report(
        path,
        [
            Section("<b>x", original, decoded, sized, 'a < b & "c"'),
            Section("y", None, None, stored, "recorded when the file was made"),
        ],
        "maps & <i>more</i>",
    )
    text = path.read_text("utf-8")
    page = Page(text)
    assert page.open == []
    head = ("band", "voxels", "within 20 %", "mean relative error")
    assert next(text for tag, text in page.words if tag == "p") == sized.verdict()
    assert ("p", sized.verdict()) in page.words and ("p", stored.verdict()) in page.words
    assert page.tables == [sized.rows(), [head, *sized.band_rows()], stored.rows()]
    assert {"b", "i", "script", "link"}.isdisjoint(page.seen)
    for words in (
        ("h2", "<b>x"),
        ("h2", "y"),
        ("h1", "maps & <i>more</i>"),
        ("title", "maps & <i>more</i>"),
        ("p", 'a < b & "c"'),
        ("p", "recorded when the file was made"),
    ):
        assert words in page.words
    # Nothing outside the file: five pictures, all of them inside it.
    assert "http://" not in text and "https://" not in text
    assert "url(" not in text and "@import" not in text
    assert len(page.sources) == 5
    for source in page.sources:
        kind, data = source.split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(PNG)
    assert page.seen.count("figcaption") == 5
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_html_report_of_nothing_and_of_an_odd_name(tmp_path):
    path = tmp_path / "report.html"
    report = measured("constant")[2]  # no bands
    write_report(str(path), [Section("\udcff.mrc", None, None, report)], "t")
    page = Page(path.read_text("utf-8"))
    assert ("h2", "?.mrc") in page.words
    assert page.tables == [report.rows()]
    assert page.seen.count("p") == 1  # the verdict, and no empty note
    write_report(path, [], "empty", overwrite=True)
    assert Page(path.read_text("utf-8")).tables == []


def test_a_report_that_fails_leaves_the_old_one(tmp_path):
    original, decoded, report = measured("tiny")
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(MapError):
        write_report(path, [Section("x", original, decoded[1:], report)], "t", overwrite=True)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_report_that_is_cancelled_leaves_the_old_one(tmp_path):
    original, decoded, report = measured("tiny")
    path = tmp_path / "report.html"
    path.write_text("old")
    sections = [Section("x", original, decoded, report), Section("y", None, None, report)]
    steps = report_steps(path, sections, "t", overwrite=True)
    shares = [(record.step, record.steps) for record, _ in zip(steps, range(5), strict=False)]
    assert shares == [(step, 7) for step in range(1, 6)]  # two sections, five pictures
    steps.close()
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_picture(tmp_path):
    original, decoded, report = measured("tiny")
    path = tmp_path / "quality.PNG"
    write_picture(path, original, decoded, report)
    data = path.read_bytes()
    assert data.startswith(PNG)
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1000 and height > 800
    assert len(list(tmp_path.iterdir())) == 1
    assert b"Software" not in data  # matplotlib would name its version and address
    again = pictures.png_bytes(fsc_figure(report))
    assert pictures.png_bytes(fsc_figure(report)) == again  # deterministic


@pytest.mark.parametrize("keep", ["envelope", "contour", "volume"])
def test_commands_print_the_verdict(keep, small_map, tmp_path, capsys):
    """Measured again it is that which was recorded."""
    original, archive_path = tmp_path / "small.mrc", tmp_path / "small.cinr"
    cryoinr.write_map(small_map, original)
    settings = cryoinr.Settings(keep=keep, effort="fast", device="cpu", mask_extend=2)
    fresh = cryoinr.compress(small_map, archive_path, settings)
    archive = cryoinr.open_archive(archive_path)
    verdict = archive[0].quality.with_size(archive.bytes, archive.raw_bytes).verdict()
    assert verdict == fresh.verdict()
    assert verdict.startswith("Kept ") and fresh.keep == keep
    assert run(["report", str(archive_path), str(tmp_path / "report.html")]) == 0
    assert f"small: {verdict}\n" in capsys.readouterr().out
    assert ("p", verdict) in Page((tmp_path / "report.html").read_text("utf-8")).words
    assert run(["compare", str(original), str(archive_path)]) == 0
    assert verdict in capsys.readouterr().out
