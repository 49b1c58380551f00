"""Sessions in files.

A session is a folder, usually `picking` beside the micrographs:

session.json
    settings, summary of the model, and what the user has marked in each micrograph.
candidates/NAME.csv
    what the model has found in the micrograph with this file name.
model.h5
    the model.

Each file is replaced as a whole. A damaged file is kept under another name; what is valid of
session.json is used.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import MicrographError
from ...support import atomic_files, records
from ...support.records import checked_field
from ..coordinates import read_coordinates, write_coordinates
from ..particles import Particles
from ..picking_settings import TrainingSettings
from .entry import Entry
from .marks import Mark
from .session import FOLDER, MODEL_FILE, ModelSummary, Session, SessionSettings

SESSION_FILE = "session.json"
_CANDIDATES = "candidates"
_VERSION = 1
_MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class StoredMicrograph(records.Record):
    """What session.json holds of one micrograph."""

    file: str = checked_field("its file name", length=(1, 255))
    marks: tuple[Mark, ...] = checked_field("places that the user has labelled", ())
    reviewed: bool = checked_field("whether all of it was looked at", False)
    round: int | None = checked_field("the training whose model picked it", None, low=0)
    pixel_size: float | None = checked_field("Å per pixel", None, above=0)


@dataclass(frozen=True)
class StoredSession(records.Record):
    """The content of session.json."""

    version: int = checked_field("of this table", _VERSION, low=1)
    settings: SessionSettings | None = checked_field("what the user has chosen", None)
    model: ModelSummary | None = checked_field("the model", None)
    micrographs: tuple[StoredMicrograph, ...] = checked_field("in any order", ())


def session_folder(root: Path) -> Path:
    """Where the session of a folder of micrographs is kept, unless the user chooses another."""
    return root / FOLDER


def snapshot(session: Session) -> StoredSession:
    """The present content of session.json; quick, and the result never changes."""
    return StoredSession(
        _VERSION,
        session.settings,
        session.model,
        tuple(
            StoredMicrograph(
                name,
                entry.marks,
                entry.reviewed,
                None if entry.candidates is None else entry.round,
                entry.pixel_size,
            )
            for name, entry in session.entries.items()
            if not entry.is_empty
        ),
    )


def write_session(folder: Path, content: StoredSession) -> None:
    """Write session.json; the folder is made if it is not there.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content.to_dict(), indent=1)
    atomic_files.write_bytes(folder / SESSION_FILE, text.encode())


