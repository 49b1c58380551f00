"""Settings as a command line and as Python, for those who want to repeat what a window does."""

from __future__ import annotations

import dataclasses
import os
import shlex
from typing import Any

from . import models
from .errors import SettingsError
from .settings import Settings
from .support import records

FilePath = str | os.PathLike[str]


def used_settings(settings: Settings) -> Settings:
    """Return the settings with those of models that play no part at their defaults."""
    idle: dict[str, Any] = {
        name: default
        for name, hint, _, default in records.rules(Settings)
        if dataclasses.is_dataclass(hint) and name not in _models_in_use(settings)
    }
    return dataclasses.replace(settings, **idle)


def command_line(
    settings: Settings,
    source: FilePath,
    out: FilePath,
    *,
    mask: FilePath | None = None,
    half_maps: tuple[FilePath, FilePath] | None = None,
) -> str:
    """Return the line `cryoinr compress ...` that compresses a map with these settings.

    Only what differs from the defaults is written. File names are quoted for a POSIX shell.

    Raises
    ------
    SettingsError
        If no options say the same, because two models that auto tries have different values of a
        setting that is one option.

    Examples
    --------
    >>> command_line(Settings(threshold=4.0, target_fsc=0.98), "my map.mrc", "map.cinr")
    "cryoinr compress 'my map.mrc' map.cinr --threshold 4.0 --target-fsc 0.98"
    """
    files = [_as_argument(source), _as_argument(out)]
    options = [_option(name, value) for name, value in _given(settings).items()]
    options += [_option(name, value) for name, value in _given_to_models(settings).items()]
    if mask is not None:
        options.append(["--mask", _as_argument(mask)])
    if half_maps is not None:
        options.append(["--half-maps", *map(_as_argument, half_maps)])
    return shlex.join(
        ["cryoinr", "compress", *files, *(word for words in options for word in words)]
    )


def python_code(
    settings: Settings,
    source: FilePath,
    out: FilePath,
    *,
    mask: FilePath | None = None,
    half_maps: tuple[FilePath, FilePath] | None = None,
) -> str:
    """Return lines of Python that compress a map with these settings.

    Only what differs from the defaults is written, and nothing of models that play no part.

    Examples
    --------
    >>> print(python_code(Settings(lossless=True), "map.mrc", "map.cinr"))
    import napari_cryoinr as cryoinr
    <BLANKLINE>
    density_map = cryoinr.read_map('map.mrc')
    settings = cryoinr.Settings(lossless=True)
    report = cryoinr.compress(density_map, 'map.cinr', settings)
    print(report.text())
    <BLANKLINE>
    """
    more = ""
    if mask is not None:
        more += f", masks={_read(mask)}"
    if half_maps is not None:
        more += f", half_maps=({', '.join(map(_read, half_maps))})"
    return (
        "import napari_cryoinr as cryoinr\n\n"
        f"density_map = {_read(source)}\n"
        f"settings = {_constructed(used_settings(settings))}\n"
        f"report = cryoinr.compress(density_map, {os.fspath(out)!r}, settings{more})\n"
        "print(report.text())\n"
    )


def _models_in_use(settings: Settings) -> list[str]:
    """Return the models whose settings count: the one that is used, then those that auto tries."""
    found = [settings.model_name]
    if settings.model == models.AUTO:
        found += models.alternatives(settings.goal)
    return [name for name in found if hasattr(settings, name) and name != "lossless"]


def _given(record: Any) -> dict[str, Any]:
    """Return the fields of a record that differ from their defaults, but no records in it."""
    return {
        name: getattr(record, name)
        for name, hint, _, default in records.rules(type(record))
        if not dataclasses.is_dataclass(hint) and getattr(record, name) != default
    }


def _given_to_models(settings: Settings) -> dict[str, Any]:
    """Return the settings of the models in use, as the options that set them.

    An option sets that of all models in use that have it, and must be one of the first's.
    """
    own = [getattr(settings, name) for name in _models_in_use(settings)]
    given = _given(own[0]) if own else {}
    for record in own[1:]:
        for name, _, _, default in records.rules(type(record)):
            if getattr(record, name) != given.get(name, default):
                raise SettingsError(
                    f"no option sets {name} of one of the models that auto tries alone: choose a"
                    " model, or copy as Python"
                )
    return given


def _option(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


def _as_argument(path: FilePath) -> str:
    """Return a file name that is no option."""
    text = os.fspath(path)
    return os.path.join(".", text) if text.startswith("-") else text


def _read(path: FilePath) -> str:
    return f"cryoinr.read_map({os.fspath(path)!r})"


def _constructed(record: Any) -> str:
    """Return the call that makes a record of settings."""
    given = {name: repr(value) for name, value in _given(record).items()}
    for name, hint, _, default in records.rules(type(record)):
        if dataclasses.is_dataclass(hint) and getattr(record, name) != default:
            given[name] = _constructed(getattr(record, name))
    arguments = ", ".join(f"{name}={text}" for name, text in given.items())
    return f"cryoinr.{type(record).__name__}({arguments})"
