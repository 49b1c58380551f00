"""The model `paper` with settings by the traits of the maps, and with a grid of latent vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run
from napari_cryoinr.codec.estimation import estimate_steps
from napari_cryoinr.models.base import Target
from napari_cryoinr.models.paper.auto_settings import RULES, Traits, chosen, traits_steps
from napari_cryoinr.models.paper.latent_grid import latents_at
from napari_cryoinr.models.paper.paper_settings import SOURCE, PaperSettings
from napari_cryoinr.progress import Clock, drain
from napari_cryoinr.support import records

DATA = Path(__file__).parent / "data"
USUAL = Traits(raw_bytes=4_000_000, mask_bytes=9000, points=16000, waves=28, contrast=3.5)


def settings(**own: object) -> cryoinr.Settings:
    return cryoinr.Settings(model="paper", device="cpu", paper=PaperSettings(**own))


def test_traits_are_those_of_the_map(small_map: cryoinr.DensityMap) -> None:
    target = Target.above(small_map, 2.0, exact_mask=True)
    traits = drain(traits_steps(target, Clock()))
    assert traits.points == np.count_nonzero(small_map.data > 2.0)
    assert traits.raw_bytes == small_map.raw_bytes
    assert traits.contrast == pytest.approx(small_map.data.max() / 2.0)
    assert traits.waves == pytest.approx(24 * 2.0 / 6.0, abs=2)  # 48 Å at about 6 Å
    both = Traits.of_all([traits, replace(traits, waves=3.0)])
    assert (both.points, both.waves, both.maps) == (2 * traits.points, traits.waves, 2)


@pytest.mark.parametrize(("waves", "frequencies"), [(1, 2), (8, 4), (9, 5), (32, 6), (1e9, 12)])
def test_the_band_limit_sets_the_frequencies(waves: float, frequencies: int) -> None:
    assert chosen(PaperSettings(), replace(USUAL, waves=waves)).frequencies == frequencies


def test_the_ratio_sets_the_widths() -> None:
    for raw in (400_000, 4_000_000, 40_000_000):
        traits = replace(USUAL, raw_bytes=raw)
        found = chosen(PaperSettings(), traits)
        assert found.widths is not None
        left = raw / RULES.ratio - traits.mask_bytes - RULES.overhead
        size = 2 * RULES.deflated * (found.config().parameters + found.config().latents)
        assert 0.9 * left < size <= left or found.widths == SOURCE.widths
    assert chosen(PaperSettings(), replace(USUAL, raw_bytes=10**9)).widths == (2048, 1024, 512, 256)
    small = chosen(PaperSettings(), USUAL, limit=20_000)
    assert 2 * small.config().parameters < 22_000


def test_larger_maps_have_larger_batches_and_smaller_networks_a_higher_rate() -> None:
    few, many = (chosen(PaperSettings(), replace(USUAL, points=n)) for n in (4000, 400_000))
    assert few.batch_size < many.batch_size
    small, large = (
        chosen(PaperSettings(), replace(USUAL, raw_bytes=raw)) for raw in (400_000, 40_000_000)
    )
    assert small.learning_rate > large.learning_rate
    for contrast in (1.2, 50.0):  # on an offset; with very weak densities
        extreme = chosen(PaperSettings(), replace(USUAL, contrast=contrast))
        assert extreme.learning_rate < chosen(PaperSettings(), USUAL).learning_rate
    fast, best = (chosen(PaperSettings(), USUAL, effort).max_steps for effort in ("fast", "best"))
    assert fast < best


def test_what_is_given_is_kept() -> None:
    own = PaperSettings(
        frequencies=9, widths=(8, 4), learning_rate=0.01, batch_size=99, max_steps=7
    )
    assert chosen(own, USUAL) == replace(own, residual="none", loss_exponent=0.0, auto=False)
    assert chosen(PaperSettings(width="small"), USUAL).config().widths[0] == 128
    both = chosen(PaperSettings(widths=(64, 32), width="medium"), USUAL)
    assert both.config().widths == (16, 8)


@pytest.mark.parametrize("name", list(vars(SOURCE)))
def test_the_numbers_of_the_source_can_be_given(name: str) -> None:
    """One at a time, beside what the rules choose."""
    value, few = getattr(SOURCE, name), replace(USUAL, points=4000)
    assert getattr(chosen(PaperSettings(**{name: value}), few), name) == value
    assert getattr(chosen(PaperSettings(), few), name) != value


def test_what_is_chosen_is_complete() -> None:
    found = chosen(PaperSettings(), USUAL)
    assert None not in [getattr(found, name) for name in (*vars(SOURCE), "max_steps")]
    assert found.completed() == found == chosen(found, USUAL)


def test_without_auto_the_source_decides() -> None:
    assert PaperSettings(auto=False).numbers() == SOURCE
    assert PaperSettings(auto=False).config().parameters == 3_016_705
    given = PaperSettings(auto=False, frequencies=4, width="small").numbers()
    assert given == replace(SOURCE, frequencies=4, widths=(128, 64, 32, 16))


def test_auto_makes_a_file_of_the_ratio(tmp_path: Path, small_map: cryoinr.DensityMap) -> None:
    report = cryoinr.compress(small_map, tmp_path / "a.cinr", settings(max_steps=3, latent_size=2))
    assert 4.2 < report.ratio < 6
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert archive.settings.paper == PaperSettings(max_steps=3, latent_size=2)
        assert archive.header.model.config["residual"] == "none"


@pytest.mark.parametrize("ratio", [8.0, 20.0])
@pytest.mark.parametrize("side", [20, 32])
def test_a_ratio_sizes_the_network(tmp_path: Path, side: int, ratio: float) -> None:
    wanted = replace(settings(max_steps=3, latent_size=2), target_ratio=ratio)
    report = cryoinr.compress(cryoinr.synthetic_map(side), tmp_path / "b.cinr", wanted)
    assert ratio <= report.ratio < 1.25 * ratio


def test_a_ratio_beyond_the_smallest_network_is_refused(tmp_path: Path) -> None:
    wanted = replace(settings(max_steps=3), target_ratio=1000.0)
    with pytest.raises(cryoinr.GoalMissed, match="ask for a lower ratio"):
        cryoinr.compress(cryoinr.synthetic_map(20), tmp_path / "b.cinr", wanted)


def test_auto_on_the_command_line(tmp_path: Path, small_map: cryoinr.DensityMap) -> None:
    cryoinr.write_map(small_map, tmp_path / "map.mrc")
    arguments = ["--model", "paper", "--max-steps", "2", "--device", "cpu", "--quiet"]
    sizes = {}
    for more in ((), ("--auto",), ("--no-auto", "--width", "small"), ("--width", "small")):
        out = tmp_path / f"{len(sizes)}.cinr"
        assert run(["compress", *arguments, *more, str(tmp_path / "map.mrc"), str(out)]) == 0
        with cryoinr.open_archive(out) as archive:
            config = archive.header.model.config
            sizes[more] = archive.ratio, config["widths"], config["residual"]
    assert sizes[()] == sizes["--auto",]
    assert sizes[()][0] > 4.2
    assert sizes["--no-auto", "--width", "small"][1:] == ([128, 64, 32, 16], "full")
    assert sizes["--width", "small"][1:] == ([128, 64, 32, 16], "none")


@pytest.mark.parametrize("own", [{}, {"max_error": 0.2}, {"keep": "envelope"}], ids=str)
def test_an_estimate_takes_no_training(
    tmp_path: Path, small_map: cryoinr.DensityMap, own: dict[str, object]
) -> None:
    phases = []
    wanted = replace(settings(max_steps=3), **own)
    found = drain(
        estimate_steps([small_map, replace(small_map, name="again")], wanted),
        lambda record: phases.append(record.phase),
    )
    assert "training" not in phases
    assert found.at_least == ("max_error" in own)
    cryoinr.compress([small_map, replace(small_map, name="again")], tmp_path / "a.cinr", wanted)
    size = (tmp_path / "a.cinr").stat().st_size
    assert size >= found.bytes if found.at_least else size == pytest.approx(found.bytes, rel=0.1)


def test_settings_of_earlier_archives_are_those_they_were_made_with() -> None:
    """Before there was a choice from the maps, what was not given had the source's number."""
    with cryoinr.open_archive(DATA / "format1_paper.cinr") as archive:
        own = archive.settings.paper
        config = archive.header.model.config
    assert not own.auto
    assert records.to_dict(own.config()) == config | {"exponents": [], "latent_grid": 1}


