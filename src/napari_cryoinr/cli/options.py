"""Command-line options made from the declarations of the settings."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any, TypeVar, Union, get_args, get_origin

import click

from ..errors import SettingsError
from ..settings import Settings
from ..support import records

# Settings of a model are a record of their own, in a field of its name.
_MODELS: dict[str, Any] = {
    name: hint for name, hint, _, _ in records.rules(Settings) if dataclasses.is_dataclass(hint)
}

F = TypeVar("F", bound=Callable[..., Any])


class _Numbers(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """Integers with commas between them."""

    name = "n,n,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r}: give integers with commas between them, like 2048,1024")


def _click_type(hint: Any, rule: records.Rule) -> Any:
    if rule.choices:
        return click.Choice(rule.choices)
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if any(get_origin(option) is tuple for option in options):
        return _Numbers()
    if str in options:
        return str
    return int if int in options else float


def settings_options(function: F) -> F:
    """Add an option for every field of `Settings` and of the settings of each model."""
    listed: list[tuple[type, Any]] = [
        (Settings, row) for row in records.rules(Settings) if row[0] not in _MODELS
    ]
    for record in _MODELS.values():
        listed += [(record, row) for row in records.rules(record)]
    groups = {record: f"{name}: " for name, record in _MODELS.items()}
    for cls, (name, hint, rule, default) in reversed(listed):
        flag = "--" + name.replace("_", "-")
        shown = "" if default is None or hint is bool else f"  [default: {_text(default)}]"
        group = groups.get(cls, "")
        help_text = group + rule.meaning + shown
        if hint is bool:
            option = click.option(flag, name, is_flag=True, default=None, help=help_text)
        else:
            option = click.option(
                flag, name, type=_click_type(hint, rule), default=None, help=help_text
            )
        function = option(function)
    return function


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def settings_from(base: Settings, given: dict[str, Any]) -> Settings:
    """Settings with the options that were given on the command line.

    Raises
    ------
    SettingsError
        for values against their rule, or settings that contradict each other.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    own: dict[str, dict[str, Any]] = {}
    for model, record in _MODELS.items():
        names = {field.name for field in dataclasses.fields(record)}
        own[model] = {name: chosen.pop(name) for name in list(chosen) if name in names}
    settings = dataclasses.replace(base, **chosen)
    for model, values in own.items():
        if values and settings.model_name != model:
            flag = min(values).replace("_", "-")
            raise SettingsError(f"--{flag} belongs to --model {model} only")
        if values:
            record = dataclasses.replace(getattr(base, model), **values)
            settings = dataclasses.replace(settings, **{model: record})
    return settings
