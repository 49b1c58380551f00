"""Density of an atomic model, and its agreement with a map before and after; needs gemmi."""

from __future__ import annotations

import importlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import fft

from ..errors import MapError, SettingsError, UnreadableFile, one_line
from ..maps.density_map import DensityMap
from ..maps.threshold import background_density
from ..progress import Clock, Progress, Steps, drain
from ..support.array_types import AnyArray, Float32Array, Float64Array, Int64Array, Triple
from .comparison import kept_weight, resolution_in_steps, shell_mask
from .fsc import shell_correlation_steps
from .map_pairs import check_same_shape
from .model_report import ModelReport, Residue

_MOST_B = 500.0  # Å², above which an atom is nowhere
# A Gaussian of this B factor times the squared resolution is as wide as ChimeraX makes the density
# of an atom (a standard deviation of 0.225 times the resolution, Goddard et al., 2018).
_B_OF_RESOLUTION = 4.0
# B factor times the squared voxel size below which density is sampled too coarsely (Murshudov et
# al., Acta Cryst. D 67, 2011).
_B_OF_VOXEL = 8 * math.pi**2 / 1.1
_RADII = 1.5, 5.0  # Å, around atoms
_BATCH = 1 << 20  # voxels around atoms that are looked at together


@dataclass(frozen=True, eq=False)
class _Atoms:
    """An atomic model in the frame of a map's box."""

    structure: Any  # of gemmi; atoms outside the box have no occupancy
    positions: Float64Array  # Å, shape (n, 3), (z, y, x); those inside the box
    residues: list[tuple[str, str, str]]  # chain, number, name
    owners: Int64Array  # index of the residue of each atom; -1 for waters
    outside: int


def compare_with_model(
    original: DensityMap,
    decoded: DensityMap,
    model: str | os.PathLike[str],
    contour: float | None = None,
    *,
    keep: str = "envelope",
    resolution: float | None = None,
) -> ModelReport:
    """Compare an atomic model with a map and with its decoded copy.

    The model's density is that of electron scattering with its own B factors, blurred to the
    resolution, at the place that the map's voxel size and origin give it. Only the first model of a
    file counts, without symmetry copies. Needs gemmi, which ``napari-cryoinr[model]`` installs.

    Parameters
    ----------
    original, decoded : DensityMap
        Maps of the same shape (z, y, x).
    model : path
        A PDB or mmCIF file, plain or .gz.
    contour : float, optional
        Density that counts as structure; without it the whole volume counts.
    keep : str
        ``envelope`` or ``contour``, as for `compare`; the Fourier shells are those in the soft mask
        in either case.
    resolution : float, optional
        Å; by default it is found in the original.

    Returns
    -------
    ModelReport

    Raises
    ------
    UnreadableFile
        If the model cannot be read.
    MapError
        If the shapes differ, the box is not orthogonal, or no atom lies in it.
    SettingsError
        If gemmi is not installed.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.read_map("map.mrc")  # doctest: +SKIP
    >>> back = cryoinr.open_archive("map.cinr")[0].to_map()  # doctest: +SKIP
    >>> print(cryoinr.compare_with_model(m, back, "model.cif", 0.3).text())  # doctest: +SKIP
    """
    weight = kept_weight(original, contour, keep)
    mask = shell_mask(original, contour, weight)
    return drain(model_steps(original, decoded.data, model, mask, resolution))


def model_steps(
    original: DensityMap,
    decoded: Float32Array,
    path: str | os.PathLike[str],
    mask: Float32Array | None,
    resolution: float | None,
    clock: Clock | None = None,
) -> Steps[ModelReport]:
    """`compare_with_model` as a generator of progress.

    Parameters
    ----------
    original, decoded : DensityMap, ndarray of float32
        Both maps, shape (z, y, x).
    path : path
        A PDB or mmCIF file.
    mask : ndarray of float32 or None
        Soft mask in which Fourier shells are correlated, of the same shape; None: the whole volume.
    resolution : float or None
        Å; None finds it in the original.
    clock : Clock, optional
        Gives the seconds of the records.
    """
    clock = clock or Clock()
    check_same_shape(original.data.shape, decoded.shape)
    yield Progress("reading the model", 0, 1, clock.seconds)
    atoms = _read_atoms(Path(path), original)
    if resolution is None:
        found = yield from resolution_in_steps(original, mask, clock)
        resolution = found.angstrom
    yield Progress("density of the model", 0, 1, clock.seconds)
    density = _density(atoms.structure, original, resolution)
    kept = np.ones(decoded.shape, bool) if mask is None else mask > 0
    background = np.float32(background_density(original, kept))
    weight = np.float32(1) if mask is None else mask
    curves = []
    for values in (original.data, decoded):
        masked = (values - background) * weight
        curve = yield from shell_correlation_steps(
            density * weight, masked, original.voxel_size, clock
        )
        curves.append(curve)
    radius = min(max(_RADII[0], resolution / 2, *original.voxel_size), _RADII[1])
    maps = (density, original.data, decoded)
    residues, overall = yield from _correlation_steps(
        maps, atoms, original.voxel_size, radius, clock
    )
    before, after = curves
    return ModelReport(
        name=Path(path).name,
        atoms=len(atoms.positions),
        atoms_outside=atoms.outside,
        where="in the whole volume" if mask is None else "in the soft mask",
        resolution=resolution,
        radius=float(radius),
        nyquist=2 * max(original.voxel_size),
        correlation_before=overall[0],
        correlation_after=overall[1],
        fsc_05_before=before.resolution_below(0.5),
        fsc_05_after=after.resolution_below(0.5),
        fsc_step=before.step,
        fsc_before=tuple(round(float(value), 6) for value in before.values),
        fsc_after=tuple(round(float(value), 6) for value in after.values),
        residues=tuple(residues),
    )


