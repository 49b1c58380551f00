"""What is kept from a picker's training, and that it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.picking.examples import split

BOX = 30


def example(count: int, rows: int = 400, seed: int = 0) -> cryoinr.Example:
    rng = np.random.default_rng(seed)
    image = rng.standard_normal((rows, 300)).astype(np.float32)
    places = rng.uniform((0, 0), (299, rows - 1), (count, 2))
    rejected = cryoinr.Particles(np.array([[10.0, 5.0]]))
    return cryoinr.Example(cryoinr.Micrograph(image), cryoinr.Particles(places, box=BOX), rejected)


def test_each_particle_is_on_one_side() -> None:
    given = [example(200, seed=seed) for seed in range(2)]
    for whole, part in zip(given, split(given, 0.25, BOX), strict=True):
        assert part.first_row == 300
        np.testing.assert_array_equal(part.learnt.micrograph.data, whole.micrograph.data[:300])
        tested = part.tested(whole.particles.xy)
        kept = part.learnt.particles.xy
        assert kept[:, 1].max() <= 299 < whole.particles.xy[tested][:, 1].min() + 1
        between = (whole.particles.xy[:, 1] > 299) & (whole.particles.xy[:, 1] < 300)
        assert len(kept) + tested.sum() + between.sum() == 200
        np.testing.assert_array_equal(part.learnt.rejected.xy, [[10.0, 5.0]])


@pytest.mark.parametrize(("count", "share"), [(200, 0.0), (30, 0.15), (120, 0.15), (200, 0.001)])
def test_nothing_is_held_out_where_little_is_known(count: int, share: float) -> None:
    given = example(count)
    (part,) = split([given], share, BOX)
    assert part.learnt is given
    assert part.tested(given.particles.xy).all()


def test_what_was_rejected_is_always_learnt() -> None:
    plain, corrected = example(200), example(200, seed=1)
    low = cryoinr.Particles(np.array([[10.0, 5.0], [10.0, 398.0]]))
    corrected = dataclasses.replace(corrected, rejected=low)
    first, second = split([plain, corrected], 0.25, BOX)
    assert first.first_row == 300
    assert second.learnt is corrected
    assert not second.tested(corrected.particles.xy).any()


def test_a_small_micrograph_is_learnt_from_as_a_whole() -> None:
    large, small = example(400), example(50, rows=60)
    first, second = split([large, small], 0.2, BOX)
    assert first.first_row == 320
    assert second.learnt is small
    assert not second.tested(small.particles.xy).any()


def test_the_held_out_part_changes_no_weight() -> None:
    given = example(200, rows=300)
    settings = cryoinr.TrainingSettings(box=50, iterations=1, held_out=0.25, device="cpu")
    first = cryoinr.train_picker([given], settings)
    data = given.micrograph.data.copy()
    data[225:] = np.random.default_rng(9).standard_normal((75, 300))
    above = given.particles.xy[given.particles.xy[:, 1] < 225]
    more = np.random.default_rng(8).uniform((0, 225), (299, 299), (40, 2))
    changed = dataclasses.replace(
        given,
        micrograph=dataclasses.replace(given.micrograph, data=data),
        particles=cryoinr.Particles(np.concatenate([above, more])),
    )
    second = cryoinr.train_picker([changed], settings)
    for name, array in first.network.arrays().items():
        np.testing.assert_array_equal(array, second.network.arrays()[name])
    (made,) = first.rounds
    assert 30 <= made.held_out <= 200 - made.particles
    assert made.found <= made.held_out
    assert second.calibration != first.calibration
