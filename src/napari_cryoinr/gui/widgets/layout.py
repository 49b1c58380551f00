"""Pieces that the widgets are arranged with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QComboBox,
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
from superqt import QCollapsible

_SCROLLBAR = 18  # pixels
_LONGEST = 22  # letters of a name on a button
_LETTERS = 12  # of an entry of a list that are always visible
_HEADING = "text-align: left; padding: 4px; border: none; background: transparent;"
_CLOSED, _OPEN = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}", "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"


def narrow(chooser: QComboBox) -> None:
    """Let a list be narrower than its longest entry, which would widen the dock."""
    chooser.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    chooser.setMinimumContentsLength(_LETTERS)


def shortened(name: str) -> str:
    """Return a name that fits on a button: of a long one the middle is left out."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST // 2]}…{name[-(_LONGEST // 2) :]}"


class Form(QWidget):
    """Labels in one column, controls in the next."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def add(self, label: str, control: QWidget, row: int = -1) -> QLabel:
        """Add a row, the last one or as this number; returns its label."""
        shown = QLabel(label)
        shown.setToolTip(control.toolTip())
        if isinstance(control, QComboBox):
            narrow(control)
        policy = control.sizePolicy()
        policy.setHorizontalPolicy(QSizePolicy.Policy.Expanding)
        control.setSizePolicy(policy)
        self._layout.insertRow(row, shown, control)
        return shown


class Section(QCollapsible):
    """A heading that opens and closes what is below it; closed at first."""

    def __init__(self, title: str, *contents: QWidget) -> None:
        # Without superqt's icons, which keep the colour of the theme they were drawn in.
        super().__init__(title, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self._title = title
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(0)
        # Not in the colour that napari gives to buttons that are pressed.
        self.toggleButton().setStyleSheet(_HEADING)
        self.toggleButton().setToolTip(f"Show or hide: {title}")
        for content in contents:
            self.addWidget(content)
        self.toggled.connect(self._show_state)
        self.collapse(animate=False)

    def _show_state(self, is_open: bool) -> None:
        self.setText(f"{_OPEN if is_open else _CLOSED}  {self._title}")


def group(title: str, *contents: QWidget) -> QGroupBox:
    """Return a frame with a title around some widgets, one below the other."""
    box = QGroupBox(title)
    fill(box, *contents, margin=8)
    return box


class Scrolling(QScrollArea):
    """Widgets one below the other, as wide as they need, that scroll vertically.

    The widget `tallest` takes the height that is left.
    """

    def __init__(self, *contents: QWidget, tallest: QWidget | None = None) -> None:
        super().__init__()
        body = QWidget()
        column = fill(body, *contents, margin=4)
        if tallest is None:
            column.addStretch(1)
        else:
            column.setStretchFactor(tallest, 1)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(body)
        body.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Stay wide enough for the contents and a scroll bar."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.setMinimumWidth(self.widget().minimumSizeHint().width() + _SCROLLBAR)
        return False


def fill(widget: QWidget, *contents: QWidget, kind: Any = QVBoxLayout, margin: int = 0) -> Any:
    """Fill a widget with others, one below the other or as another kind of layout puts them."""
    layout = kind(widget)
    layout.setContentsMargins(margin, margin, margin, margin)
    for content in contents:
        layout.addWidget(content)
    return layout


def button(text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    """Return a button that does something."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(clicked)
    return made


def wrapping_label(tip: str) -> QLabel:
    """Return a label whose text can be selected, and that never widens the dock."""
    label = QLabel()
    label.setWordWrap(True)
    label.setToolTip(tip)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label
