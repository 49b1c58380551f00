"""Work of the micrograph list in the background: reading micrographs and their sessions."""

from __future__ import annotations

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

SessionAndMessages = tuple[Session, tuple[str, ...]]
"""A session, and lines about files of it that are damaged."""


class OpenSessions(dict[Path | None, Session]):
    """Sessions by the folder of their micrographs; None for micrographs that are in no file.

    New ones are stored in the `folder` that the user has chosen, or in the default place. May be
    used in any thread.
    """

    folder: Path | None = None

    def find(self, root: Path | None, shape: tuple[int, ...]) -> SessionAndMessages:
        """Return the session of a folder with micrographs of this shape; open it if it is not."""
        if root in self:
            return self[root], ()
        box = float(max(_SMALLEST_BOX, 2 * round(_BOX_SHARE * min(shape) / 2)))
        session, messages = open_session(root, box, self.folder)
        return self.setdefault(root, session), messages


class LoadedMicrograph(NamedTuple):
    """A micrograph, its file if it is in one, how it is displayed, and its session."""

    micrograph: Micrograph
    path: Path | None
    limits: ContrastLimits
    preview: Preview
    session: Session
    messages: tuple[str, ...]


def load_folder_steps(
    folder: Path, sessions: OpenSessions
) -> Steps[tuple[list[Path], SessionAndMessages]]:
    """Find the micrographs of a folder and their session."""
    yield Progress("looking for micrographs", 0, 1)
    paths = find_micrographs([folder])
    try:
        shape = read_micrograph(paths[0]).data.shape
    except CinrError:
        shape = _USUAL_SHAPE
    return paths, sessions.find(folder, shape)


def load_micrograph_steps(
    source: Path | LayerSource, sessions: OpenSessions
) -> Steps[LoadedMicrograph]:
    """Read a micrograph from its file or layer, and prepare its preview."""
    yield Progress("reading", 0, 1)
    path: Path | None
    if isinstance(source, Path):
        micrograph, path = read_micrograph(source), source
    else:
        micrograph, path = source.read()
    data = micrograph.data
    session, messages = sessions.find(None if path is None else path.parent, data.shape)
    preview = yield from preview_steps(data, low_pass_of(session.settings), session.box)
    return LoadedMicrograph(micrograph, path, contrast_limits(data), preview, session, messages)


def move_session_steps(session: Session, folder: Path, model: Path) -> Steps[SessionAndMessages]:
    """Store a session in another folder; see `session_storage.move_session`."""
    yield Progress("moving the session", 0, 1)
    return move_session(session, folder, model)