# ------------------------------------------------------------------------------ latent vectors


def test_latent_vectors_are_interpolated() -> None:
    """A grid that holds a linear function of the place gives that function."""
    nodes = np.stack(np.meshgrid(*[np.linspace(-1, 1, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    slope = np.array([[1.0, 0.5], [-2.0, 0.25], [3.0, 4.0]])
    latents = np.stack([nodes @ slope, -nodes @ slope])
    random = np.random.default_rng(0)
    points = np.concatenate([random.uniform(-1, 1, (50, 3)), [[-1, 1, 0], [1, 1, 1]]])
    members = random.integers(0, 2, len(points))
    found = latents_at(latents, members, points, np)
    sign = np.where(members == 0, 1.0, -1.0)[:, None]
    np.testing.assert_allclose(found, sign * (points @ slope), atol=1e-12)
    theirs = latents_at(*(torch.from_numpy(a) for a in (latents, members, points)), torch)
    assert theirs.numpy().tobytes() == found.tobytes()


def test_a_grid_of_latent_vectors_is_stored(tmp_path: Path) -> None:
    original = cryoinr.synthetic_map(20, seed=2)
    small = PaperSettings(
        widths=(24, 12), frequencies=2, latent_size=3, batch_size=128, max_steps=200
    )
    errors = {}
    for nodes in (1, 5):
        own = replace(small, latent_grid=nodes, weights="float32")
        chosen_settings = cryoinr.Settings(threshold=1.0, model="paper", device="cpu", paper=own)
        path = tmp_path / f"{nodes}.cinr"
        errors[nodes] = cryoinr.compress(original, path, chosen_settings).nrmse
        with cryoinr.open_archive(path) as archive:
            assert archive.header.model.config.get("latent_grid", 1) == nodes
            whole = archive[0].read()
            np.testing.assert_array_equal(archive[0].read(np.s_[3:9, :, 4:7]), whole[3:9, :, 4:7])
    assert errors[5] < errors[1]
