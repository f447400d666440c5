"""The arithmetic of docs/results.md: order, frontier, comparisons at no more bytes, ranks.

Nothing here measures or prints; tests/tools/results_test.py holds it to planted figures.
"""

import math
from typing import NamedTuple, Sequence

BANDS = (2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5)
NOISE = 2.0  # differences below so many standard errors are not called differences


class Score(NamedTuple):
    """One model on one text."""

    perplexity: float
    perplexity_se: float
    kl: float
    kl_se: float
    top1: float
    top1_se: float
    routing: float
    routing_se: float


class Measured(NamedTuple):
    """One row of the page."""

    series: str
    name: str
    kind: str
    options: str
    is_budget: bool
    matrix_bytes: int  # of the compressed matrices, all that is stored
    bits_per_weight: float
    weight_error: float
    seconds: float
    scores: dict[str, Score]  # by text
    runs: int = 1  # means of so many


class Verdict(NamedTuple):
    """One budget row against the published rows that take no more bytes, on one text."""

    row: Measured
    num_rivals: int
    best: Measured | None  # of the rivals; None: there are none
    is_below: bool
    num_errors: float  # the difference of the two KL in standard errors of it


def by_bytes(rows: Sequence[Measured], text: str) -> list[Measured]:
    """Fewest bytes first, at equal bytes the lowest KL first: whatever stands above a row has
    no more bytes than it."""
    return sorted(rows, key=lambda row: (row.matrix_bytes, row.scores[text].kl, row.name))


def frontier(rows: Sequence[Measured], text: str) -> list[bool]:
    """For rows in that order: no row of no more bytes has a lower or equal KL."""
    lowest, marks = math.inf, []
    for row in rows:
        marks.append(row.scores[text].kl < lowest)
        lowest = min(lowest, row.scores[text].kl)
    return marks


def bands(rows: Sequence[Measured], text: str) -> list[tuple[str, list[Measured]]]:
    """The ordered rows in budgets of a quarter of a bit; empty ones are left out."""
    found: list[tuple[str, list[Measured]]] = []
    rest = by_bytes(rows, text)
    for low, high in zip((0.0, *BANDS), (*BANDS, math.inf)):
        # The budget is kept to the byte, so a hair of rounding is no byte.
        inside = [row for row in rest if low + 1e-9 < row.bits_per_weight <= high + 1e-9]
        if inside:
            name = f"Up to {high:.2f} bits" if high < math.inf else f"Above {low:.2f} bits"
            found.append((name, inside))
    return found


def distance(row: Measured, other: Measured, text: str) -> float:
    """How many standard errors `row` is below `other`. Both saw the same tokens, so this, which
    takes them for independent, says too little rather than too much."""
    mine, theirs = row.scores[text], other.scores[text]
    error = math.hypot(mine.kl_se, theirs.kl_se)
    difference = theirs.kl - mine.kl
    return difference / error if error > 0 else math.copysign(math.inf, difference)


def judge(row: Measured, others: Sequence[Measured], text: str) -> Verdict:
    """Is `row` below all of `others` that take no more bytes?"""
    rivals = [other for other in others if other.matrix_bytes <= row.matrix_bytes]
    if not rivals:
        return Verdict(row, 0, None, True, math.inf)
    best = min(rivals, key=lambda other: other.scores[text].kl)
    is_below = row.scores[text].kl < best.scores[text].kl
    return Verdict(row, len(rivals), best, is_below, distance(row, best, text))


def answer(row: Measured, ours: Sequence[Measured], text: str) -> Measured | None:
    """The lowest of `ours` that takes no more bytes than the published `row`."""
    fitting = [other for other in ours if other.matrix_bytes <= row.matrix_bytes]
    return min(fitting, key=lambda other: other.scores[text].kl, default=None)


def mean_of(rows: Sequence[Measured]) -> Measured:
    """Several draws of one row as one: means, and standard errors over the draws."""
    count = len(rows)

    def mean(values: Sequence[float]) -> float:
        return sum(values) / count

    def pair(values: Sequence[float]) -> tuple[float, float]:
        centre = mean(values)
        spread = sum((value - centre) ** 2 for value in values)
        return centre, math.sqrt(spread / (count - 1) / count) if count > 1 else 0.0

    scores = {}
    for text in rows[0].scores:
        pairs: list[float] = []
        for field in ("perplexity", "kl", "top1", "routing"):
            pairs += pair([getattr(row.scores[text], field) for row in rows])
        scores[text] = Score(*pairs)
    return rows[0]._replace(
        matrix_bytes=max(row.matrix_bytes for row in rows),
        bits_per_weight=mean([row.bits_per_weight for row in rows]),
        weight_error=mean([row.weight_error for row in rows]),
        seconds=mean([row.seconds for row in rows]),
        scores=scores,
        runs=count,
    )


def ranks(values: Sequence[float]) -> list[float]:
    """1 for the smallest; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    result = [0.0] * len(values)
    first = 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for position in range(first, last + 1):
            result[order[position]] = (first + last) / 2 + 1
        first = last + 1
    return result


def spearman(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Correlation of ranks; None where one side is constant."""
    if len(left) != len(right):
        raise ValueError(f"{len(left)} values against {len(right)}")
    a, b = ranks(left), ranks(right)
    centre = (len(a) + 1) / 2
    covariance = sum((x - centre) * (y - centre) for x, y in zip(a, b))
    scale = math.sqrt(sum((x - centre) ** 2 for x in a) * sum((y - centre) ** 2 for y in b))
    return covariance / scale if scale > 0 else None
