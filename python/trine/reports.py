"""What the functions of trine return: frozen dataclasses. Sizes carry their unit in their name."""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Type, TypeVar, Union

Report = TypeVar("Report")


@functools.lru_cache(maxsize=None)
def _hints(kind: type) -> Dict[str, Any]:
    return typing.get_type_hints(kind)


def from_native(kind: Type[Report], value: Any) -> Report:
    """An object of `kind` from what the compiled part returns: dicts, lists, plain values."""
    if value is None:
        return value
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Union:  # Optional[X]
        return from_native(arguments[0], value)
    if origin is list:
        return [from_native(arguments[0], entry) for entry in value]
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: from_native(hints[name], entry) for name, entry in value.items()})
    return value


class _Shortened:
    """A repr that says how many there are of what would fill pages."""

    def __repr__(self) -> str:
        parts = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list) and len(value) > 8:
                shown = f"[{len(value)} of {type(value[0]).__name__}]"
            elif isinstance(value, str) and len(value) > 200:
                shown = f"{value[:200]!r}… ({len(value)} characters)"
            else:
                shown = repr(value)
            parts.append(f"{field.name}={shown}")
        return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True, repr=False)
class MatrixPlace(_Shortened):
    """Where in the model a matrix lies. `expert` is None outside of routed experts."""

    is_encoder: bool
    layer: int
    expert: Optional[int]
    projection: str


@dataclass(frozen=True, repr=False)
class MatrixInspection(_Shortened):
    """One weight matrix [out_features, in_features].

    `bits` are those of one code when packed, of one number otherwise; `weight_error` is
    ‖W − Ŵ‖F ÷ ‖W‖F, None when not packed; `place` is None for embedding and head.
    """

    name: str
    role: str
    out_features: int
    in_features: int
    type: str
    bits: int
    group_size: int
    metadata_bits: int
    quantizer: str
    rank: int
    factor_bits: int
    weight_error: Optional[float]
    stored_bytes: int
    codes_bytes: int
    scales_bytes: int
    factors_bytes: int
    place: Optional[MatrixPlace]


@dataclass(frozen=True, repr=False)
class RoleInspection(_Shortened):
    """Sums over the matrices of one role: attention, expert, router, …"""

    role: str
    num_matrices: int
    num_weights: int
    stored_bytes: int


@dataclass(frozen=True, repr=False)
class CompressionInspection(_Shortened):
    """How a packed model was made. `preset` is empty when a budget was asked for."""

    preset: str
    allocator: str
    budget_bits_per_weight: Optional[float]
    budget_bytes: Optional[int]
    bits_per_weight: float
    weight_error: float
    original_bytes: int
    trine_version: str


@dataclass(frozen=True, repr=False)
class ModelInspection(_Shortened):
    """What is in a model directory. `compression` is None for an original."""

    family: str
    num_parameters: int
    active_parameters: int
    stored_bytes: int
    hidden_size: int
    num_hidden_layers: int
    num_encoder_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    num_experts: int
    experts_per_token: int
    moe_intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    compression: Optional[CompressionInspection]
    roles: List[RoleInspection]
    matrices: List[MatrixInspection]


@dataclass(frozen=True, repr=False)
class UnseenExpert(_Shortened):
    """An expert that no token was ever sent to."""

    layer: int
    expert: int


@dataclass(frozen=True, repr=False)
class CalibrateReport(_Shortened):
    """What calibrate() gathered; the statistics themselves are in the file it wrote."""

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
class PlanReport(_Shortened):
    """A plan and its exact size. `json` is the text of the plan file."""

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
        return json.loads(self.json)["matrices"]


@dataclass(frozen=True, repr=False)
class CompressReport(_Shortened):
    """What compress() made.

    `bits_per_weight` counts every stored byte of the compressed matrices; `weight_error` is
    ‖W − Ŵ‖F ÷ ‖W‖F over all of them; `stored_bytes` is the whole model.
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


@dataclass(frozen=True, repr=False)
class VerifyReport(_Shortened):
    """An intact model; one that is not raises Error."""

    is_packed: bool
    num_tensors: int
    checked_bytes: int
    nonfinite_weights: int


@dataclass(frozen=True, repr=False)
class Score(_Shortened):
    """A mean and its standard error, windows being the independent draws."""

    value: float
    standard_error: float


@dataclass(frozen=True, repr=False)
class PerplexityReport(_Shortened):
    """Perplexity and, with a reference, closeness to it.

    `nll` is in nats per scored token, `kl_divergence` in nats per token, original ‖ model.
    Figures of different `protocol` ("disjoint", "sliding", "halves") are not comparable.
    """

    protocol: str
    window: int
    stride: int
    tokens: int
    scored_tokens: int
    windows: int
    nll: Score
    perplexity: Score
    kl_divergence: Optional[Score]
    top1_agreement: Optional[Score]
    routing_agreement: Optional[Score]
    seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True, repr=False)
class GenerateReport(_Shortened):
    """A text. `finish_reason` is "stop" at the end-of-sequence token, else "length"."""

    text: str
    finish_reason: str
    prompt_tokens: int
    generated_tokens: int
    prefill_seconds: float
    decode_seconds: float


@dataclass(frozen=True, repr=False)
class ChangeReport(_Shortened):
    """Norms of changes, one per token, beside their bounds.

    Dicts are keyed by the bound: "step", "norm", "probability", "block", "state".
    """

    tokens: int
    mean_bound: Dict[str, float]
    largest_bound: Dict[str, float]
    largest_ratio: Dict[str, float]
    exceeded: Dict[str, int]
    mean_observed: float
    largest_observed: float
    mean_size: float


@dataclass(frozen=True, repr=False)
class DecisionReport(_Shortened):
    """Decisions, one per token: shares proven unchanged, by bound, and flips observed."""

    tokens: int
    certified: Dict[str, float]
    broken: Dict[str, int]
    flips: int


@dataclass(frozen=True, repr=False)
class AgreementReport(_Shortened):
    """Agreement on the windows seen, and the least it is on windows that were not."""

    mean: float
    drawn_agreeing: int
    at_least_binomial: float
    at_least_hoeffding: float
    at_least: float


@dataclass(frozen=True, repr=False)
class CertifiedLayer(_Shortened):
    """One layer of a certificate. A decision that there is not has no tokens."""

    attention: ChangeReport
    experts: ChangeReport
    stream: ChangeReport
    routing_local: DecisionReport
    routing_next: DecisionReport
    routing_full: DecisionReport


@dataclass(frozen=True, repr=False)
class CertificateReport(_Shortened):
    """What quantization may change, and what was observed. `violations` other than 0 means that
    the certificate is wrong."""

    window: int
    probability: float
    tokens: int
    windows: int
    rows_per_window: float
    groups: int
    clipped_groups: int
    row_outputs: int
    row_exceeded: Dict[str, int]
    layers: List[CertifiedLayer]
    logits_local: ChangeReport
    logits_full: ChangeReport
    top1_local: DecisionReport
    top1_full: DecisionReport
    top1_agreement: AgreementReport
    routing_agreement: AgreementReport
    windows_exceeding: int
    violations: int
    seconds: float
    peak_rss_bytes: int
