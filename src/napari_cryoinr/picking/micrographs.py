"""Micrographs: one image each, from MRC and TIFF files.

Row 0 of the array is the first row of the file; `napari_cryoinr.picking.particles` explains what
that means for coordinates.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import MicrographError
from ..maps import mrc_file
from ..maps.density_map import COMPRESSIONS
from ..maps.mrc_header import MRC_MODES, MrcHeader
from ..support.array_types import AnyArray, BoolArray, Float32Array
from ..support.output_paths import folded
from . import tiff
from .bad_pixels import cleaned, dead_pixels

SMALLEST = 32  # pixels
SUFFIXES = (".mrc", *(".mrc" + suffix for suffix in COMPRESSIONS), *tiff.SUFFIXES)
_OTHER_SUFFIXES = (".mrcs", ".eer")  # in files of other programs
_PIXEL_SIZES = (0.01, 1000.0)  # Å; others are the resolution of a printer, or nonsense
_AVERAGED = "_avg"  # ending of averages of movies


@dataclass(frozen=True, eq=False)
class Micrograph:
    """An image with particles.

    Attributes
    ----------
    data : array of float32, shape (y, x)
        The image, C-contiguous.
    pixel_size : float or None
        Å per pixel; None if unknown.
    name : str
        A short name, for messages and file names.

    Raises
    ------
    MicrographError
        If the data is not a single grey image of at least 32 × 32 pixels, is constant, or holds
        infinite values or NaN, or if the pixel size is not positive.

    Examples
    --------
    >>> Micrograph(np.arange(1600).reshape(40, 40), pixel_size=1.5).data.dtype
    dtype('float32')
    """

    data: Float32Array
    pixel_size: float | None = None
    name: str = "micrograph"

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", _image(self.data, self.name))
        if self.pixel_size is not None and not 0 < self.pixel_size < np.inf:
            raise MicrographError(
                f"{self.name}: pixel size {self.pixel_size} Å: must be positive, or None where it"
                " is not known"
            )

    @cached_property
    def dead(self) -> BoolArray | None:
        """Which pixels show nothing, shape (y, x): borders, bands and areas of one value.

        None if there are none.
        """
        return dead_pixels(self.data)

    @property
    def cleaned(self) -> Float32Array:
        """The image with its background in place of dead and of hot pixels, shape (y, x)."""
        return cleaned(self.data, self.dead)


def read_micrograph(path: str | os.PathLike[str], *, memory_limit: int | None = None) -> Micrograph:
    """Read a micrograph from an MRC or TIFF file.

    MRC files may be of mode 0, 1, 2, 6 or 12, in either byte order, plain or compressed by gzip or
    bzip2, with or without a machine stamp. Errors in a header that do not affect the image are
    ignored.

    The pixel size is that of the MRC header (CELLA over MX and MY), or of the TIFF's resolution if
    its unit is a length or ImageJ's. It is None if there is none, if it differs between x and y, or
    if it is not plausible for a microscope (0.01 to 1000 Å).

    Parameters
    ----------
    path : str or path
        The file.
    memory_limit : int, optional
        Bytes that the image may take; by default half of the machine's memory.

    Returns
    -------
    Micrograph
        The image, shape (y, x), rows in the order of the file.

    Raises
    ------
    MicrographError
        If the file is missing, empty, truncated, damaged, too large or of another kind; if it holds
        a volume, a movie, or a colour or complex image; or if `Micrograph` refuses the image.

    Examples
    --------
    >>> import tempfile, pathlib, numpy, tifffile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "A.tif"
    >>> tifffile.imwrite(path, numpy.arange(1600, dtype="u2").reshape(40, 40))
    >>> read_micrograph(path).data.shape
    (40, 40)
    """
    path = Path(path)
    if not path.is_file():
        raise MicrographError(f"{path}: no such file")
    if tiff.is_tiff(path):
        data, pixel_sizes = tiff.read_tiff(path, memory_limit)
    else:
        file = mrc_file.open_mrc(path, _refuse_others, MicrographError)
        data = file.voxels(memory_limit)[0]
        _, y, x = file.header.cell_voxel_size
        pixel_sizes = (y, x)
    return Micrograph(data, _pixel_size(pixel_sizes), micrograph_name(path))


def micrograph_name(path: str | os.PathLike[str]) -> str:
    """Return the name of a micrograph's file without folders and without the suffix of its format.

    Other suffixes stay, because names contain dots: A.1.mrc and A.1 are both A.1.
    """
    name = Path(path).name
    endings = (end for end in (*SUFFIXES, *_OTHER_SUFFIXES) if name.lower().endswith(end))
    return name[: -len(max(endings, key=len, default="")) or None]


def names_of(micrograph: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names that coordinates of a micrograph may have, in order of preference."""
    name = micrograph_name(micrograph)
    bare = name.removesuffix(_AVERAGED)
    return (name, bare) if bare and bare != name else (name,)


