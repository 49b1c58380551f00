"""The micrographs that can be worked on: files of a folder, and layers that the user has opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CinrError
from ...picking.micrographs import find_micrographs, read_micrograph
from ...picking.session import Session
from ...picking.session.session_storage import move_session, open_session
from ...progress import Progress, Steps
from ..io.micrograph_layers import LayerSource, OpenedMicrograph, read_file_steps, read_layer_steps
from .preview import Preview, low_pass_of, preview_steps

_BOX_SHARE = 0.07  # of a micrograph's side: something to begin with, where nobody has said
_SMALLEST_BOX = 16


@dataclass(eq=False)
class Place:
    """A micrograph that can be worked on.

    Attributes
    ----------
    name : in its session; its file name, or that of its layer.
    path : its file; None where it is in none that can be read without napari.
    layer : its layer; None for a file of a folder.
    session : None before it is opened.
    """

    name: str
    path: Path | None = None
    layer: Any = None
    session: Session | None = None


@dataclass(frozen=True, eq=False)
class OpenedFolder:
    """The micrographs of a folder, and what was kept of earlier work on them."""

    paths: list[Path]
    session: Session
    complaints: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class OpenedPlace:
    """A micrograph with its session, and how it is seen."""

    opened: OpenedMicrograph
    preview: Preview
    session: Session
    complaints: tuple[str, ...]


def usual_box(shape: tuple[int, ...]) -> float:
    """A box to begin with, pixels."""
    return float(max(_SMALLEST_BOX, 2 * round(_BOX_SHARE * min(shape) / 2)))


def open_folder_steps(folder: Path, kept: Path | None, known: Session | None) -> Steps[Any]:
    """Look for micrographs in a folder.

    Parameters
    ----------
    kept : where the session is kept; None for the usual place.
    known : the folder's session, if it is open already.

    Raises
    ------
    MicrographError
        if there are none, or the session is of a newer version.
    """
    yield Progress("looking for micrographs", 0, 1)
    paths = find_micrographs([folder])
    if known is not None:
        return OpenedFolder(paths, known, ())
    try:
        box = usual_box(read_micrograph(paths[0]).data.shape)
    except CinrError:
        box = usual_box((1024,))
    return OpenedFolder(paths, *open_session(folder, box, kept))


def open_place_steps(
    place: Place, sessions: dict[Path | None, Session], kept: Path | None
) -> Steps[OpenedPlace]:
    """Read a micrograph; see `read_file_steps` and `read_layer_steps` for what they raise.

    Parameters
    ----------
    place : which one; its layer is looked at at once.
    sessions : those that are open, by their micrographs' folder.
    """
    source = None if place.layer is None else LayerSource.of(place.layer)
    return _open_place_steps(place, source, dict(sessions), kept)


def _open_place_steps(
    place: Place,
    source: LayerSource | None,
    sessions: dict[Path | None, Session],
    kept: Path | None,
) -> Steps[OpenedPlace]:
    if source is None:
        assert place.path is not None
        opened = yield from read_file_steps(place.path)
    else:
        opened = yield from read_layer_steps(source)
    root = None if opened.path is None else opened.path.parent
    session = place.session or sessions.get(root)
    complaints: tuple[str, ...] = ()
    data = opened.micrograph.data
    if session is None:
        session, complaints = open_session(root, usual_box(data.shape), kept)
    preview = yield from preview_steps(data, low_pass_of(session.settings), session.box)
    return OpenedPlace(opened, preview, session, complaints)


def move_steps(
    session: Session, folder: Path, model: Path | None
) -> Steps[tuple[Session, tuple[str, ...]]]:
    """Keep a session in another folder; see `storage.move`."""
    yield Progress("moving the session", 0, 1)
    return move_session(session, folder, model)
