"""What calibrate(), plan() and compress() return."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List

from ._base import Shortened


@dataclass(frozen=True, repr=False)
class UnseenExpert(Shortened):
    """An expert that no token was ever sent to.

    Attributes:
        layer: counted from 0.
        expert: its index there.
    """

    layer: int
    expert: int


@dataclass(frozen=True, repr=False)
class CalibrateReport(Shortened):
    """What calibrate() gathered; the statistics themselves are in the file it wrote.

    Attributes:
        tokens: behind the statistics, merged ones included.
        windows: that were run now.
        window: tokens of each.
        moments: "diagonal", "blocks" or "full".
        sites: groups of matrices with the same inputs.
        unseen_experts: those no token was sent to: more text would help them.
        bytes_written: size of the file.
        seconds: that it took.
        peak_rss_bytes: most memory of the process.
    """

    tokens: int
    windows: int
    window: int
    moments: str
    sites: int
    unseen_experts: List[UnseenExpert]
    bytes_written: int
    seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True, repr=False)
class PlanReport(Shortened):
    """A plan and its exact size.

    Attributes:
        json: text of the plan file.
        allocator: who chose bits and ranks.
        bits_per_weight: of the compressed matrices, everything stored counted.
        compressed_matrix_bytes: of those matrices.
        stored_bytes: of the whole packed model: exactly what compress() will report.
        original_bytes: of the whole original.
        explanation: sentences that say who got what, and why.
        allocation_seconds: of choosing, once errors are measured.
        nonfinite_weights: infinities and NaNs in what was measured.
        seconds: that all of it took.
    """

    json: str
    allocator: str
    bits_per_weight: float
    compressed_matrix_bytes: int
    stored_bytes: int
    original_bytes: int
    explanation: List[str]
    allocation_seconds: float
    nonfinite_weights: int
    seconds: float

    @property
    def matrices(self) -> Dict[str, Dict[str, Any]]:
        """Name of a matrix → its entry in the plan (bits, group_size, rank, …)."""
        matrices: Dict[str, Dict[str, Any]] = json.loads(self.json)["matrices"]
        return matrices


@dataclass(frozen=True, repr=False)
class CompressReport(Shortened):
    """What compress() made.

    Attributes:
        bits_per_weight: every stored byte of the compressed matrices × 8 ÷ their weights.
        weight_error: ‖W − Ŵ‖F ÷ ‖W‖F over all of them.
        compressed_matrix_bytes: of those matrices.
        stored_bytes: of the whole packed model.
        original_bytes: of the whole original.
        seconds: that it took.
        peak_rss_bytes: most memory of the process.
        nonfinite_weights: infinities and NaNs found, when they are allowed.
        nonfinite_tensors: in so many tensors.
        first_nonfinite_tensor: the first of them by name; empty: none.
        resumed_matrices: taken over from a run that was killed.
    """

    bits_per_weight: float
    weight_error: float
    compressed_matrix_bytes: int
    stored_bytes: int
    original_bytes: int
    seconds: float
    peak_rss_bytes: int
    nonfinite_weights: int
    nonfinite_tensors: int
    first_nonfinite_tensor: str
    resumed_matrices: int
