"""A drop-down list of layers, one of whose entries is none of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy


class MapChooser(QComboBox):
    """Choose one of some layers, or none; what is offered is up to the owner.

    Parameters
    ----------
    nothing : text of the entry for no layer.
    """

    chosen = Signal()  # the layer is another one, by hand or by `choose`

    def __init__(self, nothing: str) -> None:
        super().__init__()
        self._nothing = nothing
        self._layers: list[Any] = [None]
        # Long names must not widen the dock.
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.addItem(nothing)
        self.currentIndexChanged.connect(self._tell)

    @property
    def layer(self) -> Any:
        """The layer that is chosen; None for none."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    @property
    def layers(self) -> list[Any]:
        """Those that are offered."""
        return self._layers[1:]

    def choose(self, layer: Any) -> None:
        """Choose a layer; one that is not offered stands for none."""
        at = [i for i, offered in enumerate(self._layers) if offered is layer]
        self.setCurrentIndex(at[0] if at else 0)

    def offer(self, layers: Iterable[Any]) -> bool:
        """Offer these layers; returns whether the one that was chosen is no longer among them.

        Without a signal: whoever calls this looks at what is chosen then.
        """
        before = self.layer
        self._layers = [None, *layers]
        with QSignalBlocker(self):
            self.clear()
            self.addItem(self._nothing)
            for layer in self._layers[1:]:
                self.addItem(layer.name)
            self.choose(before)
        return self.layer is not before

    def _tell(self) -> None:
        self.chosen.emit()
