"""What the file will hold and how large it will be, for what is shown at the moment."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from ..widgets.layout import button, fill, wrapping_label
from ..widgets.resources import Resources
from .promise import with_size
from .size_estimate import ON_DEMAND, Request, SizeEstimate


class PromisePanel(QWidget):
    """The promise in a sentence with the size; a line below says how the estimate goes on."""

    def __init__(self, resources: Resources) -> None:
        super().__init__()
        self.text = wrapping_label("What the file will hold, and about how large it will be")
        self.size = QLabel()
        self.estimate = SizeEstimate(resources, self._show_estimate)
        tip = "Encode the map once, quickly, to see how large it gets"
        self.button = button("Estimate", tip, self.estimate.begin)
        self._row = QWidget()
        row = fill(self._row, QLabel("File size:"), self.size, self.button, kind=QHBoxLayout)
        row.setStretch(1, 1)
        fill(self, self.text, self._row)
        self._promise, self._raw = "", 1
        self._bytes: int | None = None
        self._is_estimate = True
        self.forget_size()

    def show_promise(self, promise: str, raw: int) -> None:
        """Show a promise, without its full stop, of a map of so many bytes; keep the size."""
        self._promise, self._raw = promise, raw
        self._refresh()

    def show_problem(self, problem: str) -> None:
        """Show why nothing can be promised; may be empty."""
        self._promise = ""
        self.forget_size()
        self.text.setText(problem)

    def request(self, request: Request) -> None:
        """Estimate the size of something else."""
        self.estimate.request(request)

    def show_size(self, size: int) -> None:
        """Show the size of a file that was made."""
        self.estimate.stop()
        self._is_estimate = False
        self._show(f"{size:,} bytes", size)

    def forget_size(self) -> None:
        """Show no size: that of before is of something else."""
        self.estimate.stop()
        self._show("", None)

    def _show_estimate(self, text: str, size: int | None) -> None:
        self._is_estimate = True
        self._show(text, size)

    def _show(self, text: str, size: int | None) -> None:
        self._bytes = size
        self.size.setText(text)
        self._row.setVisible(size is None and bool(text))
        self.button.setVisible(text == ON_DEMAND)
        self._refresh()

    def _refresh(self) -> None:
        if self._promise:
            self.text.setText(with_size(self._promise, self._bytes, self._raw, self._is_estimate))
