"""The members of an archive as ChimeraX's grids, whose voxels are decoded when they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from chimerax.core.errors import UserError
from chimerax.map_data import GridData

if TYPE_CHECKING:
    from napari_cryoinr import Member

_INSTALL = (
    "napari-cryoinr is not installed in ChimeraX's Python: see"
    " https://napari-cryoinr.github.io/napari-cryoinr/chimerax.html"
)
_WHOLE = (1, 1, 1)

Triple = tuple[int, int, int]
"""Along x, y and z, ChimeraX's order; arrays have z first, as those of members do."""


class CinrGrid(GridData):
    """A member of an archive.

    Parameters
    ----------
    member : Member
        Of an archive that stays open as long as the grid lives.
    path : str
        Of the archive.
    number : int
        Of the member in it, by which a session finds it again.
    """

    def __init__(self, member: Member, path: str, number: int) -> None:
        super().__init__(
            member.shape[::-1],
            np.dtype(np.float32),
            origin=member.origin[::-1],
            step=member.voxel_size[::-1],
            name=member.name,
            path=path,
            file_type="cinr",
            grid_id=str(number),
        )
        if member.contour is not None:
            self.initial_surface_level = member.contour
        self._member = member

    def read_matrix(
        self,
        ijk_origin: Triple = (0, 0, 0),
        ijk_size: Triple | None = None,
        ijk_step: Triple = _WHOLE,
        progress: Any = None,
    ) -> Any:
        """Return every nth voxel of a box, n by axis: float32, shape (z, y, x).

        ChimeraX takes such voxels for those at these places. Coarser levels of an archive are means
        over blocks, whose centres lie elsewhere, so the box is decoded whole, kept in ChimeraX's
        cache, and thinned out.

        Raises
        ------
        UserError
            If the archive is damaged, or the box needs too much memory.
        """
        size = self.size if ijk_size is None else ijk_size
        box = tuple(
            slice(first, first + count) for first, count in zip(ijk_origin, size, strict=True)
        )[::-1]
        whole = None if tuple(ijk_step) == _WHOLE else self.cached_data(ijk_origin, size, _WHOLE)
        if whole is None:
            whole = self._decode(box, progress)
        if tuple(ijk_step) == _WHOLE:
            return whole
        self.cache_data(whole, ijk_origin, size, _WHOLE)
        return np.ascontiguousarray(whole[tuple(slice(None, None, n) for n in ijk_step[::-1])])

    def _decode(self, box: tuple[slice, ...], progress: Any) -> Any:
        from napari_cryoinr import CinrError, drain

        def report(record: Any) -> None:
            progress.fraction(record.step / max(1, record.steps))  # raises where it is cancelled

        try:
            return drain(self._member.read_steps(box), report if progress else None)
        except CinrError as error:
            raise UserError(str(error)) from error


def read_grids(path: str) -> list[CinrGrid]:
    """Return the members of an archive, of which only the header is read.

    Raises
    ------
    UserError
        If it cannot be read, or napari-cryoinr is missing.
    """
    try:
        from napari_cryoinr import CinrError, open_archive
    except ImportError as error:
        raise UserError(_INSTALL) from error
    try:
        members = list(open_archive(path))
        return [CinrGrid(member, path, number) for number, member in enumerate(members)]
    except ImportError as error:
        raise UserError(f"{_INSTALL} ({error})") from error
    except CinrError as error:
        raise UserError(str(error)) from error
