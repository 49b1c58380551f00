"""From a network's logits to scores.

A logistic regression of what is a particle on the logit of a maximum (Platt 1999), made for the
case that only some particles are known: those tell what logits particles have, all maxima together
tell the rest (du Plessis, Niu and Sugiyama 2015, "Convex formulation for learning from positive and
unlabeled data", for the logistic loss). What a logit is worth depends on how clearly particles
stand out in the micrograph, which copies with more noise show.

Of a list of maxima, those belong in it that are more probable than half of the best F1 that a list
can have (Lipton, Elkan and Naryanaswamy 2014, "Optimal thresholding of classifiers to maximize F1
measure"). In a noisy micrograph that is far below 0.5. So that one threshold serves all, scores are
odds in units of those there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import expit, logit

from ..support.array_types import BoolArray, Float64Array
from .contrast import LEAST, graded

THRESHOLD = 0.5  # of scores
# Where nothing is held out: what nobody clicked was background in the training, so that it scores
# too low.
THRESHOLD_OF_FEW = 0.4
NEAR = 0.19  # of a box: nearer to a particle's centre is that particle
_LEAST_SLOPE = 0.1
_NONE = 1e-9
_SURE = 20.0  # logit of an F1 of 1
_TRUST = 5.0  # maxima that weigh as much as the prior calibration
_QUANTILES = np.linspace(0.3, 0.7, 9)  # of known particles' logits, where particles are counted


@dataclass(frozen=True)
class Calibration:
    """The odds of a particle are exp(slope * logit + offset), slope and offset by contrast.

    Attributes
    ----------
    slope, offset : in a micrograph of middling contrast.
    slope_change, offset_change : by one unit of `contrast.graded` more.
    faintest : the least contrast that it was made with. Below, there is next to nothing that could
        be found, and the odds fall to none where nothing stands out at all.
    best, best_change : logit of the best F1 that is to be expected, at middling contrast and by one
        unit of `contrast.graded` more.
    """

    slope: float
    offset: float
    slope_change: float = 0.0
    offset_change: float = 0.0
    faintest: float = 0.0
    best: float = _SURE
    best_change: float = 0.0

    def probability(self, logits: Float64Array, contrast: float) -> Float64Array:
        """Of maxima with these logits in a micrograph of this contrast, float64."""
        return expit(self._odds(logits, contrast))

    def score(self, logits: Float64Array, contrast: float) -> Float64Array:
        """From 0 to 1, float64: 0.5 where a list of those above has the best expected F1."""
        least = expit(self.best + self.best_change * graded(contrast)) / 2
        return expit(self._odds(logits, contrast) - logit(max(least, _NONE)))

    def _odds(self, logits: Float64Array, contrast: float) -> Float64Array:
        grade = graded(contrast)
        slope = max(self.slope + self.slope_change * grade, _LEAST_SLOPE)
        odds = slope * logits + self.offset + self.offset_change * grade
        if contrast < self.faintest:
            odds = odds + np.log(max((contrast - LEAST) / (self.faintest - LEAST), _NONE))
        return odds


@dataclass(frozen=True, eq=False)
class LabelledMaxima:
    """The maxima of one image of a micrograph.

    Attributes
    ----------
    contrast : of the image.
    logits : of all maxima, shape (n,).
    known : which of them are known particles, shape (n,), bool.
    particles : how many particles are estimated to be among them, known or not.
    """

    contrast: float
    logits: Float64Array
    known: BoolArray
    particles: float


def label_maxima(
    copies: Sequence[tuple[float, Float64Array, Float64Array]], particles: Float64Array, box: float
) -> list[LabelledMaxima]:
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
        LabelledMaxima(contrast, logits, which, share * count)
        for (contrast, _, logits), which, count in zip(copies, known, found, strict=True)
    ]


def _particles(logits: Float64Array, known: BoolArray) -> float:
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


def fit_calibration(prior: Calibration, maxima: Sequence[LabelledMaxima]) -> Calibration:
    """The calibration for a network.

    Parameters
    ----------
    maxima : what was held out from its training; all that it was trained on where that is none.
    prior : of networks of this kind; it remains where next to nothing is known.
    """
    start = np.array([prior.slope, prior.offset, prior.slope_change, prior.offset_change])
    features = np.concatenate([_features(one.logits, one.contrast) for one in maxima])
    # Of particles, known or not: the sum of their features.
    total = np.zeros(4)
    for one in maxima:
        if one.known.any():
            total += one.particles * _features(one.logits[one.known], one.contrast).mean(0)

    def cost(values: Float64Array) -> tuple[float, Float64Array]:
        odds = features @ values
        far = values - start
        value = np.logaddexp(0, odds).sum() - total @ values + _TRUST * np.square(far).sum()
        return float(value), expit(odds) @ features - total + 2 * _TRUST * far

    fitted = minimize(cost, start, jac=True).x
    slope, offset, slope_change, offset_change = map(float, fitted)
    faintest = min(one.contrast for one in maxima)
    made = Calibration(slope, offset, slope_change, offset_change, faintest)
    best, best_change = _best(made, maxima)
    return replace(made, best=best, best_change=best_change)


def _best(calibration: Calibration, maxima: Sequence[LabelledMaxima]) -> tuple[float, float]:
    """Logit of the best F1 that lists of these maxima can be expected to have, as a line."""
    found, grades = [], []
    for one in maxima:
        chances = np.sort(calibration.probability(one.logits, one.contrast))[::-1]
        if len(chances):
            listed = np.arange(1, len(chances) + 1)
            best = float((2 * np.cumsum(chances) / (listed + chances.sum())).max())
            found.append(float(np.clip(logit(best), -_SURE, _SURE)))
            grades.append(graded(one.contrast))
    if not found:
        return _SURE, 0.0
    line = np.column_stack([np.ones(len(found)), grades])
    at_middling, change = np.linalg.lstsq(line, found)[0]
    return float(at_middling), float(change)


def _features(logits: Float64Array, contrast: float) -> Float64Array:
    """What the fields of a calibration are multiplied by, shape (n, 4)."""
    plain = np.column_stack([logits, np.ones(len(logits))])
    return np.hstack([plain, graded(contrast) * plain])
