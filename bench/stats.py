"""Medians of rounds, and ratios that are made inside a round, where both sides met the same machine."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Sequence


@dataclass(frozen=True)
class Spread:
    """Some rounds in three numbers."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """The ratio of the medians, and the lowest and highest ratio of a round."""
    rounds = [a / b for a, b in zip(above, below, strict=True)]
    return Spread(median(above) / median(below), min(rounds), max(rounds))
