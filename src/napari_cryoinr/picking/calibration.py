"""From a network's logits to scores.

A logistic regression of particles on the logits of maxima (Platt 1999), for the case that only some
particles are known: these give the distribution of particles' logits, all maxima together the rest
(du Plessis, Niu and Sugiyama 2015, "Convex formulation for learning from positive and unlabeled
data", for the logistic loss). The regression depends on the contrast of the micrograph, which is
varied by copies with more noise.

The list of maxima with the best F1 has all that are more probable than half of that F1 (Lipton,
Elkan and Naryanaswamy 2014, "Optimal thresholding of classifiers to maximize F1 measure"), which is
far below 0.5 in a noisy micrograph. Scores are odds in units of the odds at that limit, so that one
threshold is right for all micrographs.

The share of maxima that are particles differs between micrographs. It is estimated for each from
its maxima alone, by expectation and maximisation (Saerens, Latinne and Decaestecker 2002,
"Adjusting the outputs of a classifier to new a priori probabilities: a simple procedure"), and the
odds are changed by as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import expit, logit

from ..support.array_types import BoolArray, Float64Array
from .preprocessing import LEAST, graded

THRESHOLD = 0.5  # of scores
# Where nothing is held out: particles that nobody clicked were background in the training, so they
# score too low.
THRESHOLD_OF_FEW = 0.4
NEAR = 0.19  # of a box: a maximum this close to a known particle is that particle
_LEAST_SLOPE = 0.1
_NONE = 1e-9
_UNLIKELY = 0.15  # probability below which nothing is listed
_SURE = 20.0  # logit of an F1 of 1
_TRUST = 5.0  # maxima that weigh as much as the prior calibration
_ROUNDS = 30  # of expectation and maximisation
_TRUST_IN_SHARE = 10.0  # maxima that weigh as much as the share in the training
_QUANTILES = np.linspace(0.3, 0.7, 9)  # of known particles' logits, where particles are counted


@dataclass(frozen=True)
class Calibration:
    """The odds of a particle are exp(slope * logit + offset), slope and offset by contrast."""

    slope: float  # at medium contrast, where `graded` is 0; so are offset and best
    offset: float
    slope_change: float = 0.0  # per unit of `graded`; so are the other changes
    offset_change: float = 0.0
    # The least contrast that it was fitted to: below, the odds fall, to none at `LEAST`.
    faintest: float = 0.0
    best: float = _SURE  # logit of the best expected F1
    best_change: float = 0.0
    share: float = 0.0  # of maxima that were particles; 0 where it is not known
    # 1 where micrographs have about this share, unless they say clearly otherwise; 0 where it was
    # that of micrographs of all kinds.
    typical: float = 1.0

    def probability(self, logits: Float64Array, contrast: float) -> Float64Array:
        """Return the probabilities of maxima with these logits in a micrograph of this contrast."""
        return expit(self._odds(logits, contrast))

    def score(
        self, logits: Float64Array, contrast: float, among: Float64Array | None = None
    ) -> Float64Array:
        """Return scores, 0 to 1; the list of all above 0.5 has the best expected F1.

        `among` are the logits of all maxima of the micrograph, by which the share of particles is
        told; by default these.
        """
        others = self._odds(logits if among is None else among, contrast)
        shift = self._shift(others)
        if self.typical:
            best = max(float(expit(self.best + self.best_change * graded(contrast))), _NONE)
            least = best / 2
        else:
            # Of micrographs of all kinds, each has its own best F1. Where none of the maxima is
            # likely, some would always be listed.
            least = max(_best_f1(expit(others + shift)) / 2, _UNLIKELY)
        return expit(self._odds(logits, contrast) + shift - logit(least))

    def _shift(self, odds: Float64Array) -> float:
        """Return what the share of particles among maxima with such odds adds to all odds."""
        if not self.share or not odds.size:
            return 0.0
        shift, before = 0.0, expit(odds)
        for _ in range(_ROUNDS):
            known = expit(odds + shift).sum() + _TRUST_IN_SHARE * self.share
            share = known / (odds.size + _TRUST_IN_SHARE)
            shift = float(logit(np.clip(share, _NONE, 1 - _NONE)) - logit(self.share))
        # Where particles are hardly told from the rest, neither is their share: a typical one
        # then counts by as much as the probabilities leave open.
        mean = float(before.mean())
        told = min(float(before.var()) / max(mean * (1 - mean), _NONE), 1.0)
        return float(shift * told**self.typical)

    def _odds(self, logits: Float64Array, contrast: float) -> Float64Array:
        grade = graded(contrast)
        slope = max(self.slope + self.slope_change * grade, _LEAST_SLOPE)
        odds = slope * logits + self.offset + self.offset_change * grade
        if contrast < self.faintest:
            odds = odds + np.log(max((contrast - LEAST) / (self.faintest - LEAST), _NONE))
        return odds


class LabelledMaxima(NamedTuple):
    """The n maxima of one image of a micrograph."""

    contrast: float
    logits: Float64Array  # shape (n,)
    known: BoolArray  # which of them are known particles, shape (n,)
    particles: float  # estimated number among them, known or not


def label_maxima(
    copies: Sequence[tuple[float, Float64Array, Float64Array]], particles: Float64Array, box: float
) -> list[LabelledMaxima]:
    """Find the known particles among the maxima of a micrograph, and estimate how many there are.

    `copies` has contrast, places, shape (n, 2), and logits, shape (n,), of the micrograph itself
    and then of copies with more noise. `particles` are the known ones, shape (m, 2).
    """
    known = [cKDTree(particles).query(places)[0] <= NEAR * box for _, places, _ in copies]
    found = [int(which.sum()) for which in known]
    share = _particles(copies[0][2], known[0]) / max(found[0], 1)
    return [
        LabelledMaxima(contrast, logits, which, share * count)
        for (contrast, _, logits), which, count in zip(copies, known, found, strict=True)
    ]


def _particles(logits: Float64Array, known: BoolArray) -> float:
    """Estimate how many maxima are particles, if the known ones are a random sample of them.

    Above any logit there are at least as many maxima as particles, and the share of the known
    particles above it is that of all particles.
    """
    count = np.count_nonzero(known)
    if count == 0:
        return 0.0
    levels = np.quantile(logits[known], _QUANTILES)
    above = (logits[:, None] >= levels).sum(0) / (logits[known][:, None] >= levels).sum(0)
    return min(float(above.min()) * count, float(len(logits)))


def fit_calibration(prior: Calibration, maxima: Sequence[LabelledMaxima]) -> Calibration:
    """Fit the calibration of a network to the maxima of what was held out, or of everything.

    `prior` is that of networks of this kind; it prevails where few maxima are known.
    """
    start = np.array([prior.slope, prior.offset, prior.slope_change, prior.offset_change])
    features = np.concatenate([_features(one.logits, one.contrast) for one in maxima])
    # The sum of the features of all particles, known or not.
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
    made = Calibration(*map(float, [*fitted, min(one.contrast for one in maxima)]))
    best, best_change = _best(made, maxima)
    share = sum(one.particles for one in maxima) / max(sum(len(one.logits) for one in maxima), 1)
    return replace(made, best=best, best_change=best_change, share=min(share, 1 - _NONE))


def _best(calibration: Calibration, maxima: Sequence[LabelledMaxima]) -> tuple[float, float]:
    """Fit a line to the logit of the best expected F1 of each list of maxima."""
    found, grades = [], []
    for one in maxima:
        if len(one.logits):
            best = _best_f1(calibration.probability(one.logits, one.contrast))
            found.append(np.clip(logit(best), -_SURE, _SURE))
            grades.append(graded(one.contrast))
    if not found:
        return _SURE, 0.0
    line = np.column_stack([np.ones(len(found)), grades])
    at_middling, change = np.linalg.lstsq(line, found)[0]
    return float(at_middling), float(change)


def _best_f1(chances: Float64Array) -> float:
    """Return the best expected F1 of a list of maxima with these probabilities."""
    ordered = np.sort(chances)[::-1]
    listed = np.arange(1, len(ordered) + 1)
    return float((2 * np.cumsum(ordered) / (listed + ordered.sum())).max(initial=0.0))


def _features(logits: Float64Array, contrast: float) -> Float64Array:
    """Return the factors of slope, offset and their changes, shape (n, 4)."""
    plain = np.column_stack([logits, np.ones(len(logits))])
    return np.hstack([plain, graded(contrast) * plain])