def _gemmi() -> Any:
    try:
        return importlib.import_module("gemmi")
    except ImportError as error:
        raise SettingsError(
            f"atomic models are read by gemmi, which cannot be imported ({error}):"
            " pip install 'napari-cryoinr[model]'"
        ) from None


def _read_atoms(path: Path, original: DensityMap) -> _Atoms:
    """Read a model and bring it into the frame of the first voxel of a map."""
    gemmi = _gemmi()
    try:
        structure = gemmi.read_structure(str(path), format=gemmi.CoorFormat.Detect)
    except (RuntimeError, OSError, ValueError) as error:
        raise UnreadableFile(
            f"{path}: no atomic model could be read ({one_line(error)}); give PDB or mmCIF"
        ) from None
    if not len(structure) or not structure[0].count_atom_sites():
        raise UnreadableFile(f"{path}: holds no atomic model; give PDB or mmCIF")
    shape, size = np.array(original.data.shape), np.array(original.voxel_size)
    angles = [float(angle) for angle in original.mrc.record.cellb.tolist()]
    if any(angle and abs(angle - 90) > 0.01 for angle in angles):
        raise MapError(
            f"{original.name}: the cell has the angles {angles}; models are compared in orthogonal"
            " boxes only"
        )
    x, y, z = (float(edge) for edge in (shape * size)[::-1])
    structure.cell = gemmi.UnitCell(x, y, z, 90, 90, 90)
    structure.spacegroup_hm = "P 1"
    names: list[tuple[str, str, str]] = []
    owners: list[int] = []
    inside: list[Float64Array] = []
    outside = 0
    zyx_origin = np.array(original.origin)
    for chain in structure[0]:
        for residue in chain:
            owner = -1
            if not residue.is_water():
                owner = len(names)
                names.append((chain.name, str(residue.seqid), residue.name))
            for atom in residue:
                position = np.array(atom.pos.tolist()[::-1]) - zyx_origin
                voxel = position / size
                if not ((voxel >= -0.5) & (voxel < shape - 0.5)).all():
                    outside += 1
                    position, atom.occ = np.zeros(3), 0.0
                else:
                    owners.append(owner)
                    inside.append(position)
                atom.pos = gemmi.Position(*position[::-1])
                atom.aniso = gemmi.SMat33f(0, 0, 0, 0, 0, 0)
                atom.b_iso = min(max(atom.b_iso, 0.0), _MOST_B) if atom.b_iso == atom.b_iso else 0.0
    if not inside:
        corner = ", ".join(f"{value:.1f}" for value in zyx_origin[::-1])
        raise MapError(
            f"{path}: none of its {outside:,} atoms lies in {original.name}, a box of {x:.1f} ×"
            f" {y:.1f} × {z:.1f} Å from ({corner}) on (x, y, z); is it the model of this map?"
        )
    return _Atoms(structure, np.array(inside), names, np.array(owners), outside)


def _density(structure: Any, original: DensityMap, resolution: float) -> Float32Array:
    """Return the model's density on the grid of a map, shape (z, y, x)."""
    shape, size = original.data.shape, original.voxel_size
    factors = [atom.b_iso for cra in structure[0].all() if (atom := cra.atom).occ > 0]
    # Blurred so that an atom with the usual B factor has the width of the resolution, and so much
    # more, taken back in Fourier space, that the grid samples the sharpest.
    wanted = _B_OF_RESOLUTION * resolution**2 - float(np.median(factors))
    more = max(0.0, _B_OF_VOXEL * max(size) ** 2 - (min(factors) + wanted))
    calculator = _gemmi().DensityCalculatorE()
    calculator.blur = wanted + more
    calculator.set_grid_cell_and_spacegroup(structure)
    calculator.grid.set_size(*shape[::-1])
    calculator.add_model_density_to_grid(structure[0])
    density = np.ascontiguousarray(np.array(calculator.grid, copy=False).transpose(2, 1, 0))
    if more == 0:
        return density
    axes = [np.fft.fftfreq(n, v) for n, v in zip(shape[:2], size[:2], strict=True)]
    axes.append(np.fft.rfftfreq(shape[2], size[2]))
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    squares = (z**2 + y**2 + x**2).astype(np.float32)
    limit = (0.5 / max(size)) ** 2
    sharpening = np.exp(more / 4 * np.minimum(squares, limit)) * (squares <= limit)
    spectrum = fft.rfftn(density, workers=-1) * sharpening
    return np.asarray(fft.irfftn(spectrum, shape, workers=-1), np.float32)


