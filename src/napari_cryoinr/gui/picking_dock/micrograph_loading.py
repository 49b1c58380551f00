"""Work of the micrograph list in the background: finding and reading micrographs and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import CinrError
from ...picking.micrographs import find_micrographs, read_micrograph
from ...picking.session import Session
from ...picking.session.session_storage import move_session, open_session
from ...progress import Progress, Steps
from ..io.micrograph_layers import LayerSource, OpenedMicrograph, read_file_steps, read_layer_steps
from .preview import Preview, low_pass_of, preview_steps

_BOX_SHARE = 0.07  # of a micrograph's side: the first box, until the user sets one
_SMALLEST_BOX = 16

Sessions = Mapping[Path | None, Session]
"""Open sessions by the folder of their micrographs; None for micrographs that are in no file."""


@dataclass(frozen=True, eq=False)
class LoadedFolder:
    """The micrographs of a folder, their session, and messages about files of it."""

    paths: list[Path]
    session: Session
    messages: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LoadedMicrograph:
    """A micrograph, its preview and session, and messages about files of the session."""

    opened: OpenedMicrograph
    preview: Preview
    session: Session
    messages: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MovedSession:
    """A session that is kept in another folder now, and messages about files of it."""

    before: Session
    session: Session
    messages: tuple[str, ...]


def load_folder_steps(
    folder: Path, sessions: Sessions, session_folder: Path | None
) -> Steps[LoadedFolder]:
    """Find the micrographs of a folder, and open their session unless it is open.

    Parameters
    ----------
    session_folder : where the session is kept; None for the default place.

    Raises
    ------
    MicrographError
        if there are none, or the session was written by a newer version.
    """
    yield Progress("looking for micrographs", 0, 1)
    paths = find_micrographs([folder])
    if folder in sessions:
        return LoadedFolder(paths, sessions[folder], ())
    try:
        box = _first_box(read_micrograph(paths[0]).data.shape)
    except CinrError:
        box = _first_box((1024,))
    return LoadedFolder(paths, *open_session(folder, box, session_folder))


def load_micrograph_steps(
    source: Path | LayerSource,
    session: Session | None,
    sessions: Sessions,
    session_folder: Path | None,
) -> Steps[LoadedMicrograph]:
    """Read a micrograph and prepare its preview; raises what the readers of its source raise.

    Parameters
    ----------
    source : its file, or the content of its layer.
    session : its session; None where it is one of `sessions`, or is not open.
    session_folder : where the session is kept; None for the default place.
    """
    if isinstance(source, Path):
        opened = yield from read_file_steps(source)
    else:
        opened = yield from read_layer_steps(source)
    root = None if opened.path is None else opened.path.parent
    data = opened.micrograph.data
    messages: tuple[str, ...] = ()
    session = session or sessions.get(root)
    if session is None:
        session, messages = open_session(root, _first_box(data.shape), session_folder)
    preview = yield from preview_steps(data, low_pass_of(session.settings), session.box)
    return LoadedMicrograph(opened, preview, session, messages)


def move_session_steps(session: Session, folder: Path, model: Path) -> Steps[MovedSession]:
    """Keep a session in another folder; see `session_storage.move_session`."""
    yield Progress("moving the session", 0, 1)
    return MovedSession(session, *move_session(session, folder, model))


def _first_box(shape: tuple[int, ...]) -> float:
    """A box to begin with, pixels."""
    return float(max(_SMALLEST_BOX, 2 * round(_BOX_SHARE * min(shape) / 2)))
