"""Reading TIFF files as micrographs: one grey image, and its pixel size where the tags say so."""

from __future__ import annotations

import logging
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MicrographError
from ..support.array_types import AnyArray
from ..support.checksums import MAX_DEFLATE_RATIO
from ..support.memory import default_memory_limit

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

SUFFIXES = (".tif", ".tiff")
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Å per unit: the values of the tag ResolutionUnit, and the names that ImageJ gives units
_TAG_UNITS = {2: 2.54e8, 3: 1e8, 4: 1e7, 5: 1e4}  # inch, cm, mm, µm
_IMAGEJ_UNITS = {"angstrom": 1.0, "a": 1.0, "å": 1.0, "nm": 10.0, "nanometer": 10.0}
_IMAGEJ_UNITS |= {"micron": 1e4, "um": 1e4, "µm": 1e4, "mm": 1e7, "cm": 1e8, "inch": 2.54e8}
# What tifffile raises for damaged files: it computes with unchecked tags.
_BROKEN = (
    *(ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError),
    *(struct.error, zlib.error),
)
_EVENTS = (65000, 65001, 65002)  # compressions of EER: a page lists the electrons of a frame
_QUIET = logging.NullHandler()


def is_tiff(path: Path) -> bool:
    """Whether a file is a TIFF by its first bytes or by its name."""
    with path.open("rb") as file:
        return file.read(4) in _MAGIC or path.suffix.lower() in SUFFIXES


def read_tiff(
    path: Path, memory_limit: int | None = None
) -> tuple[AnyArray, tuple[float, float] | None]:
    """Read the image (y, x) as stored, and the pixel sizes (y, x) in Å from its tags.

    Raises MicrographError as `read_micrograph` does; by default with half of the machine's memory.
    """
    import tifffile

    if path.stat().st_size == 0:
        raise MicrographError(f"{path}: the file is empty")
    logging.getLogger("tifffile").addHandler(_QUIET)  # errors say what is wrong
    try:
        with tifffile.TiffFile(path) as file:
            page, images = _image_page(path, file)
            _refuse_others(path, page, images, memory_limit)
            return page.asarray(), _pixel_sizes(file, page)
    except MicrographError:
        raise
    except (tifffile.TiffFileError, *_BROKEN) as error:
        line = (str(error) or type(error).__name__).split("\n")[0]
        raise MicrographError(f"{path}: not a readable TIFF file ({line})") from error


def _image_page(path: Path, file: TiffFile) -> tuple[TiffPage, int]:
    """Return the page of the image, and how many images there are.

    Of an EER file it is the one image that sums the frames.
    """
    if not any(page.compression in _EVENTS for page in file.pages[:2]):
        images = len(file.pages) * file.pages.first.imagedepth
        if file.imagej_metadata:  # stacks of more than 4 GiB have one page
            images = max(images, int(file.imagej_metadata.get("images", 1)))
        return file.pages.first, images
    summed = [page for page in file.pages if page.compression not in _EVENTS]
    if len(summed) != 1:
        raise MicrographError(
            f"{path}: {len(file.pages) - len(summed)} frames of events (EER) and {len(summed)} sums"
            " of them; a micrograph is one image: correct the motion first, which sums the frames"
        )
    page = summed[0].aspage()
    return page, page.imagedepth


def _refuse_others(path: Path, page: TiffPage, images: int, memory_limit: int | None) -> None:
    """Refuse what is not a single grey image, is truncated, or needs too much memory."""
    if page.samplesperpixel > 1 or page.photometric not in (0, 1):  # MINISWHITE and MINISBLACK
        raise MicrographError(
            f"{path}: a colour image ({page.samplesperpixel} values a pixel, photometric"
            f" interpretation {page.photometric:d}); a micrograph is grey: convert it first"
        )
    if images > 1:
        raise MicrographError(
            f"{path}: holds {images} images, a movie or a volume; a micrograph is one image:"
            " average the movie's frames first"
        )
    size = path.stat().st_size
    parts = zip(page.dataoffsets, page.databytecounts, strict=True)
    end = max((start + count for start, count in parts), default=0)
    if size < end:
        raise MicrographError(f"{path}: truncated: {size} bytes where its tags promise {end}")
    # A strip or tile may be larger than the image.
    itemsize = 1 if page.dtype is None else page.dtype.itemsize
    stated = max(page.nbytes, math.prod(page.chunks) * itemsize)
    if stated > MAX_DEFLATE_RATIO * size:
        raise MicrographError(
            f"{path}: an image of {stated:,} bytes cannot be in a file of {size:,} bytes"
        )
    limit = default_memory_limit() if memory_limit is None else memory_limit
    needed = max(stated, 4 * page.size)
    if needed > limit:
        raise MicrographError(
            f"{path}: the image needs {needed:,} bytes of memory and the limit is {limit:,}; raise"
            " memory_limit if there is more"
        )


def _pixel_sizes(file: TiffFile, page: TiffPage) -> tuple[float, float] | None:
    """Return Å per pixel along y and x; None without a resolution in units of length."""
    names = ("ResolutionUnit", "XResolution", "YResolution")
    number, x, y = (getattr(page.tags.get(name), "value", None) for name in names)
    unit = _TAG_UNITS.get(number or 0)
    if file.imagej_metadata and "unit" in file.imagej_metadata:
        name = str(file.imagej_metadata["unit"]).replace("\\u00B5", "µ").replace("\\u00C5", "Å")
        unit = _IMAGEJ_UNITS.get(name.strip().lower())
    if unit is None or not x or not y or not all((*x, *y)):
        return None
    return unit * y[1] / y[0], unit * x[1] / x[0]  # the tags hold pixels per unit, as fractions