def _correlation_steps(
    maps: tuple[Float32Array, Float32Array, Float32Array],
    atoms: _Atoms,
    voxel_size: Triple,
    radius: float,
    clock: Clock,
) -> Steps[tuple[list[Residue], tuple[float, float]]]:
    """Correlate the first map with the others, round each residue and round all atoms."""
    shape, size = np.array(maps[0].shape), np.array(voxel_size)
    reach = np.ceil(radius / size).astype(int) + 1
    ranges = [np.arange(-n, n + 1) for n in reach]
    offsets = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    offsets = offsets[np.linalg.norm(offsets * size, axis=1) <= radius + np.linalg.norm(size) / 2]
    flat = [values.reshape(-1) for values in maps]
    scales = [float(np.abs(values).max()) or 1.0 for values in maps]
    order = np.argsort(atoms.owners, kind="stable")
    count = max(1, _BATCH // len(offsets))
    near = np.zeros(maps[0].size, bool)
    sums = np.zeros((len(atoms.residues), 9))
    starts = list(_batches(atoms.owners[order], count))
    for number, (start, stop) in enumerate(starts, 1):
        chosen = order[start:stop]
        places = atoms.positions[chosen]
        voxels = np.rint(places / size).astype(int)[:, None] + offsets
        close = np.linalg.norm(voxels * size - places[:, None], axis=2) <= radius
        close &= ((voxels >= 0) & (voxels < shape)).all(axis=2)
        owner = np.broadcast_to(atoms.owners[chosen][:, None], close.shape)[close]
        index = np.ravel_multi_index(tuple(voxels[close].T), maps[0].shape)
        near[index] = True
        # A voxel near several atoms of a residue counts once.
        pairs = np.unique(np.stack((owner, index), axis=1)[owner >= 0], axis=0)
        if len(pairs):
            for column, values in enumerate(_moments(flat, scales, pairs[:, 1])):
                sums[:, column] += np.bincount(pairs[:, 0], values, minlength=len(sums))
        yield Progress("correlating residues", number, len(starts), clock.seconds)
    total = np.array([[moment.sum() for moment in _moments(flat, scales, near)]])
    overall = _correlations(total)
    each = _correlations(sums)
    residues = [
        Residue(*name, round(float(before), 4), round(float(after), 4))
        for name, n, before, after in zip(atoms.residues, sums[:, 0], *each, strict=True)
        if n
    ]
    return residues, (float(overall[0][0]), float(overall[1][0]))


def _batches(owners: Int64Array, count: int) -> list[tuple[int, int]]:
    """Return parts of sorted owners, of about `count`, none of which ends within one owner."""
    edges = np.flatnonzero(np.diff(owners)) + 1
    found, start = [], 0
    for stop in [*edges, len(owners)]:
        if stop - start >= count or stop == len(owners):
            found.append((start, int(stop)))
            start = int(stop)
    return found


def _moments(maps: list[Float32Array], scales: list[float], chosen: AnyArray) -> list[Float64Array]:
    """Return 1, m, a, b, mm, aa, bb, ma, mb of voxels of three maps, each divided by its scale."""
    m, a, b = (
        values[chosen].astype(np.float64) / scale
        for values, scale in zip(maps, scales, strict=True)
    )
    return [np.ones(m.size), m, a, b, m * m, a * a, b * b, m * a, m * b]


def _correlations(sums: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return Pearson's correlations of m with a and b; 0 where there is no spread."""
    n, m, a, b, mm, aa, bb, ma, mb = sums.T
    n = np.maximum(n, 1)
    out = []
    for one, squares, both in ((a, aa, ma), (b, bb, mb)):
        spread = np.maximum(mm / n - (m / n) ** 2, 0) * np.maximum(squares / n - (one / n) ** 2, 0)
        covariance = both / n - m * one / n**2
        known = spread > 0
        out.append(np.where(known, covariance / np.sqrt(np.where(known, spread, 1)), 0).clip(-1, 1))
    return out[0], out[1]
