"""Frozen dataclasses that check themselves and round-trip through JSON.

Settings and the archive's header are both records: each field is declared once, with its type,
range and meaning, and everything else (checking, JSON, command-line options, the tables in the
documentation) walks those declarations.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from typing import Any, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import CinrError, SettingsError

R = TypeVar("R")
_META = "record"
_RULES: dict[type, tuple[tuple[str, Any, Rule, Any], ...]] = {}


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a field may hold, and what it means."""

    meaning: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | None = None
    length: tuple[int, int] | None = None  # fewest and most items or characters
    above: float | None = None  # an open lower bound


class Record:
    """A dataclass of settings that goes to plain JSON data and back."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data; `from_dict` is the inverse."""
        return to_dict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Make settings of plain JSON data.

        Raises
        ------
        SettingsError
            For unknown fields and values against their rule.
        """
        return from_dict(cls, data)


def checked_field(meaning: str, default: Any = dataclasses.MISSING, **limits: Any) -> Any:
    """Declare a dataclass field with its rule; `limits` are those of `Rule`."""
    return dataclasses.field(default=default, metadata={_META: Rule(meaning, **limits)})


def rules(cls: type) -> tuple[tuple[str, Any, Rule, Any], ...]:
    """(name, type, rule, default) of each field, in order; default is MISSING where none is."""
    if cls not in _RULES:
        hints = get_type_hints(cls)  # slow: it compiles the annotations
        _RULES[cls] = tuple(
            (item.name, hints[item.name], item.metadata.get(_META, Rule("")), item.default)
            for item in dataclasses.fields(cls)
        )
    return _RULES[cls]


def check(record: Any, error: type[CinrError] = SettingsError) -> None:
    """Raise `error` unless every field of the record obeys its type and rule.

    Scalars of numpy become plain numbers.
    """
    for name, hint, rule, _ in rules(type(record)):
        plain = _plain_number(getattr(record, name))
        object.__setattr__(record, name, plain)  # it may be frozen
        _check_value(plain, hint, rule, name, error)


def to_dict(record: Any, *, defaults: bool = True) -> dict[str, Any]:
    """Return the record as plain JSON data.

    Fields that hold None are left out and, unless `defaults`, those that hold their default.
    """
    out = {}
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        if value is not None and (defaults or value != item.default):
            out[item.name] = _plain(value, defaults)
    return out


def from_dict(cls: type[R], data: Any, error: type[CinrError] = SettingsError) -> R:
    """Invert `to_dict`.

    Raises
    ------
    CinrError
        Of the class `error`, for unknown or missing fields and values against their rule.
    """
    title = cls.__name__
    if not isinstance(data, dict):
        raise error(f"{title}: {data!r} is not a table of fields")
    known = {name: (hint, rule, default) for name, hint, rule, default in rules(cls)}
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise error(f"{title}: unknown field {unknown[0]!r}; known: {', '.join(known)}")
    values: dict[str, Any] = {}
    for name, (hint, rule, default) in known.items():
        if name in data:
            values[name] = _typed(data[name], hint, rule, name, error)
        elif default is dataclasses.MISSING:
            if not _allows_none(hint):
                raise error(f"{title}: field {name!r} is missing")
            values[name] = None
    try:
        record = cls(**values)
    except CinrError as refused:  # records that check themselves raise an error of their own
        raise error(str(refused)) from refused
    check(record, error)
    return record


def _plain(value: Any, defaults: bool) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value, defaults=defaults)
    if isinstance(value, tuple):
        return [_plain(item, defaults) for item in value]
    return value


def _plain_number(value: Any) -> Any:
    """Scalars of numpy, also those in tuples, as Python's own numbers."""
    if isinstance(value, tuple):
        return tuple(map(_plain_number, value))
    return value.item() if getattr(value, "shape", None) == () else value


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _allows_none(hint: Any) -> bool:
    return type(None) in _options(hint)


