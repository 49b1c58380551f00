"""The table of what each part is worth: parts are really taken out, and only for one encoding."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr

SCRIPTS = Path(__file__).resolve().parents[1] / "benchmarks"
if not SCRIPTS.is_dir():
    pytest.skip("the scripts are not part of the package", allow_module_level=True)
sys.path.insert(0, str(SCRIPTS))

import ablation  # noqa: E402
from ablation_editions import EXTENTS, MAGNITUDES, Editions, cosine_transforms  # noqa: E402
from ablation_parts import PARTS, Part, Subject  # noqa: E402
from make import Effort  # noqa: E402

from napari_cryoinr.bench import Case  # noqa: E402
from napari_cryoinr.models.field import encoder, field_representation, lapped, pretrained  # noqa: E402

_TINY = Effort(problems=1, bases=1, iterations=2, samples=200, steps=5, tries=1)
_CASE = Case("contour", 2.0, 0.1)


def part(key: str) -> Part:
    (found,) = (one for one in PARTS if one.key == key)
    return found


@pytest.fixture(autouse=True)
def own_edition(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever edition a test uses, the package's own comes back behind it."""
    monkeypatch.setattr(pretrained, "resources", pretrained.resources)
    yield
    monkeypatch.undo()
    for cached in (pretrained.pretrained, lapped._piece, field_representation._axis):
        cached.cache_clear()


@pytest.fixture(scope="module")
def subject(small_map: cryoinr.DensityMap, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp("editions")
    editions = Editions(ablation.OWN, folder, [], folder, _TINY)
    return Subject(small_map, _CASE, editions, "fast")


def test_whole_archives_are_those_of_the_package(
    subject: Subject, small_map: cryoinr.DensityMap, tmp_path: Path
) -> None:
    path = tmp_path / "map.cinr"
    quick = cryoinr.Settings(effort="fast", device="cpu")
    cryoinr.compress(small_map, path, _CASE.settings(quick))
    assert subject.whole.bytes == path.stat().st_size
    again = subject.whole.with_stream("latents", subject.whole.streams["latents"])
    assert again.bytes == subject.whole.bytes


@pytest.mark.parametrize("key", ["rates-dead-zone", "solver", "mask", "headers"])
def test_parts_are_taken_out_for_one_encoding(subject: Subject, key: str) -> None:
    found = ablation.measure(subject, part(key))
    assert found["ratio"] == found["bytes_without"] / found["bytes_with"] > 0
    assert found["error_without"] <= 0.1
    if key in ("mask", "headers"):
        assert found["ratio"] > 1.1
    else:
        assert any(
            found[f"{what}_with"] != found[f"{what}_without"] for what in ("streams", "error")
        )
    assert encoder.round_latents.__module__ == "napari_cryoinr.models.field.rates"


def test_nothing_stays_taken_out(subject: Subject) -> None:
    assert subject.encode().bytes == subject.whole.bytes


def test_goals_that_cannot_be_met_are_told(subject: Subject) -> None:
    def missed(_: Subject) -> None:
        raise cryoinr.GoalMissed("no step")

    found = ablation.measure(subject, Part("none", "none", "none", missed))
    assert found == {"bytes_with": subject.whole.bytes, "missed": "no step"}
    row = {"regime": "contour", "parts": {"none": found}}
    assert ablation.mean_of([row], Part("none", "none", "none", missed), "contour") is None


def test_cosines_do_not_overlap() -> None:
    for (block, _), (within, across) in cosine_transforms().items():
        one = np.eye(block)
        scaled = within / 2.0**lapped.STORED_BITS
        np.testing.assert_allclose(scaled.T @ scaled, one, atol=1e-4)
        np.testing.assert_allclose(scaled[:, 0], block**-0.5, atol=1e-4)
        np.testing.assert_array_equal(across, one * 2.0**lapped.STORED_BITS)


def test_editions_without_a_part(
    small_map: cryoinr.DensityMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablation_editions.all_maps", lambda folder, left_out: [small_map])
    editions = Editions(ablation.OWN, tmp_path, ["some"], tmp_path, _TINY)
    for path, unseen in (
        (editions.by_frequency(), (*MAGNITUDES, *EXTENTS)),
        (editions.by_extent(), MAGNITUDES),
        (editions.cosines(), ()),
    ):
        with np.load(path) as arrays:
            blind = ~arrays["weights0"].any(axis=1)
            assert tuple(np.flatnonzero(blind)) == unseen
    assert path.name == "cosines_without_some.npz"
    changed = path.stat().st_mtime_ns
    assert editions.cosines().stat().st_mtime_ns == changed
    whole = Subject(small_map, _CASE, editions, "fast")
    assert ablation.measure(whole, part("basis-cosines"))["error_without"] <= 0.1


def test_the_table_has_means_and_every_case(subject: Subject) -> None:
    found = ablation.measure(subject, part("mask"))
    case = {"map": "folder/small.mrc", "regime": "contour", "threshold": 2.0, "target": 0.1}
    rows: list[ablation.Row] = []
    row = ablation.row_of(case, rows)
    row["bytes"], row["parts"]["mask"] = subject.whole.bytes, found
    assert ablation.row_of(case, rows) is row and rows == [row]
    assert ablation.row_of({**case, "target": 0.2}, rows) is not row
    page = "\n".join(ablation.page([row], "title"))
    mask = part("mask")
    assert f"| {mask.part} | {mask.instead} | {found['ratio']:.3f} | - |" in page
    assert "| small.mrc | 2 | 0.1 |" in page
    data = ablation.to_json([row], "fast", False)
    assert data["geometric_means"]["mask"] == {"contour": pytest.approx(found["ratio"])}
