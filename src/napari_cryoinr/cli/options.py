"""Command-line options made from the declarations of settings."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

import click

from .. import models
from ..errors import SettingsError
from ..settings import Settings
from ..support import records

F = TypeVar("F", bound=Callable[..., Any])


def _model_records() -> dict[str, Any]:
    """Return the settings of each model: a record of their own, in a field of its name."""
    hints = {name: hint for name, hint, _, _ in records.rules(Settings)}
    return {name: hints[name] for name in models.NAMES if dataclasses.is_dataclass(hints.get(name))}


def _owners() -> dict[str, tuple[str, ...]]:
    """Return the models that have a setting of each name; they share its option."""
    found: dict[str, tuple[str, ...]] = {}
    for model, record in _MODELS.items():
        for name, *_ in records.rules(record):
            found[name] = (*found.get(name, ()), model)
    return found


_MODELS = _model_records()
_OWNERS = _owners()


class CommandWithModels(click.Command):
    """A command whose help has the options of each model below a heading of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        parts: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            shown = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and shown is not None:
                parts.setdefault(_OWNERS.get(parameter.name or "", ()), []).append(shown)
        for owners, rows in parts.items():
            heading = f"Options of --model {' or '.join(owners)}" if owners else "Options"
            with formatter.section(heading):
                formatter.write_dl(rows)


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


def options_of(
    record: type, only: Collection[str] = (), meanings: Mapping[str, str] | None = None
) -> Callable[[F], F]:
    """Return a decorator that adds an option for every field of a record, or some of them.

    An option that is not given is None, so that the record's own default holds. What is true by
    default has a second option with `no` before its name. `meanings` stand in the help in place of
    those of the rules.
    """

    def decorate(function: F) -> F:
        for name, hint, rule, default in reversed(records.rules(record)):
            if dataclasses.is_dataclass(hint) or (only and name not in only):
                continue
            required = default is dataclasses.MISSING
            shown = "" if required or default is None or hint is bool else _shown(default)
            flag = name.replace("_", "-")
            function = click.option(
                f"--{flag}/--no-{flag}" if default is True else f"--{flag}",
                name,
                default=None,
                required=required,
                help=(meanings or {}).get(name, rule.meaning) + shown,
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
    for owners in reversed(dict.fromkeys(_OWNERS.values())):
        names = [name for name, having in _OWNERS.items() if having == owners]
        meanings = {name: _meaning(name, owners) for name in names}
        function = options_of(_MODELS[owners[0]], names, meanings)(function)
    return options_of(Settings)(function)


def _meaning(name: str, owners: Collection[str]) -> str:
    """Return what a setting means to the models that have it: once, where that is the same."""
    found = {
        model: rule.meaning
        for model in owners
        for field, _, rule, _ in records.rules(_MODELS[model])
        if field == name
    }
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ". ".join(f"{model}: {meaning}" for model, meaning in found.items())


def settings_from(base: Settings, given: dict[str, Any]) -> Settings:
    """Return settings with the options that were given on the command line.

    An option that several models have is that of the one that is chosen, and of those that auto
    tries beside it.

    Raises
    ------
    SettingsError
        For values against their rule, or settings that contradict each other.
    """
    settings = dataclasses.replace(base, **given_values(Settings, given))
    for name, owners in _OWNERS.items():
        if given.get(name) is not None and settings.model_name not in owners:
            flag = name.replace("_", "-")
            raise SettingsError(f"--{flag} belongs to --model {' or '.join(owners)} only")
    tried = {settings.model_name}
    if settings.model == models.AUTO:
        tried.update(models.alternatives(settings.goal))
    for model in _MODELS.keys() & tried:
        own = dataclasses.replace(getattr(settings, model), **given_values(_MODELS[model], given))
        settings = dataclasses.replace(settings, **{model: own})
    return settings
