"""Output paths: checked before any work is done, and made of the names of maps."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import OutputError


def check_output(
    path: str | os.PathLike[str],
    *,
    suffixes: Sequence[str] = (),
    compressions: Sequence[str] = (),
    inputs: Iterable[str | os.PathLike[str]] = (),
    overwrite: bool = False,
) -> Path:
    """Refuse an output path that would lose data or surprise its reader.

    Parameters
    ----------
    path : str or path
        Where a file is to be written.
    suffixes : sequence of str
        What its name may end in, such as ``(".mrc", ".map")``, in any case; empty for any.
    compressions : sequence of str
        What may follow such a suffix, such as ``(".gz", ".bz2")``.
    inputs : iterable of str or path
        Files that are read; none of them may be the output, not even through a link.
    overwrite : bool
        Allow a file that exists to be replaced.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    OutputError
        If the path is a folder or a device, its suffix does not fit, its folder does not exist, it
        is one of the inputs, or it exists and `overwrite` is false.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give a file name")
    if suffixes and not _ends_in(path.name, suffixes, compressions):
        also = f", also with {' or '.join(compressions)} after it" if compressions else ""
        raise OutputError(f"{path}: the name must end in {' or '.join(suffixes)}{also}")
    folder = Path(os.path.realpath(path)).parent  # where a link leads to
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {folder} does not exist; make it first")
    if not path.exists():
        return path
    if not path.is_file():
        raise OutputError(f"{path}: is not an ordinary file; give another name")
    for source in map(Path, inputs):
        if source.exists() and path.samefile(source):
            which = "" if str(source) == str(path) else f" {source}"
            raise OutputError(f"{path}: is the input{which} itself; give another name")
    if not overwrite:
        raise OutputError(
            f"{path}: exists already; give another name, or allow it to be overwritten"
            " (--overwrite; in Python overwrite=True)"
        )
    return path


def _ends_in(name: str, suffixes: Sequence[str], compressions: Sequence[str]) -> bool:
    endings = (suffix + more for suffix in suffixes for more in ("", *compressions))
    return any(name.lower().endswith(end) and len(name) > len(end) for end in endings)


def file_stems(names: Sequence[str]) -> list[str]:
    """File names without suffix for names of maps, which may hold anything.

    Returns
    -------
    list of str
        A name for each: without a character that a path, or some system, gives a meaning to, at
        most 200 bytes long, and different from all others even where case and accents are ignored.
    """
    taken: set[str] = set()
    stems = []
    for name in names:
        letters = (c if c.isalnum() or c in "-_.+ ()" else "_" for c in name)
        plain = "".join(letters).strip(" .").encode()[:200].decode(errors="ignore") or "map"
        stem, number = plain, 2
        while folded(stem) in taken:
            stem, number = f"{plain}_{number}", number + 1
        taken.add(folded(stem))
        stems.append(stem)
    return stems


def folded(name: str) -> str:
    """Return what two names have in common that are one file on some systems."""
    return unicodedata.normalize("NFKD", name).casefold()
