"""Command-line options made from the declarations of settings."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Collection
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


def options_of(record: type, prefix: str = "", only: Collection[str] = ()) -> Callable[[F], F]:
    """Return a decorator that adds an option for every field of a record, or some of them.

    An option that is not given is None, so that the record's own default holds.
    """

    def decorate(function: F) -> F:
        for name, hint, rule, default in reversed(records.rules(record)):
            if dataclasses.is_dataclass(hint) or (only and name not in only):
                continue
            required = default is dataclasses.MISSING
            shown = "" if required or default is None or hint is bool else _shown(default)
            function = click.option(
                "--" + name.replace("_", "-"),
                name,
                default=None,
                required=required,
                help=prefix + rule.meaning + shown,
                **({"is_flag": True} if hint is bool else {"type": _click_type(hint, rule)}),
            )(function)
        return function

    return decorate


def _shown(default: Any) -> str:
    text = ",".join(map(str, default)) if isinstance(default, tuple) else default
    return f"  [default: {text}]"


def _click_type(hint: Any, rule: records.Rule) -> Any:
    if rule.choices:
        return click.Choice(rule.choices)
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if any(get_origin(option) is tuple for option in options):
        return _Numbers()
    return next(kind for kind in (str, int, float) if kind in options)


def given_values(record: type, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a record that were given on the command line."""
    names = [field.name for field in dataclasses.fields(record)]
    return {name: given[name] for name in names if given.get(name) is not None}


def settings_options(function: F) -> F:
    """Add an option for every field of `Settings` and of the settings of each model."""
    for model, record in reversed(_MODELS.items()):
        function = options_of(record, f"{model}: ")(function)
    return options_of(Settings)(function)


def settings_from(base: Settings, given: dict[str, Any]) -> Settings:
    """Return settings with the options that were given on the command line.

    Raises
    ------
    SettingsError
        For values against their rule, or settings that contradict each other.
    """
    settings = dataclasses.replace(base, **given_values(Settings, given))
    for model, record in _MODELS.items():
        values = given_values(record, given)
        if values and settings.model_name != model:
            flag = min(values).replace("_", "-")
            raise SettingsError(f"--{flag} belongs to --model {model} only")
        if values:
            own = dataclasses.replace(getattr(base, model), **values)
            settings = dataclasses.replace(settings, **{model: own})
    return settings
