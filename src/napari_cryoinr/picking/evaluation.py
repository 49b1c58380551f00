"""Comparison of picks with labels: precision, recall, F1, average precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..support.array_types import BoolArray, Float64Array
from .particles import Particles

WITHIN = 0.5  # of a particle's radius: greatest distance of a pick from its label

Region = tuple[float, float, float, float]  # x0, y0, x1, y1, pixels


class Matched(NamedTuple):
    """The picks of one micrograph that count, the highest first, paired with its labels."""

    score: Float64Array  # shape (n,)
    true: BoolArray  # which of them are labelled particles, shape (n,)
    distance: Float64Array  # from the label, pixels; NaN where there is none, shape (n,)
    labels: int  # number of labels that count


class Agreement(NamedTuple):
    """Figures of picks above a threshold; `average_precision` is that of all picks."""

    picks: int
    labels: int
    precision: float
    recall: float
    f1: float
    average_precision: float
    distance: float  # median of the picks that are right, pixels


def match(
    picks: Particles, labels: Particles, radius: float, region: Region | None = None
) -> Matched:
    """Pair picks with labels, one to one.

    From the highest score down, each pick takes the nearest free label within half the `radius` of
    a particle, pixels. Labels outside the `region` do not count, nor do their picks, nor picks
    outside without a label.
    """
    score = np.ones(len(picks)) if picks.score is None else picks.score
    order = np.argsort(-score, kind="stable")
    places, score = picks.xy[order], score[order]
    inside_labels, inside = _inside(labels.xy, region), _inside(places, region)
    free = np.ones(len(labels), bool)
    true = np.zeros(len(places), bool)
    distance = np.full(len(places), np.nan)
    counts = inside.copy()
    for number, place in enumerate(places):
        far = np.hypot(*(labels.xy - place).T)
        far[~free | (far > WITHIN * radius)] = np.inf
        nearest = int(far.argmin()) if len(far) else -1
        if nearest >= 0 and np.isfinite(far[nearest]):
            free[nearest] = False
            true[number], distance[number] = True, far[nearest]
            counts[number] = inside_labels[nearest]
    return Matched(score[counts], true[counts], distance[counts], int(inside_labels.sum()))


def agreement(matched: Sequence[Matched], threshold: float) -> Agreement:
    """Return the figures of several micrographs together, with one threshold for all."""
    score = np.concatenate([one.score for one in matched])
    true = np.concatenate([one.true for one in matched])
    distance = np.concatenate([one.distance for one in matched])
    labels = sum(one.labels for one in matched)
    kept = score >= threshold
    hits, picks = int(true[kept].sum()), int(kept.sum())
    right = kept & true
    return Agreement(
        picks=picks,
        labels=labels,
        precision=hits / picks if picks else 0.0,
        recall=hits / labels if labels else 0.0,
        f1=2 * hits / (picks + labels) if picks + labels else 0.0,
        average_precision=_average_precision(score, true, labels),
        distance=float(np.median(distance[right])) if right.any() else float("nan"),
    )


def _average_precision(score: Float64Array, true: BoolArray, labels: int) -> float:
    """Sum up precision times the gain in recall over all thresholds."""
    if not len(score) or not labels:
        return 0.0
    order = np.argsort(-score, kind="stable")
    score, hits = score[order], np.cumsum(true[order])
    last = np.append(score[1:] != score[:-1], True)
    precision = (hits / np.arange(1, len(hits) + 1))[last]
    recall = (hits / labels)[last]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def _inside(places: Float64Array, region: Region | None) -> BoolArray:
    if region is None:
        return np.ones(len(places), bool)
    low, high = np.array(region).reshape(2, 2)
    return np.all((places >= low) & (places <= high), axis=1)
