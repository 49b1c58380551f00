"""Sessions in files.

A session is a folder, usually `picking` beside the micrographs:

session.json
    settings, facts of the model, and what the user has marked in each micrograph.
candidates/NAME.csv
    what the model has found in the micrograph with this file name.
model.h5
    the model.

Each file is replaced as a whole. What cannot be read is kept beside under another name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CinrError, MicrographError
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
    """What session.json says of one micrograph."""

    file: str = checked_field("its file name", length=(1, 255))
    marks: tuple[Mark, ...] = checked_field("what the user has said", ())
    reviewed: bool = checked_field("whether all of it was looked at", False)
    round: int | None = checked_field("the training whose model picked it", None, low=0)
    pixel_size: float | None = checked_field("Å per pixel", None, above=0)


@dataclass(frozen=True)
class StoredSession(records.Record):
    """The content of session.json."""

    version: int = checked_field("of this table", low=1)
    settings: SessionSettings = checked_field("what the user has chosen")
    model: ModelSummary | None = checked_field("the model", None)
    micrographs: tuple[StoredMicrograph, ...] = checked_field("in any order", ())


def session_folder(root: Path) -> Path:
    """Where the session of a folder of micrographs is kept, unless the user chooses another."""
    return root / FOLDER


def snapshot(session: Session) -> StoredSession:
    """What session.json is to hold. Quick, and what it gives never changes."""
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
        if it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content.to_dict(), indent=1)
    atomic_files.write_bytes(folder / SESSION_FILE, text.encode())


def write_candidates(folder: Path, name: str, candidates: Particles) -> None:
    """Write what the model has found in a micrograph.

    Raises
    ------
    MicrographError, OSError
        if it cannot be written.
    """
    path = _candidates_file(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_coordinates(candidates, path)


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
    """Keep a session in another folder; one that is there already is opened instead.

    Parameters
    ----------
    model : the session's model.

    Raises
    ------
    MicrographError, OSError
        if it cannot be written there, or cannot be read.
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
    root : folder of the micrographs; None where they are in no file.
    box : of a new session, pixels.
    folder : where the session is kept; by default `picking` in the micrographs' folder. Without
        either it is not kept.

    Returns
    -------
    The session, and a line for each file that was damaged and set aside.

    Raises
    ------
    MicrographError
        if it was written by a newer version of this program, which must not be overwritten.
    """
    folder = session_folder(root) if folder is None and root is not None else folder
    session = Session(SessionSettings(TrainingSettings(box)), root, folder)
    complaints: list[str] = []
    if folder is None:
        return session, ()
    path = folder / SESSION_FILE
    content = _kept_beside(path, _read, complaints) if path.exists() else None
    if content is None:
        return session, tuple(complaints)
    session.settings, session.model = content.settings, content.model
    if session.model is not None and not (folder / MODEL_FILE).is_file():
        complaints.append(f"{folder / MODEL_FILE} is missing: train again")
        session.model = None
    for entry in content.micrographs:
        candidates = None
        file = _candidates_file(folder, entry.file)
        if entry.round is not None and file.exists():
            candidates = _kept_beside(file, _read_candidates, complaints)
        session.entries[entry.file] = Entry(
            entry.marks, candidates, entry.round or 0, entry.reviewed, entry.pixel_size
        )
    return session, tuple(complaints)


def _candidates_file(folder: Path, name: str) -> Path:
    return folder / _CANDIDATES / f"{name}.csv"


def _kept_beside(path: Path, read: Callable[[Path], Any], complaints: list[str]) -> Any:
    """What a file holds; None for one that is damaged, which gets another name."""
    try:
        return read(path)
    except _Damaged as damaged:
        beside = path.with_name(f"{path.name}.damaged")
        number = 1
        while beside.exists():
            number += 1
            beside = path.with_name(f"{path.name}.damaged{number}")
        os.replace(path, beside)
        complaints.append(f"{path}: damaged ({damaged}); kept as {beside.name}")
        return None


class _Damaged(CinrError):
    """A file of a session cannot be understood."""


def _read(path: Path) -> StoredSession:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _Damaged("too large")
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _Damaged("no JSON") from error
    version = data.get("version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > _VERSION:
        raise MicrographError(
            f"{path}: version {version} of a session; this program knows {_VERSION}: install a"
            " newer napari-cryoinr, or choose another folder for the session"
        )
    content = records.from_dict(StoredSession, data, _Damaged)
    names = [entry.file for entry in content.micrographs]
    if any(Path(name).name != name for name in names) or len(set(names)) < len(names):
        raise _Damaged("names of micrographs")
    return content


def _read_candidates(path: Path) -> Particles:
    try:
        found = read_coordinates(path)
    except MicrographError as error:
        raise _Damaged(str(error).removeprefix(f"{path}: ")) from error
    if found.score is None:
        raise _Damaged("no scores")
    return found
