"""From a network's logits to how probable a particle is.

A logistic regression of what is a particle on the logit of a maximum (Platt 1999). Networks that
are trained with particles and the rest in balance need nearly the same one for every protein, so
the usual one is where the fit begins, and what remains where too little is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import expit

Floats = npt.NDArray[np.float64]

THRESHOLD = 0.35  # of the probability: the F1 of a list is best near half of the best F1
NEAR = 0.19  # of a box: nearer to a particle's centre is that particle
_TRUST = 20.0  # maxima that weigh as much as the usual calibration
_COMPLETE = 0.3  # unknown maxima per known particle that would be particles: more is incomplete


@dataclass(frozen=True)
class Calibration:
    """probability = 1 / (1 + exp(-(slope * logit + offset)))."""

    slope: float
    offset: float

    def probability(self, logits: Floats) -> Floats:
        """Of maxima with these logits, float64."""
        return expit(self.slope * logits + self.offset)


def calibrated(
    usual: Calibration, maxima: list[tuple[Floats, Floats]], particles: list[Floats], box: float
) -> Calibration:
    """The calibration for a network, from the micrographs that it was trained on.

    Parameters
    ----------
    usual : of networks of this kind.
    maxima : places, shape (n, 2), and logits, shape (n,), of each micrograph.
    particles : those that are known, shape (m, 2), of each micrograph.

    Returns
    -------
    The usual one where the particles are plainly not all known: what is not known then says
    nothing.
    """
    logits = np.concatenate([values for _, values in maxima])
    known = np.concatenate(
        [
            cKDTree(given).query(places)[0] <= NEAR * box
            if len(given)
            else np.zeros(len(places), bool)
            for (places, _), given in zip(maxima, particles, strict=True)
        ]
    )
    unknown = np.count_nonzero(usual.probability(logits[~known]) > THRESHOLD)
    if unknown > _COMPLETE * max(known.sum(), 1):
        return usual
    start = np.array([usual.slope, usual.offset])

    def cost(values: Floats) -> float:
        z = values[0] * logits + values[1]
        fit = np.logaddexp(0, z) - known * z
        return float(fit.sum() + _TRUST * np.square(values - start).sum())

    slope, offset = minimize(cost, start).x
    return Calibration(max(float(slope), 0.1), float(offset))
