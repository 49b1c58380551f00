"""Errors as layers and on surfaces; no display needed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cryoinr import MapError, SettingsError
from napari_cryoinr.gui.error_dock import error_layers
from napari_cryoinr.gui.error_dock.error_layers import ErrorSettings, error_map_of, surface_steps
from napari_cryoinr.progress import drain
from napari_cryoinr.quality.error_maps import (
    ABSOLUTE,
    CORRELATION,
    KINDS,
    RELATIVE,
    SIGNED,
    ErrorMap,
)

napari = pytest.importorskip("napari")
pytest.importorskip("skimage")
from napari.components import ViewerModel  # noqa: E402
from napari.layers import Image  # noqa: E402

PLACED = {
    "scale": (2.0, 3.0, 4.0),
    "translate": (5.0, -6.0, 7.0),
    "units": ("nm",) * 3,
    "axis_labels": ("z", "y", "x"),
}


def ball(shape=(20, 22, 24), radius=6.0) -> np.ndarray:
    """Density that falls off linearly from the middle, and is 0 at the radius."""
    grid = np.indices(shape) - (np.array(shape) / 2 - 0.5)[:, None, None, None]
    return (radius - np.sqrt((grid**2).sum(0))).astype(np.float32)


def pair(dtype=np.float32, **more) -> tuple[Image, Image]:
    values = (10 * ball()).astype(dtype)
    original = Image(values, name="a", **PLACED | more)
    return original, Image(values + values.dtype.type(1), name="b", **PLACED | more)


def shown(viewer, original, decoded, settings, painted=False):
    """The layer of an error, as the widget makes it."""
    error_map = error_map_of(original, decoded, settings)
    steps = error_layers.painting_steps if painted else error_layers.volume_steps
    content, limits = drain(steps(error_map))
    new = error_layers.error_layer(original, decoded, error_map, content, limits)
    return error_layers.show(viewer.layers, new)


@pytest.mark.parametrize("painted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_layers_lie_where_their_map_lies(kind: str, painted: bool) -> None:
    viewer, (original, decoded) = ViewerModel(), pair()
    viewer.layers.extend([original, decoded])
    settings = ErrorSettings(kind=kind, contour=2.0, window=3)
    layer = shown(viewer, original, decoded, settings, painted)
    for name in ("scale", "translate"):
        np.testing.assert_array_equal(getattr(layer, name), getattr(decoded, name))
    assert layer.units == decoded.units
    assert layer.axis_labels == ("z", "y", "x")
    unit = {"local correlation": "", "relative": " (%)"}.get(kind, " (density)")
    title = KINDS[kind].title.capitalize()
    assert layer.name == f"{title}{' on surface' * painted}{unit}: b"
    see_through = kind == "signed" and not painted
    assert layer.colormap.name == ("signed error" if see_through else KINDS[kind].colormap)
    if see_through:
        assert layer.colormap.map(np.array([0.5]))[0, 3] == 0
        np.testing.assert_array_equal(layer.colormap.map(np.array([0.0, 1.0]))[:, 3], 1)
    noted = layer.metadata["cryoinr"]
    assert noted["derived_from"] == str(decoded.unique_id)
    assert noted["kind"] == kind
    low, high = layer.contrast_limits
    assert low < high


def test_a_mirrored_original_is_compared_where_it_lies() -> None:
    values = np.random.default_rng(0).normal(size=(8, 9, 10)).astype(np.float32)
    original = Image(values, name="a", scale=(1, -1, 1))
    decoded = Image(values[:, ::-1], name="b", translate=(0, -8, 0))
    error_map = error_map_of(original, decoded, ErrorSettings(inside_only=False))
    np.testing.assert_array_equal(drain(error_map.compute_steps()), 0)
    turned = Image(values, name="c", rotate=(0, 0, 30))
    with pytest.raises(MapError, match="'c' is rotated"):
        error_map_of(turned, decoded, ErrorSettings())


def test_a_second_layer_of_the_same_error_takes_the_place_of_the_first() -> None:
    viewer, (original, decoded) = ViewerModel(), pair()
    viewer.layers.extend([original, decoded])
    for painted in (False, True):
        settings = ErrorSettings(contour=2.0, inside_only=False)
        first = shown(viewer, original, decoded, settings, painted)
        decoded.data = decoded.data + 3
        first.colormap = "PiYG"
        second = shown(viewer, original, decoded, settings, painted)
        assert second is first
        assert second.colormap.name == "PiYG"
        values = second.data[2] if painted else second.data
        np.testing.assert_allclose(values, 4.0 if not painted else 7.0, rtol=1e-5)
    assert len(viewer.layers) == 4
    other = ErrorSettings(kind="absolute", contour=2.0)
    assert shown(viewer, original, decoded, other) is viewer.layers[-1]
    assert len(viewer.layers) == 5


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float64])
def test_maps_of_any_number_kind(dtype) -> None:
    original, decoded = pair(np.int16)
    decoded = Image(decoded.data.clip(0).astype(dtype), name="b")
    settings = ErrorSettings(kind="absolute", contour=2.0)
    layer = shown(ViewerModel(), original, decoded, settings)
    inside = original.data > 2
    np.testing.assert_array_equal(np.isfinite(layer.data), inside)
    assert (layer.data[inside] == 1).all()
    assert layer.data.dtype == np.float32


def test_a_signed_error_is_0_where_there_is_none(monkeypatch) -> None:
    original, decoded = pair()
    inside = original.data > 2
    for limit in (error_layers.EAGER_BYTES, 1000):
        monkeypatch.setattr(error_layers, "EAGER_BYTES", limit)
        layer = shown(ViewerModel(), original, decoded, ErrorSettings(contour=2.0))
        np.testing.assert_allclose(np.asarray(layer.data), inside, rtol=1e-5)


def test_multiscale_maps_are_compared_at_full_resolution() -> None:
    original, decoded = pair()
    levels = [decoded.data, decoded.data[::2, ::2, ::2]]
    many = Image(levels, multiscale=True, name="b", **PLACED)
    layer = shown(ViewerModel(), original, many, ErrorSettings(contour=2.0))
    assert layer.data.shape == original.data.shape
    assert not layer.multiscale


def test_large_volumes_are_lazy(monkeypatch) -> None:
    import dask.array as da

    original, decoded = pair()
    monkeypatch.setattr(error_layers, "EAGER_BYTES", 1000)
    settings = ErrorSettings(kind="local correlation", contour=2.0, window=3)
    layer = shown(ViewerModel(), original, decoded, settings)
    assert isinstance(layer.data, da.Array)
    expected = error_map_of(original, decoded, settings)[:, :, :]
    np.testing.assert_allclose(np.asarray(layer.data), expected, atol=1e-6)


def test_maps_of_other_shapes_are_refused() -> None:
    with pytest.raises(MapError, match="shapes differ"):
        error_map_of(pair()[0], Image(np.zeros((3, 4, 5))), ErrorSettings())


def test_an_even_window_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"window = 8.*odd"):
        ErrorSettings(window=8)


def surface(original, decoded, kind=SIGNED, contour=2.0, **more):
    return drain(surface_steps(ErrorMap(original, decoded, kind, contour, window=3, **more)))


def test_the_surface_is_the_originals_at_the_contour() -> None:
    original = ball()
    found = surface(original, np.zeros_like(original), contour=2.0)
    middle = np.array(original.shape) / 2 - 0.5
    radii = np.linalg.norm(found.vertices - middle, axis=1)
    np.testing.assert_allclose(radii, 4.0, atol=0.1)
    # Between voxels the error of a map that is 0 is minus the density: minus the contour.
    np.testing.assert_allclose(found.values, -2.0, atol=1e-3)


def test_surfaces_of_many_vertices_are_traced_more_coarsely(monkeypatch) -> None:
    original = ball()
    fine = surface(original, original)
    monkeypatch.setattr(error_layers, "_MOST_VERTICES", len(fine.vertices) // 2)
    coarse = surface(original, np.zeros_like(original))
    assert len(coarse.vertices) <= len(fine.vertices) // 2
    np.testing.assert_allclose(coarse.values, -2.0, atol=0.3)


def test_the_surface_is_closed() -> None:
    original = ball()
    found = surface(original, original + 1)
    edges = np.sort(found.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()  # every edge belongs to two triangles
    # Euler's number of a sphere
    assert len(found.vertices) - len(counts) + len(found.faces) == 2


def test_values_of_each_kind_on_a_surface() -> None:
    original = ball()
    decoded = original - 0.5
    for kind, expected in ((SIGNED, -0.5), (ABSOLUTE, 0.5), (RELATIVE, 25.0), (CORRELATION, 1.0)):
        for inside_only in (False, True):
            found = surface(original, decoded, kind, inside_only=inside_only)
            np.testing.assert_allclose(found.values, expected, rtol=1e-3)


def test_only_structure_paints_the_surface() -> None:
    original = ball()
    decoded = np.where(original > 2, original + 1, original - 100)
    assert surface(original, decoded).values.min() < -10
    np.testing.assert_allclose(surface(original, decoded, inside_only=True).values, 1, rtol=1e-4)


def test_a_surface_passes_by_voxels_without_density() -> None:
    original = ball()
    original[10, 10, 10] = np.nan
    found = surface(original, np.zeros_like(original))
    assert np.isfinite(found.vertices).all()
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("contour", [-100.0, 6.0, 100.0])
def test_no_surface_says_so_in_one_line(contour: float) -> None:
    with pytest.raises(MapError, match=r"contour .*no voxel crosses it.*choose one between") as e:
        surface(ball(), ball(), contour=contour)
    assert "\n" not in str(e.value)


def test_flat_and_constant_maps_have_no_surface() -> None:
    for original in (ball((1, 9, 9), 3), np.ones((5, 5, 5), np.float32)):
        with pytest.raises(MapError, match="no voxel crosses it"):
            surface(original, original, contour=1.0)


def test_a_contour_of_zero_has_no_relative_error() -> None:
    with pytest.raises(MapError, match="contour = 0"):
        surface(ball(), ball(), RELATIVE, contour=0.0)
