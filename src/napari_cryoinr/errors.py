"""Every error that this package raises on purpose.

All derive from `CinrError`, a `RuntimeError`: napari swallows a `ValueError` raised by a writer
and reports something else instead, so none of these may be one.
"""

from __future__ import annotations


class CinrError(RuntimeError):
    """Base of all errors of this package; the message is one line: value, rule, remedy."""


class MapError(CinrError):
    """A density map cannot be read, written or used."""


class MicrographError(CinrError):
    """A micrograph, or coordinates of particles in one, cannot be read, written or used."""


class OutputError(CinrError):
    """A path cannot be an output: it exists, is an input, or its folder does not exist."""


class SettingsError(CinrError):
    """A setting is outside its range, or settings contradict each other."""


class UnreadableFile(CinrError):
    """There is no such file, or the system does not let it be read."""


class OutOfMemory(CinrError):
    """More memory would be needed than the limit, or than there is."""


class NotACinrFile(CinrError):
    """The file is something else, or a `.cinr` of a version that this package does not know."""


class DamagedArchive(CinrError):
    """The file is a `.cinr`, but its content is not what was written."""


class GoalMissed(CinrError):
    """The requested goal was not met; nothing was written."""


class MapWarning(UserWarning):
    """A map was read although something in its header is wrong."""


def one_line(error: BaseException) -> str:
    """Return the message of an exception in one line; the name of its class if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
