"""The lapped basis: orthonormal, in exact integers, the same in parts as in one piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from napari_cryoinr.models.field.blocks import to_blocks
from napari_cryoinr.models.field.lapped import Basis, axis_matrix, touching
from napari_cryoinr.models.field.pretrained import BLOCKS, EDITIONS, SHAPES, pretrained
from napari_cryoinr.models.separable_sums import MATRIX_BITS, MAX_LATENT, VALUE_BITS, synthesise

QUICK = settings(deadline=None, max_examples=40, derandomize=True)
BASES = [
    Basis(block, shape, edition) for edition in EDITIONS for block in BLOCKS for shape in SHAPES
]
bases = pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.block}-{b.shape}-{b.edition}")
any_basis = st.sampled_from(BASES)


def whole(basis: Basis, count: int) -> np.ndarray:
    """The matrix of a whole axis, integers."""
    first, last, matrix = axis_matrix(basis, count, 0, count * basis.block)
    assert (first, last) == (0, count)
    return matrix


def test_an_unknown_edition_is_refused() -> None:
    with pytest.raises(cryoinr.CinrError, match="edition 255"):
        pretrained(255)


@bases
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_basis_is_orthonormal(basis: Basis, count: int) -> None:
    """As far as its entries allow, which are rounded to 2^-12."""
    matrix = whole(basis, count)
    assert np.array_equal(matrix, np.rint(matrix))
    scaled = matrix * 2.0**-MATRIX_BITS
    wrong = scaled.T @ scaled - np.eye(len(matrix))
    assert np.abs(wrong).max() < 1e-3
    assert np.linalg.norm(wrong, 2) < 2e-3


@bases
def test_rows_are_as_short_as_exact_sums_need_them(basis: Basis) -> None:
    for count in (1, 2, 3, 5):
        assert np.abs(whole(basis, count)).sum(axis=1).max() < 5 * 2**MATRIX_BITS


@bases
def test_functions_reach_half_a_block_into_the_neighbours(basis: Basis) -> None:
    matrix, block = whole(basis, 5), basis.block
    half = block // 2
    for number in range(5):
        rows = np.flatnonzero(matrix[:, number * block : (number + 1) * block].any(axis=1))
        assert rows[0] >= max(0, number * block - half)
        assert rows[-1] < min(5 * block, (number + 1) * block + half)


@bases
def test_the_first_latent_is_the_mean(basis: Basis) -> None:
    """Its function is nearly flat within the block, and all others have hardly a mean."""
    means = whole(basis, 5)[:, 2 * basis.block : 3 * basis.block].sum(axis=0) * 2.0**-MATRIX_BITS
    assert means[0] == pytest.approx(np.sqrt(basis.block), rel=1e-3)
    assert np.abs(means[1:]).max() < 0.01 * means[0]


@QUICK
@given(any_basis, st.integers(1, 6), st.data())
def test_parts_equal_the_whole(basis: Basis, count: int, data: st.DataObject) -> None:
    end = count * basis.block
    start = data.draw(st.integers(0, end - 1))
    stop = data.draw(st.integers(start + 1, end))
    first, last, matrix = axis_matrix(basis, count, start, stop)
    assert (first, last) == touching(basis.block, count, start, stop)
    complete = whole(basis, count)[start:stop]
    inside = slice(first * basis.block, last * basis.block)
    np.testing.assert_array_equal(matrix, complete[:, inside])
    assert not complete[:, : inside.start].any()
    assert not complete[:, inside.stop :].any()


@QUICK
@given(any_basis, st.integers(1, 6), st.sampled_from([2, 4, 8, 32]), st.data())
def test_rows_of_coarser_levels_are_means(
    basis: Basis, count: int, side: int, data: st.DataObject
) -> None:
    voxels = data.draw(st.integers((count - 1) * basis.block + 1, count * basis.block))
    groups = -(-voxels // side)
    start = data.draw(st.integers(0, groups - 1))
    stop = data.draw(st.integers(start + 1, groups))
    first, last, matrix = axis_matrix(basis, count, start, stop, side, voxels)
    fine = whole(basis, count)[:, first * basis.block : last * basis.block]
    assert len(matrix) == stop - start
    for number, row in enumerate(matrix, start):
        mean = fine[number * side : min((number + 1) * side, voxels)].mean(axis=0)
        assert np.abs(row - mean).max() <= 1  # of 2^MATRIX_BITS


def voxels_of(latents: np.ndarray, matrices: tuple[np.ndarray, ...]) -> np.ndarray:
    out = np.full([len(matrix) for matrix in matrices], np.nan)
    synthesise(latents, matrices, out)
    return out


def integer_voxels(latents: np.ndarray, matrices: tuple[np.ndarray, ...]) -> np.ndarray:
    """The sums in Python's integers, rounded once at the end; float64 holds 53 bits only."""
    values = latents.astype(np.int64).astype(object)
    for axis, matrix in enumerate(matrices):
        exact = matrix.astype(np.int64).astype(object)
        values = np.moveaxis(np.tensordot(exact, values, (1, axis)), 0, axis)
    shift = 3 * MATRIX_BITS - VALUE_BITS
    return ((values + (1 << (shift - 1))) >> shift).astype(np.int64)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    any_basis,
    st.tuples(*[st.integers(1, 2)] * 3),
    st.sampled_from([1, 3, 200, 1 << 10, 1 << 11, 1 << 15, MAX_LATENT - 1]),
    st.integers(0, 1 << 30),
)
def test_synthesis_is_exact(
    basis: Basis, grid: tuple[int, int, int], largest: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    size = tuple(n * basis.block for n in grid)
    latents = random.integers(-largest, largest + 1, size).astype(np.float64)
    latents *= random.random(size) < 0.3
    matrices = tuple(whole(basis, n)[random.random(n * basis.block) < 0.5] for n in grid)
    found = voxels_of(latents, matrices)
    np.testing.assert_array_equal(found, integer_voxels(latents, matrices))


@bases
def test_the_largest_sums_are_exact(basis: Basis) -> None:
    """Every product of the largest voxel has one sign and the largest size."""
    matrix = whole(basis, 3)
    row = int(np.abs(matrix).sum(axis=1).argmax())
    signs = np.sign(matrix[row])
    for largest in (1 << 10, MAX_LATENT - 1):
        latents = largest * signs[:, None, None] * signs[:, None] * signs
        one = matrix[row : row + 1]
        found = voxels_of(latents, (one, one, one))
        np.testing.assert_array_equal(found, integer_voxels(latents, (one, one, one)))


def test_other_latents_of_a_part_do_not_matter() -> None:
    """A region that leaves out the large latents has the voxels of the whole."""
    basis = Basis(8, "sharp", EDITIONS[-1])
    random = np.random.default_rng(0)
    latents = random.integers(-40, 41, (8, 8, 64)).astype(np.float64)
    latents[0, 0, 60] = MAX_LATENT - 1
    z, x = whole(basis, 1), whole(basis, 8)
    everything = voxels_of(latents, (z, z, x))
    first, last, part = axis_matrix(basis, 8, 0, 24)
    near = voxels_of(latents[..., first * 8 : last * 8], (z, z, part))
    np.testing.assert_array_equal(near, everything[..., :24])


@QUICK
@given(any_basis, st.tuples(*[st.integers(1, 4)] * 3))
def test_blocks_hold_the_latents_of_their_part_of_the_volume(
    basis: Basis, grid: tuple[int, int, int]
) -> None:
    block = basis.block
    shape = tuple(count * block for count in grid)
    volume = np.arange(np.prod(shape)).reshape(shape)
    blocks = to_blocks(volume, block)
    assert blocks.shape == (*grid, block**3)
    z, y, x = (count - 1 for count in grid)
    corner = volume[z * block :, y * block :, :block]
    np.testing.assert_array_equal(blocks[z, y, 0], corner.reshape(-1))
    assert blocks[z, y, x, -1] == volume[-1, -1, -1]
