"""From a network's logits to how probable a particle is.

A logistic regression of what is a particle on the logit of a maximum (Platt 1999), made for the
case that only some particles are known: those tell what logits particles have, all maxima together
tell the rest (du Plessis, Niu and Sugiyama 2015, "Convex formulation for learning from positive and
unlabeled data", for the logistic loss). What a logit is worth depends on how clearly particles
stand out in the micrograph, which copies with more noise show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import expit

from .contrast import LEAST, graded

Floats = npt.NDArray[np.float64]

THRESHOLD = 0.4  # of the probability: the F1 of a list is best near half of the best F1
# Where nothing is held out: what nobody clicked was background in the training, so that it scores
# too low.
THRESHOLD_OF_FEW = 0.3
NEAR = 0.19  # of a box: nearer to a particle's centre is that particle
_LEAST_SLOPE = 0.1
_NONE = 1e-9
_TRUST = 5.0  # maxima that weigh as much as the usual calibration
_QUANTILES = np.linspace(0.3, 0.7, 9)  # of known particles' logits, where particles are counted


@dataclass(frozen=True)
class Calibration:
    """probability = 1 / (1 + exp(-(slope * logit + offset))), slope and offset by contrast.

    Attributes
    ----------
    slope, offset : in a micrograph of middling contrast.
    slope_change, offset_change : by one unit of `contrast.graded` more.
    faintest : the least contrast that it was made with. Below, there is next to nothing that could
        be found, and the odds fall to none where nothing stands out at all.
    """

    slope: float
    offset: float
    slope_change: float = 0.0
    offset_change: float = 0.0
    faintest: float = 0.0

    def probability(self, logits: Floats, contrast: float) -> Floats:
        """Of maxima with these logits in a micrograph of this contrast, float64."""
        grade = graded(contrast)
        slope = max(self.slope + self.slope_change * grade, _LEAST_SLOPE)
        odds = slope * logits + self.offset + self.offset_change * grade
        if contrast < self.faintest:
            odds = odds + np.log(max((contrast - LEAST) / (self.faintest - LEAST), _NONE))
        return expit(odds)


@dataclass(frozen=True, eq=False)
class Scored:
    """The maxima of one image of a micrograph.

    Attributes
    ----------
    contrast : of the image.
    logits : of all maxima, shape (n,).
    known : which of them are known particles, shape (n,), bool.
    particles : how many particles are estimated to be among them, known or not.
    """

    contrast: float
    logits: Floats
    known: npt.NDArray[np.bool_]
    particles: float


def scored(
    copies: Sequence[tuple[float, Floats, Floats]], particles: Floats, box: float
) -> list[Scored]:
    """What the maxima of a micrograph are.

    Parameters
    ----------
    copies : contrast, places, shape (n, 2), and logits, shape (n,), in the micrograph itself and
        then in copies with more noise.
    particles : those that are known, shape (m, 2).
    """
    known = [cKDTree(particles).query(places)[0] <= NEAR * box for _, places, _ in copies]
    found = [int(which.sum()) for which in known]
    share = _particles(copies[0][2], known[0]) / max(found[0], 1)
    return [
        Scored(contrast, logits, which, share * count)
        for (contrast, _, logits), which, count in zip(copies, known, found, strict=True)
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
    """The calibration for a network.

    Parameters
    ----------
    all_scored : what was held out from its training; all that it was trained on where that is none.
    usual : of networks of this kind; it remains where next to nothing is known.
    """
    start = np.array([usual.slope, usual.offset, usual.slope_change, usual.offset_change])
    features = np.concatenate([_features(one.logits, one.contrast) for one in all_scored])
    # Of particles, known or not: the sum of their features.
    total = sum(
        one.particles * _features(one.logits[one.known], one.contrast).mean(0)
        for one in all_scored
        if one.known.any()
    )

    def cost(values: Floats) -> tuple[float, Floats]:
        odds = features @ values
        far = values - start
        value = np.logaddexp(0, odds).sum() - total @ values + _TRUST * np.square(far).sum()
        return float(value), expit(odds) @ features - total + 2 * _TRUST * far

    faintest = min(one.contrast for one in all_scored)
    slope, offset, slope_change, offset_change = map(float, minimize(cost, start, jac=True).x)
    return Calibration(slope, offset, slope_change, offset_change, faintest)


def _features(logits: Floats, contrast: float) -> Floats:
    """What the fields of a calibration are multiplied by, shape (n, 4)."""
    plain = np.column_stack([logits, np.ones(len(logits))])
    return np.hstack([plain, graded(contrast) * plain])
