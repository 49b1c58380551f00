"""From a network's logits to how probable a particle is.

A logistic regression of what is a particle on the logit of a maximum (Platt 1999), made for the
case that only some particles are known: those tell what logits particles have, all maxima together
tell the rest (du Plessis, Niu and Sugiyama 2015, "Convex formulation for learning from positive and
unlabeled data", for the logistic loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import expit

Floats = npt.NDArray[np.float64]

THRESHOLD = 0.35  # of the probability: the F1 of a list is best near half of the best F1
NEAR = 0.19  # of a box: nearer to a particle's centre is that particle
_TRUST = 5.0  # maxima that weigh as much as the usual calibration
_QUANTILES = np.linspace(0.3, 0.7, 9)  # of known particles' logits, where particles are counted


@dataclass(frozen=True)
class Calibration:
    """probability = 1 / (1 + exp(-(slope * logit + offset)))."""

    slope: float
    offset: float

    def probability(self, logits: Floats) -> Floats:
        """Of maxima with these logits, float64."""
        return expit(self.slope * logits + self.offset)


@dataclass(frozen=True, eq=False)
class Scored:
    """The maxima of one image of a micrograph.

    Attributes
    ----------
    logits : of all maxima, shape (n,).
    known : which of them are known particles, shape (n,), bool.
    particles : how many particles are estimated to be among them, known or not.
    """

    logits: Floats
    known: npt.NDArray[np.bool_]
    particles: float


def scored(copies: Sequence[tuple[Floats, Floats]], particles: Floats, box: float) -> list[Scored]:
    """What the maxima of a micrograph are.

    Parameters
    ----------
    copies : places, shape (n, 2), and logits, shape (n,), in the micrograph itself and then in
        copies with more noise.
    particles : those that are known, shape (m, 2).
    """
    known = [cKDTree(particles).query(places)[0] <= NEAR * box for places, _ in copies]
    found = [int(which.sum()) for which in known]
    share = _particles(copies[0][1], known[0]) / max(found[0], 1)
    return [
        Scored(logits, which, share * count)
        for (_, logits), which, count in zip(copies, known, found, strict=True)
    ]


def _particles(logits: Floats, known: npt.NDArray[np.bool_]) -> float:
    """How many of the maxima are particles, if the known ones are like the others.

    Above any logit there are at least as many maxima as particles, and the known particles say
    which share of all particles that is.
    """
    count = np.count_nonzero(known)
    if count == 0:
        return 0.0
    levels = np.quantile(logits[known], _QUANTILES)
    above = (logits[:, None] >= levels).sum(0) / (logits[known][:, None] >= levels).sum(0)
    return min(float(above.min()) * count, float(len(logits)))


def calibrated(usual: Calibration, all_scored: Sequence[Scored]) -> Calibration:
    """The calibration for a network, from the micrographs that it was trained on.

    Parameters
    ----------
    usual : of networks of this kind; it remains where next to nothing is known.
    """
    logits = np.concatenate([one.logits for one in all_scored])
    start = np.array([usual.slope, usual.offset])
    count = sum(one.particles for one in all_scored)
    # Of particles: their number, and the sum of their logits.
    total = sum(
        one.particles * float(one.logits[one.known].mean()) for one in all_scored if one.known.any()
    )

    def cost(values: Floats) -> float:
        slope, offset = values
        unknown = np.logaddexp(0, slope * logits + offset).sum()
        return float(
            unknown - slope * total - offset * count + _TRUST * np.square(values - start).sum()
        )

    slope, offset = minimize(cost, start).x
    return Calibration(max(float(slope), 0.1), float(offset))
