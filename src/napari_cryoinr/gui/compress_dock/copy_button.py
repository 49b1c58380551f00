"""Copying what the widget would do, as a command line or as Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QApplication, QMenu, QPushButton

from ...errors import CinrError
from ...maps.density_map import COMPRESSIONS, MAP_SUFFIXES
from ...settings_text import command_line, python_code
from ...support.output_paths import file_stems
from ..io.layer_matching import details_of
from ..io.session import Offer

_WAYS = {
    "Copy as command line": (command_line, "The line `cryoinr compress ...` that does the same"),
    "Copy as Python": (python_code, "Lines of Python that do the same"),
}


class CopyButton(QPushButton):
    """A menu that puts a text into the clipboard.

    `offer` says how a layer would be compressed, `layer` which one that is, and `say` shows a line
    to the user.
    """

    def __init__(
        self,
        offer: Callable[[Any], Offer | None],
        layer: Callable[[], Any],
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._offer, self._layer, self._say = offer, layer, say
        self.setText("Copy as")
        self.setToolTip("Copy these settings as a command line, or as Python")
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for title, (write, tip) in _WAYS.items():
            action = menu.addAction(title, lambda _=False, write=write: self._copy(write))
            action.setToolTip(tip)
        self.setMenu(menu)

    def _copy(self, write: Callable[..., str]) -> None:
        layer = self._layer()
        if layer is None:
            self._say("Open a map first; there is nothing to copy.")
            return
        try:
            offer = self._offer(layer)
            if offer is None:
                return
            source, is_file = _file_of(layer)
            halves = offer.half_maps and tuple(f"{half.name}.mrc" for half in offer.half_maps)
            out = f"{file_stems([layer.name])[0]}.cinr"
            text = write(offer.settings, source, out, half_maps=halves)
        except CinrError as error:
            self._say(str(error))
            return
        QApplication.clipboard().setText(text)
        if is_file and not halves:
            self._say("Copied.")
        else:
            files = ", ".join(dict.fromkeys(([] if is_file else [source]) + list(halves or ())))
            self._say(f"Copied. Put the names of your files in the place of {files}.")


def _file_of(layer: Any) -> tuple[str, bool]:
    """Return the map's file, and whether it is known; else a name that it could have."""
    path = details_of(layer).get("path")
    if path is not None:
        name = Path(path).name.lower()
        if name.endswith(tuple(a + b for a in MAP_SUFFIXES for b in ("", *COMPRESSIONS))):
            return str(path), True
    return f"{file_stems([layer.name])[0]}.mrc", False
