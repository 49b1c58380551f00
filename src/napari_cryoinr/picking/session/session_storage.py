"""Sessions in files.

A session is a folder, usually `picking` beside the micrographs:

session.json
    settings, summary of the model, and the user's marks in each micrograph.
candidates/NAME.csv
    what the model has found in the micrograph with this file name.
model.h5
    the model.

Each file is replaced as a whole. A damaged file is kept under another name; the valid parts of
session.json are used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from ...errors import CinrError, MicrographError
from ...support import atomic_files, records
from ...support.records import checked_field
from ..coordinates import read_coordinates, write_coordinates
from ..particles import Particles
from ..picking_settings import TrainingSettings
from .entry import Entry, Mark
from .session import FOLDER, MODEL_FILE, ModelSummary, Session, SessionSettings

R = TypeVar("R")

SESSION_FILE = "session.json"
_CANDIDATES = "candidates"
_VERSION = 1


@dataclass(frozen=True)
class StoredMicrograph(records.Record):
    """What session.json holds of one micrograph."""

    file: str = checked_field("its file name", length=(1, 255))
    marks: tuple[Mark, ...] = checked_field("places that the user has labelled", ())
    reviewed: bool = checked_field("the user has checked all of it", False)
    round: int | None = checked_field("the training whose model picked it", None, low=0)
    pixel_size: float | None = checked_field("Å per pixel", None, above=0)


@dataclass(frozen=True)
class StoredSession(records.Record):
    """The content of session.json."""

    settings: SessionSettings | None = checked_field("what the user has chosen", None)
    model: ModelSummary | None = checked_field("the model", None)
    micrographs: tuple[StoredMicrograph, ...] = checked_field("in any order", ())
    version: int = checked_field("of this table", _VERSION, low=1)


def snapshot(session: Session) -> StoredSession:
    """Return the present content of session.json; quick, and later changes do not affect it."""
    micrographs = []
    for name, entry in session.entries.items():
        if not entry.is_empty:
            number = None if entry.candidates is None else entry.round
            stored = StoredMicrograph(name, entry.marks, entry.reviewed, number, entry.pixel_size)
            micrographs.append(stored)
    return StoredSession(session.settings, session.model, tuple(micrographs))


def write_session(folder: Path, content: StoredSession) -> None:
    """Write session.json; make the folder if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content.to_dict(), indent=1)
    atomic_files.write_bytes(folder / SESSION_FILE, text.encode())


def write_candidates(folder: Path, name: str, candidates: Particles) -> None:
    """Write what the model has found in a micrograph."""
    path = _candidates_file(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_coordinates(candidates, path, overwrite=True)


def save_session(session: Session) -> None:
    """Write everything but the model of a session that has a folder."""
    if session.folder is None:
        return
    for name, entry in session.entries.items():
        if entry.candidates is not None:
            write_candidates(session.folder, name, entry.candidates)
    write_session(session.folder, snapshot(session))


def move_session(
    session: Session, folder: Path, model: Path | None
) -> tuple[Session, tuple[str, ...]]:
    """Store a session in another folder; if that holds a session, open that one instead.

    The session itself is not changed; `model` is the file of its model. Returns as `open_session`.

    Raises
    ------
    MicrographError, OSError
        If the session there cannot be read, or this one cannot be written.
    """
    if (folder / SESSION_FILE).exists():
        return open_session(session.root, session.box, folder)
    moved = replace(session, folder=folder)
    folder.mkdir(parents=True, exist_ok=True)
    if model is not None and session.model is not None and model.is_file():
        atomic_files.write_bytes(folder / MODEL_FILE, model.read_bytes())
    save_session(moved)
    return moved, ()


def open_session(
    root: Path | None, box: float, folder: Path | None = None
) -> tuple[Session, tuple[str, ...]]:
    """Open the session of a folder of micrographs: the stored one, or a new one with this box.

    It is stored in `folder`, by default `picking` in the `root` of the micrographs; without either,
    where they are in no file, it is not stored.

    Returns
    -------
    session : Session
    complaints : tuple of str
        A line for each damaged file: what was left out, and the name under which it is kept.

    Raises
    ------
    MicrographError
        If it was written by a newer version of this program, which must not be overwritten.
    OSError
        If a file cannot be read, or a damaged one cannot be renamed.
    """
    if folder is None and root is not None:
        folder = root / FOLDER
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
        candidates = None
        if stored.round is not None:
            candidates = _read_candidates(_candidates_file(folder, stored.file), complaints)
        session.entries[stored.file] = Entry(
            stored.marks, candidates, stored.round or 0, stored.reviewed, stored.pixel_size
        )
    return session, tuple(complaints)


def _candidates_file(folder: Path, name: str) -> Path:
    return folder / _CANDIDATES / f"{name}.csv"


def _read_session(folder: Path, complaints: list[str]) -> StoredSession:
    """Read session.json; a damaged file is set aside and replaced by its valid parts."""
    path = folder / SESSION_FILE
    if not path.exists():
        return StoredSession()
    left_out: list[str] = []
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        left_out.append("everything: the file is no table in JSON")
        data = {}
    version = data.get("version")
    if isinstance(version, int) and version > _VERSION:
        raise MicrographError(
            f"{path}: version {version} of a session; this program knows {_VERSION}: install a"
            " newer napari-cryoinr, or choose another folder for the session"
        )
    micrographs: dict[str, StoredMicrograph] = {}
    for item in _items(data, "micrographs"):
        if isinstance(item, dict):
            marks = [mark for mark in _items(item, "marks") if _valid(Mark, mark, left_out)]
            item = item | {"marks": marks}
        stored = _valid(StoredMicrograph, item, left_out)
        if stored is None:
            continue
        if Path(stored.file).name != stored.file or stored.file in micrographs:
            left_out.append(f"the micrograph {stored.file!r}: no file name, or there twice")
        else:
            micrographs[stored.file] = stored
    content = StoredSession(
        _valid(SessionSettings, data.get("settings"), left_out),
        _valid(ModelSummary, data.get("model"), left_out),
        tuple(micrographs.values()),
    )
    if left_out:
        complaints.append(_set_aside(path, left_out))
        write_session(folder, content)
    return content


def _items(data: dict[str, Any], name: str) -> list[Any]:
    items = data.get(name)
    return items if isinstance(items, list) else []


def _valid(cls: type[R], data: Any, left_out: list[str]) -> R | None:
    """Return the record that JSON data stands for; None with a line in `left_out` if invalid."""
    try:
        return None if data is None else records.from_dict(cls, data)
    except CinrError as error:
        left_out.append(str(error))
        return None


def _read_candidates(path: Path, complaints: list[str]) -> Particles | None:
    if not path.exists():
        return None
    try:
        found = read_coordinates(path)
        if found.score is not None:
            return found
        problem = "no scores"
    except MicrographError as error:
        problem = str(error).removeprefix(f"{path}: ")
    complaints.append(_set_aside(path, [problem]))
    return None


def _set_aside(path: Path, left_out: list[str]) -> str:
    """Rename a damaged file to a name that is free; return a line for the user."""
    names = (path.with_name(f"{path.name}.damaged{number}") for number in count(1))
    kept = path.replace(next(name for name in names if not name.exists()))
    more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
    return f"{path}: damaged, left out: {left_out[0]}{more}; the file is kept as {kept.name}"