def write_candidates(folder: Path, name: str, candidates: Particles) -> None:
    """Write what the model has found in a micrograph.

    Raises
    ------
    MicrographError, OSError
        If it cannot be written.
    """
    path = _candidates_file(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_coordinates(candidates, path, overwrite=True)


def save_session(session: Session) -> None:
    """Write everything of a session that has a folder, but its model."""
    if session.folder is None:
        return
    for name, entry in session.entries.items():
        if entry.candidates is not None:
            write_candidates(session.folder, name, entry.candidates)
    write_session(session.folder, snapshot(session))


def move_session(
    session: Session, folder: Path, model: Path | None
) -> tuple[Session, tuple[str, ...]]:
    """Keep a session in another folder; if that holds a session, open that one instead.

    Parameters
    ----------
    session : Session
        The session; it is not changed.
    folder : Path
        The other folder.
    model : Path or None
        The file of the session's model.

    Returns
    -------
    tuple of Session and lines
        As `open_session`.

    Raises
    ------
    MicrographError, OSError
        If it cannot be written there, or cannot be read.
    """
    if (folder / SESSION_FILE).exists():
        return open_session(session.root, session.box, folder)
    moved = Session(session.settings, session.root, folder)
    moved.model, moved.entries = session.model, session.entries
    folder.mkdir(parents=True, exist_ok=True)
    if model is not None and session.model is not None and model.is_file():
        atomic_files.write_bytes(folder / MODEL_FILE, model.read_bytes())
    save_session(moved)
    return moved, ()


def open_session(
    root: Path | None, box: float, folder: Path | None = None
) -> tuple[Session, tuple[str, ...]]:
    """The session of a folder of micrographs: what was stored, or a new one.

    Parameters
    ----------
    root : Path or None
        Folder of the micrographs; None where they are in no file.
    box : float
        Box of a new session, pixels.
    folder : Path, optional
        Where the session is kept; by default `picking` in the micrographs' folder. Without either
        it is not kept.

    Returns
    -------
    session : Session
    complaints : tuple of str
        A line for each file that was damaged, with what was left out and the name under which the
        file is kept.

    Raises
    ------
    MicrographError
        If it was written by a newer version of this program, which must not be overwritten.
    OSError
        If a file cannot be read, or a damaged one cannot be renamed.
    """
    folder = session_folder(root) if folder is None and root is not None else folder
    session = Session(SessionSettings(TrainingSettings(box)), root, folder)
    if folder is None:
        return session, ()
    complaints: list[str] = []
    content = _read_session(folder, complaints)
    session.settings = content.settings or session.settings
    session.model = content.model
    if session.model is not None and not (folder / MODEL_FILE).is_file():
        complaints.append(f"{folder / MODEL_FILE} is missing: train again")
        session.model = None
    for stored in content.micrographs:
        file = _candidates_file(folder, stored.file)
        candidates = None
        if stored.round is not None and file.exists():
            candidates = _read_candidates(file, complaints)
        session.entries[stored.file] = Entry(
            stored.marks, candidates, stored.round or 0, stored.reviewed, stored.pixel_size
        )
    return session, tuple(complaints)


def _candidates_file(folder: Path, name: str) -> Path:
    return folder / _CANDIDATES / f"{name}.csv"


def _read_session(folder: Path, complaints: list[str]) -> StoredSession:
    """What is valid in session.json; a file that is not valid as a whole is replaced by it."""
    path = folder / SESSION_FILE
    if not path.exists():
        return StoredSession()
    left_out: list[str] = []
    data = _read_json(path, left_out)
    version = data.get("version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > _VERSION:
        raise MicrographError(
            f"{path}: version {version} of a session; this program knows {_VERSION}: install a"
            " newer napari-cryoinr, or choose another folder for the session"
        )
    content = None if data is None else records.valid_parts(StoredSession, data, left_out)
    content = content or StoredSession()
    by_name: dict[str, StoredMicrograph] = {}
    for stored in content.micrographs:
        if Path(stored.file).name != stored.file or stored.file in by_name:
            left_out.append(f"the micrograph {stored.file!r}: no file name, or there twice")
        else:
            by_name[stored.file] = stored
    if left_out:
        kept = _set_aside(path)
        complaints.append(_complaint(path, left_out, kept))
        content = StoredSession(_VERSION, content.settings, content.model, tuple(by_name.values()))
        write_session(folder, content)
    return content


def _read_json(path: Path, left_out: list[str]) -> Any:
    try:
        if path.stat().st_size > _MOST_BYTES:
            left_out.append("everything: the file is too large")
            return None
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        left_out.append("everything: the file is no JSON")
        return None


def _read_candidates(path: Path, complaints: list[str]) -> Particles | None:
    try:
        found = read_coordinates(path)
        problem = "no scores" if found.score is None else None
    except MicrographError as error:
        problem = str(error).removeprefix(f"{path}: ")
    if problem is None:
        return found
    complaints.append(_complaint(path, [problem], _set_aside(path)))
    return None


def _complaint(path: Path, left_out: list[str], kept: str) -> str:
    more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
    return f"{path}: damaged, left out: {left_out[0]}{more}; the file is kept as {kept}"


def _set_aside(path: Path) -> str:
    """Rename a damaged file to a name that is free; returns the name."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged{number}")).exists():
        number += 1
    os.replace(path, kept)
    return kept.name
