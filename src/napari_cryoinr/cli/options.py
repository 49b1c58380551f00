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
_OWNERS: dict[str, list[str]] = {}  # the models that have a setting, by its name
for _model, _record in _MODELS.items():
    for _item in dataclasses.fields(_record):
        _OWNERS.setdefault(_item.name, []).append(_model)

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
    """Add an option for every field of `Settings` and of the settings of each model.

    A setting that several models have is one option.
    """
    for name, owners in reversed(_OWNERS.items()):
        function = options_of(_MODELS[owners[0]], f"{', '.join(owners)}: ", [name])(function)
    return options_of(Settings)(function)


def settings_from(base: Settings, given: dict[str, Any]) -> Settings:
    """Return settings with the options that were given on the command line.

    Raises
    ------
    SettingsError
        For values against their rule, or settings that contradict each other.
    """
    settings = dataclasses.replace(base, **given_values(Settings, given))
    model = settings.model_name
    for name, owners in _OWNERS.items():
        if given.get(name) is not None and model not in owners:
            flag = name.replace("_", "-")
            raise SettingsError(f"--{flag} belongs to --model {' and '.join(owners)} only")
    if model not in _MODELS:
        return settings
    own = dataclasses.replace(getattr(base, model), **given_values(_MODELS[model], given))
    return dataclasses.replace(settings, **{model: own})