def find_micrographs(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Find the micrographs among files and folders.

    Files are taken as given. From a folder come all .mrc, .mrc.gz, .mrc.bz2, .tif and .tiff files,
    sorted by name, without stacks (.mrcs), hidden files and subfolders. Each file is taken once.

    Raises
    ------
    MicrographError
        If a path does not exist, if there is no micrograph, or if the names of two files differ in
        folder or suffix only, as their results would have the same name.
    """
    return list(_found(paths, deep=False))


def micrographs_below(paths: Iterable[str | os.PathLike[str]]) -> dict[Path, Path]:
    """Find the micrographs among files and folders, those of sub-folders too.

    Returns
    -------
    dict of Path to Path
        For each file the path of its results in another folder, without a suffix: its own one below
        the folder that was given, so that sub-folders are kept; its name where a file was given.

    Raises
    ------
    MicrographError
        As `find_micrographs`.
    """
    return _found(paths, deep=True)


def _found(paths: Iterable[str | os.PathLike[str]], deep: bool) -> dict[Path, Path]:
    found: dict[Path, tuple[Path, Path]] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise MicrographError(f"{path}: no such file or folder")
        inside = _in_folder(path, deep) if path.is_dir() else [path]
        if not inside:
            raise MicrographError(f"{path}: no micrographs in this folder ({', '.join(SUFFIXES)})")
        for file in inside:
            below = file.relative_to(path).parent if path.is_dir() else Path()
            found.setdefault(file.resolve(), (file, below / micrograph_name(file)))
    if not found:
        raise MicrographError("no micrographs: give files or folders")
    by_result: dict[str, Path] = {}
    for file, result in found.values():
        other = by_result.setdefault(folded(str(result)), file)
        if other is not file:
            raise MicrographError(
                f"{other} and {file} have one name, {result}: their results would overwrite each"
                " other; rename one of them"
            )
    return dict(found.values())


def _in_folder(folder: Path, deep: bool) -> list[Path]:
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        images = (n for n in names if n.lower().endswith(SUFFIXES) and not n.startswith("."))
        found += [Path(where, name) for name in sorted(images)]
    return [path for path in found if path.is_file()]


def _refuse_others(path: Path, header: MrcHeader) -> None:
    """Refuse an MRC file that holds no single image."""
    nz, ny, nx = header.file_shape
    if min(nz, ny, nx) < 1:
        raise MicrographError(
            f"{path}: the shape {nz} × {ny} × {nx} is impossible; not an MRC or TIFF file?"
        )
    if not header.has_known_mode:
        raise MicrographError(
            f"{path}: MRC mode {header.mode} is not a micrograph's: modes"
            f" {', '.join(map(str, MRC_MODES))} are read"
        )
    if nz > 1:
        raise MicrographError(
            f"{path}: holds {nz} sections, a movie or a volume; a micrograph is one image: average"
            " the movie's frames first"
        )


def _pixel_size(sizes: tuple[float, float] | None) -> float | None:
    """Return one pixel size, Å, for those along y and x; None if they are not plausible."""
    low, high = _PIXEL_SIZES
    if sizes is None or not all(low <= size <= high for size in sizes):
        return None
    y, x = sizes
    return x if abs(x - y) <= 0.01 * x else None


def _image(data: AnyArray, name: str) -> Float32Array:
    """Convert data to the image of a micrograph, or refuse it."""
    if data.ndim == 3 and data.shape[-1] in (3, 4):
        raise MicrographError(f"{name}: a colour image; a micrograph is grey: convert it first")
    if data.ndim != 2:
        raise MicrographError(
            f"{name}: the data has {data.ndim} dimensions; a micrograph is one image, (y, x)"
        )
    if data.dtype.kind not in "biuf":
        raise MicrographError(f"{name}: values of type {data.dtype}; a micrograph is real numbers")
    rows, columns = data.shape
    if min(rows, columns) < SMALLEST:
        raise MicrographError(
            f"{name}: {columns} × {rows} pixels; a micrograph has at least {SMALLEST} in x and y"
        )
    with np.errstate(over="ignore"):  # values too large for float32 are counted below
        image = np.ascontiguousarray(data, np.float32)
    bad = image.size - np.count_nonzero(np.isfinite(image))
    if bad:
        raise MicrographError(
            f"{name}: {bad} of {image.size} pixels are infinite or NaN; replace them first, for"
            " example by the mean"
        )
    if image.min() == image.max():
        raise MicrographError(f"{name}: all pixels are {image.flat[0]:g}; there is nothing to see")
    return image
