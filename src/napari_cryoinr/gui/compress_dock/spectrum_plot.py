"""The spectrum of a map, with its noise and a line at the resolution that can be dragged."""

from __future__ import annotations

import numpy as np

from ...maps.resolution import Spectrum
from ..widgets.plot import Axis, Curve, Plot

_HEIGHT = 130  # pixels
_DECADES = 8.0
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class SpectrumPlot(Plot):
    """Mean power against spatial frequency, on a logarithmic scale."""

    def __init__(self, theme: str) -> None:
        super().__init__(theme, _HEIGHT)
        self.setToolTip(
            "How strong the map is at each resolution, inside the soft mask, and the noise of the"
            " solvent or of the half-maps. Detail on the right of the line is not promised; drag"
            " the line to choose the resolution"
        )
        self.draggable = True
        self.hide()

    def show_spectrum(self, spectrum: Spectrum | None, noise_name: str = "solvent") -> None:
        """Show a spectrum; nothing where there is none."""
        self.setVisible(spectrum is not None)
        if spectrum is None:
            return
        power = np.asarray(spectrum.power, np.float64)
        top = float(power.max(initial=0)) or 1.0
        frequency = np.arange(1, len(power) + 1) / spectrum.shells.edge
        curves = [Curve(frequency, power / top, "map")]
        lowest = float((power[power > 0] / top).min(initial=1.0))
        if spectrum.noise is not None:
            noise = spectrum.noise / top
            curves.append(Curve(frequency[: len(noise)], noise, noise_name, second=True))
            lowest = min(lowest, float(noise[noise > 0].min(initial=1.0)))
        low = max(10.0 ** np.floor(np.log10(max(lowest, 1e-30))), 10.0**-_DECADES)
        x = Axis(0.0, float(frequency[-1]), "resolution (Å)", text=_angstrom)
        self.show_curves(curves, x, Axis(float(low), 2.0, "power", True, _power))

    def show_resolution(self, angstrom: float | None) -> None:
        """Move the line to a resolution in Å."""
        if angstrom is None:
            self.show_mark(None)
        else:
            self.show_mark(1 / angstrom, f"{angstrom:.3g} Å")


def _angstrom(frequency: float) -> str:
    return "∞" if frequency <= 0 else f"{1 / frequency:.3g}"


def _power(value: float) -> str:
    exponent = str(round(np.log10(value)))
    return "1" if exponent == "0" else f"10{exponent.translate(_RAISED)}"