def _typed(value: Any, hint: Any, rule: Rule, name: str, error: type[CinrError]) -> Any:
    """JSON data as the type that the hint names; what does not fit is left for `check`."""
    for option in _options(hint):
        if dataclasses.is_dataclass(option) and isinstance(option, type):
            return from_dict(option, value, error)
        if get_origin(option) is tuple and isinstance(value, list):
            inner = get_args(option)[0]
            return tuple(_typed(item, inner, rule, name, error) for item in value)
        if option is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value) if _is_finite(value) else value
    return value


def _is_a(value: Any, option: Any) -> bool:
    if get_origin(option) is tuple:
        inner = get_args(option)[0]
        return isinstance(value, tuple) and all(
            any(_is_a(item, choice) for choice in _options(inner)) for item in value
        )
    if isinstance(value, bool):  # which is an int, but not meant as one
        return option in (bool, Any)
    kinds: dict[Any, Any] = {Any: object, float: int | float}
    return isinstance(value, kinds.get(option, get_origin(option) or option))


def _check_value(value: Any, hint: Any, rule: Rule, name: str, error: type[CinrError]) -> None:
    if value is None and _allows_none(hint):
        return
    if not any(_is_a(value, option) for option in _options(hint)):
        raise error(f"{name} = {value!r}: must be {_type_name(hint)} ({rule.meaning})")
    if rule.length is not None and not rule.length[0] <= len(value) <= rule.length[1]:
        raise error(
            f"{name} has {len(value)} items: must have {rule.length[0]} to {rule.length[1]}"
            f" ({rule.meaning})"
        )
    for item in value if isinstance(value, tuple) else (value,):
        _check_item(item, rule, name, error)


def _check_item(value: Any, rule: Rule, name: str, error: type[CinrError]) -> None:
    if isinstance(value, str) and rule.choices and value not in rule.choices:
        raise error(f"{name} = {value!r}: must be one of {', '.join(rule.choices)}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if not _is_finite(value):
        raise error(f"{name} = {value!r}: must be finite ({rule.meaning})")
    if rule.low is not None and value < rule.low:
        raise error(f"{name} = {value!r}: must be at least {_number(rule.low)} ({rule.meaning})")
    if rule.above is not None and value <= rule.above:
        raise error(f"{name} = {value!r}: must be above {_number(rule.above)} ({rule.meaning})")
    if rule.high is not None and value > rule.high:
        raise error(f"{name} = {value!r}: must be at most {_number(rule.high)} ({rule.meaning})")


def _is_finite(value: float) -> bool:
    """Whether it is not NaN, infinite, or a whole number (JSON has any) beyond all floats."""
    return abs(value) <= sys.float_info.max


def _type_name(hint: Any) -> str:
    def one(option: Any) -> str:
        if get_origin(option) is tuple:
            return f"a list, each {one(get_args(option)[0])}"
        names = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}
        return names.get(option, getattr(option, "__name__", str(option)))

    return " or ".join(one(option) for option in _options(hint) if option is not type(None))


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"


def describe(cls: type) -> list[tuple[str, str, str, str]]:
    """(name, kind, allowed, meaning) of each field, for the generated documentation."""
    rows = []
    for name, hint, rule, _ in rules(cls):
        allowed = []
        if rule.choices:
            allowed.append(", ".join(rule.choices))
        if rule.above is not None:
            allowed.append(f"> {_number(rule.above)}")
        if rule.low is not None:
            allowed.append(f"≥ {_number(rule.low)}")
        if rule.high is not None:
            allowed.append(f"≤ {_number(rule.high)}")
        if rule.length is not None:
            low, high = rule.length
            unit = "characters" if str in _options(hint) else "items"
            allowed.append(f"{low} {unit}" if low == high else f"{low} to {high} {unit}")
        kind = _type_name(hint) + (", optional" if _allows_none(hint) else "")
        rows.append((name, kind, "; ".join(allowed), rule.meaning))
    return rows
