"""Pieces that the widgets are arranged with."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QGroupBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

_SCROLLBAR = 18  # pixels
_CLOSED, _OPEN = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}", "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"


class Form(QWidget):
    """Labels in one column, controls in the next."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def add(self, label: str, control: QWidget) -> QLabel:
        """Add a row; returns its label."""
        shown = QLabel(label)
        shown.setToolTip(control.toolTip())
        policy = control.sizePolicy()
        policy.setHorizontalPolicy(QSizePolicy.Policy.Expanding)
        control.setSizePolicy(policy)
        self._layout.addRow(shown, control)
        return shown


class Section(QWidget):
    """A heading that opens and closes what is below it; closed at first."""

    def __init__(self, title: str, *contents: QWidget) -> None:
        super().__init__()
        self._title = title
        self.heading = QPushButton()
        self.heading.setCheckable(True)
        self.heading.setFlat(True)
        self.heading.setStyleSheet("text-align: left; padding: 4px;")
        self.heading.setToolTip(f"Show or hide: {title}")
        self._body = QWidget()
        column = QVBoxLayout(self._body)
        column.setContentsMargins(6, 2, 0, 6)
        for content in contents:
            column.addWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.heading)
        layout.addWidget(self._body)
        self.heading.toggled.connect(self._on_toggle)
        self._on_toggle(False)

    def set_open(self, is_open: bool) -> None:
        """Show or hide the contents."""
        self.heading.setChecked(is_open)

    def _on_toggle(self, is_open: bool) -> None:
        self.heading.setText(f"{_OPEN if is_open else _CLOSED}  {self._title}")
        self._body.setVisible(is_open)


def group(title: str, *contents: QWidget) -> QGroupBox:
    """A frame with a title around some widgets, one below the other."""
    box = QGroupBox(title)
    column = QVBoxLayout(box)
    column.setContentsMargins(8, 8, 8, 8)
    for content in contents:
        column.addWidget(content)
    return box


def fill_scrolling(widget: QWidget, *contents: Any) -> QScrollArea:
    """Put widgets into another, one below the other, that scrolls where it is too low for them."""
    body = QWidget()
    column = QVBoxLayout(body)
    column.setContentsMargins(4, 4, 4, 4)
    for content in contents:
        column.addWidget(content)
    column.addStretch(1)
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(body)
    scroll.setMinimumWidth(body.minimumSizeHint().width() + _SCROLLBAR)
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(scroll)
    return scroll
