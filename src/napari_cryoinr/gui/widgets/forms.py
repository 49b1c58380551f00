"""Forms for records: a control for each field, made from its declaration."""

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
    """Controls for some fields of a record, with its meanings as tooltips.

    Parameters
    ----------
    initial : the record that is shown at first; fields without a control stay as they are there.
    labels : name of a field: label of its control, in order.
    choices : values to choose from, or (text, value) pairs, for fields with few sensible values;
        None is shown as "auto".

    Attributes
    ----------
    view : the controls with their labels, to be shown.
    """

    def __init__(
        self,
        initial: Any,
        labels: Mapping[str, str],
        choices: Mapping[str, tuple[Any, ...]] | None = None,
    ) -> None:
        self._record = initial
        self._choices = dict(choices or {})
        rules = {name: rest for name, *rest in records.rules(type(initial))}
        widgets = [self._control(name, label, *rules[name]) for name, label in labels.items()]
        super().__init__(widgets=widgets, labels=False)
        self.view = Form()
        for widget in widgets:
            self.view.add(widget.label, widget.native)
        self.show_record(initial)

    def _control(
        self, name: str, label: str, hint: Any, rule: records.Rule, default: Any
    ) -> Widget:
        tip = rule.meaning[:1].upper() + rule.meaning[1:]
        if default is not MISSING and default is not None:
            tip += f" (default: {_text(default)})"
        common: dict[str, Any] = {"name": name, "label": label, "tooltip": tip}
        choices = self._choices.get(name) or rule.choices
        if choices:
            shown = [one if isinstance(one, tuple) else (_text(one), one) for one in choices]
            return ComboBox(choices=shown, **common)
        if hint is bool:
            return CheckBox(text="", **common)
        low, high = rule.low, rule.high
        if hint is int:
            return SpinBox(min=int(low or 0), max=int(high or 1 << 30), **common)
        if hint is float:
            high = 1e9 if high is None else high
            return FloatSpinBox(min=low or 0.0, max=high, step=0.1, **common)
        return LineEdit(**common)

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

        Raises
        ------
        SettingsError
            for values against their rule.
        """
        hints = {name: hint for name, hint, *_ in records.rules(type(record))}
        values = {}
        for widget in self:
            value = widget.value
            if isinstance(widget, LineEdit):
                value = _parsed(value, hints[widget.name], widget.label)
            values[widget.name] = value
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


def _text(value: Any) -> str:
    if value is None:
        return _AUTO
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)


def _parsed(text: str, hint: Any, label: str) -> Any:
    """Parse what was typed: whole numbers with commas between, a whole number, or auto."""
    text = text.strip()
    options = get_args(hint)
    if type(None) in options and text.lower() in ("", _AUTO):
        return None
    try:
        if Ellipsis in options:
            return tuple(int(part) for part in text.split(","))
        return int(text)
    except ValueError:
        form = "whole numbers with commas between" if Ellipsis in options else "a whole number"
        raise SettingsError(f"{label} {text!r}: give {form}") from None
