"""ChimeraX opens .cinr files: what its open command and its sessions ask for."""

from __future__ import annotations

from typing import Any

from chimerax.core.toolshed import BundleAPI

_FORMAT = "cinr"


def _known_formats() -> list[Any]:
    """Return the formats of ChimeraX's map reader, a list that bundles add theirs to."""
    from chimerax.map_data import file_formats

    return file_formats


def _add_format(session: Any) -> None:
    """Let ChimeraX's map reader know the format, unless it does: sessions use it too."""
    if any(known.name == _FORMAT for known in _known_formats()):
        return
    from chimerax.map import add_map_format
    from chimerax.map_data import MapFileFormat

    class CinrFormat(MapFileFormat):
        """A format whose reader is in this bundle, not among ChimeraX's own."""

        @property
        def open_func(self) -> Any:
            """What returns the grids of a file."""
            from .grid import read_grids

            return read_grids

    add_map_format(session, CinrFormat("CryoINR density map", _FORMAT, [_FORMAT], [_FORMAT]))


class _CryoinrBundle(BundleAPI):
    """The methods that ChimeraX calls."""

    api_version = 1

    @staticmethod
    def initialize(session: Any, bundle_info: Any) -> None:
        """Add the format when ChimeraX starts."""
        _add_format(session)

    @staticmethod
    def finish(session: Any, bundle_info: Any) -> None:
        """Take it away when the bundle is removed."""
        formats = _known_formats()
        formats[:] = [known for known in formats if known.name != _FORMAT]

    @staticmethod
    def run_provider(session: Any, name: str, mgr: Any, **kw: Any) -> Any:
        """Return what opens a file."""
        from chimerax.open_command import OpenerInfo

        class CinrOpener(OpenerInfo):
            """Opens the members of an archive as volumes."""

            def open(self, session: Any, data: str, file_name: str, **kw: Any) -> Any:
                """Return (models, message) of the file with the path `data`."""
                from chimerax.map import open_map

                _add_format(session)
                return open_map(session, data, name=file_name, format=_FORMAT, **kw)

            @property
            def open_args(self) -> dict[str, Any]:
                """Keywords of the command: whether the members are a series."""
                from chimerax.core.commands import BoolArg

                return {"vseries": BoolArg}

        return CinrOpener()


bundle_api = _CryoinrBundle()
