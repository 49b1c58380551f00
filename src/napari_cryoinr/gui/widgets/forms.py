"""Forms for records: a magicgui control for each field, made from its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, replace
from typing import Any, TypeVar, cast, get_args

from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, LineEdit, SpinBox, Widget

from ...errors import SettingsError
from ...support import records
from .layout import Form

R = TypeVar("R")
_AUTO = "auto"


class RecordForm(Container[Any]):
    """Controls for some fields of a record, with their meanings as tooltips.

    The fields with a control are those in `labels`; others keep their value of `initial`. `choices`
    has the sensible values of some fields, or (text, value) pairs; None is shown as "auto". `view`
    is the widget to be shown: the controls with their labels.
    """

    def __init__(
        self,
        initial: Any,
        labels: Mapping[str, str],
        choices: Mapping[str, tuple[Any, ...]] | None = None,
    ) -> None:
        self._record = initial
        rules = {name: rest for name, *rest in records.rules(type(initial))}
        choices = choices or {}
        widgets = [_control(k, label, choices.get(k), *rules[k]) for k, label in labels.items()]
        self._hints = {name: rest[0] for name, rest in rules.items()}
        super().__init__(widgets=widgets, labels=False)
        self.view = Form()
        for widget in widgets:
            self.view.add(widget.label, widget.native)
            if isinstance(widget, CheckBox):
                widget.native.setText("")  # it would repeat its label
        self.show_record(initial)

    def show_record(self, record: Any) -> None:
        """Show the values of a record."""
        self._record = record
        with self.changed.blocked():
            for widget in self:
                value = getattr(record, widget.name)
                widget.value = _text(value) if isinstance(widget, LineEdit) else value
        self.changed.emit(self)

    def applied(self, record: R, **others: Any) -> R:
        """Return a record of the same kind with what the controls show, and other fields.

        Raises `SettingsError` for values against their rule.
        """
        values = {widget.name: widget.value for widget in self}
        for widget in self:
            if isinstance(widget, LineEdit):
                values[widget.name] = _parsed(widget.value, self._hints[widget.name], widget.label)
        return cast(R, replace(cast(Any, record), **values, **others))

    def record(self) -> Any:
        """Return the record that was shown, with what the controls show now; see `applied`."""
        return self.applied(self._record)

    def record_or_none(self) -> Any:
        """As `record`; None where what was typed is against its rule."""
        try:
            return self.record()
        except SettingsError:
            return None


def _control(
    name: str, label: str, choices: Any, hint: Any, rule: records.Rule, default: Any
) -> Widget:
    tip = rule.meaning[:1].upper() + rule.meaning[1:]
    if default is not MISSING and default is not None:
        tip += f" (default: {_text(default)})"
    common: dict[str, Any] = {"name": name, "label": label, "tooltip": tip}
    if choices := choices or rule.choices:
        shown = [one if isinstance(one, tuple) else (_text(one), one) for one in choices]
        return ComboBox(choices=shown, **common)
    if hint is bool:
        return CheckBox(text="", **common)
    low, high = rule.low, rule.high
    if hint is int:
        return SpinBox(min=int(low or 0), max=int(high or 1 << 30), **common)
    if hint is float and (low, rule.above) != (None, None):
        return FloatSpinBox(min=low or 0.0, max=1e9 if high is None else high, step=0.1, **common)
    return LineEdit(**common)  # also for densities, which are of any sign and magnitude


def _text(value: Any) -> str:
    if value is None:
        return _AUTO
    if isinstance(value, float):
        return f"{value:.7g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _parsed(text: str, hint: Any, label: str) -> Any:
    """Parse what was typed: a number, whole numbers with commas between, or auto."""
    text = text.strip()
    options = get_args(hint)
    if type(None) in options and text.lower() in ("", _AUTO):
        return None
    parts = (hint, *options, *(part for option in options for part in get_args(option)))
    many, form = Ellipsis in parts, "a whole number"
    try:
        if float in parts:
            form = "a number"
            return float(text)
        if many:
            form = "whole numbers with commas between"
            return tuple(int(part) for part in text.split(","))
        return int(text)
    except ValueError:
        raise SettingsError(f"{label} {text!r}: give {form}") from None
