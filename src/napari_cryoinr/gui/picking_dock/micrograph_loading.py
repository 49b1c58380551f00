"""Work of the micrograph list in the background: reading micrographs and their sessions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ...errors import CinrError
from ...picking.micrographs import Micrograph, find_micrographs, read_micrograph
from ...picking.session import Session
from ...picking.session.session_storage import move_session, open_session
from ...progress import Progress, Steps
from ..io.micrograph_layers import ContrastLimits, LayerSource, contrast_limits
from .preview import Preview, low_pass_of, preview_steps

_BOX_SHARE = 0.07  # of a micrograph's side: the first box, until the user sets one
_SMALLEST_BOX = 16
_USUAL_SHAPE = (4096, 4096)  # where the first micrograph cannot be read

Sessions = Mapping[Path | None, Session]
"""Open sessions by the folder of their micrographs; None for micrographs that are in no file."""


class LoadedSession(NamedTuple):
    """A session, and messages about files of it."""

    session: Session
    messages: tuple[str, ...] = ()


class LoadedMicrograph(NamedTuple):
    """A micrograph, its file if it is in one, how it is displayed, and its session."""

    micrograph: Micrograph
    path: Path | None
    limits: ContrastLimits
    preview: Preview
    opened: LoadedSession


def load_folder_steps(
    folder: Path, sessions: Sessions, session_folder: Path | None
) -> Steps[tuple[list[Path], LoadedSession]]:
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
        return paths, LoadedSession(sessions[folder])
    try:
        shape = read_micrograph(paths[0]).data.shape
    except CinrError:
        shape = _USUAL_SHAPE
    return paths, LoadedSession(*open_session(folder, _first_box(shape), session_folder))


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
    yield Progress("reading", 0, 1)
    path: Path | None
    if isinstance(source, Path):
        micrograph, path = read_micrograph(source), source
    else:
        micrograph, path = source.read()
    root, data = None if path is None else path.parent, micrograph.data
    session = session or sessions.get(root)
    if session is not None:
        opened = LoadedSession(session)
    else:
        opened = LoadedSession(*open_session(root, _first_box(data.shape), session_folder))
    settings = opened.session.settings
    preview = yield from preview_steps(data, low_pass_of(settings), settings.training.box)
    return LoadedMicrograph(micrograph, path, contrast_limits(data), preview, opened)


def move_session_steps(session: Session, folder: Path, model: Path) -> Steps[LoadedSession]:
    """Keep a session in another folder; see `session_storage.move_session`."""
    yield Progress("moving the session", 0, 1)
    return LoadedSession(*move_session(session, folder, model))


def _first_box(shape: tuple[int, ...]) -> float:
    """Return a box to begin with, pixels."""
    return float(max(_SMALLEST_BOX, 2 * round(_BOX_SHARE * min(shape) / 2)))
