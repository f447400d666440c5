"""What inspect() and verify() return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

from ._base import Shortened


@dataclass(frozen=True, repr=False)
class MatrixPlace(Shortened):
    """Where in the model a matrix lies.

    Attributes:
        is_encoder: in a layer of the encoder.
        layer: counted from 0.
        expert: index of the routed expert; None outside of routed experts.
        projection: "gate_proj", "q_proj", …; "cross q_proj" in cross attention.
    """

    is_encoder: bool
    layer: int
    expert: Optional[int]
    projection: str


@dataclass(frozen=True, repr=False)
class MatrixInspection(Shortened):
    """One weight matrix [out_features, in_features].

    Attributes:
        name: of its tensor in the original checkpoint.
        role: "attention", "latent", "dense", "expert", "shared_expert", "router",
            "position_bias", "embedding" or "head".
        out_features: rows.
        in_features: columns.
        type: "BF16", "F32", …, or "affine" for packed codes.
        bits: of one code when packed, of one number otherwise.
        group_size: so many inputs share a scale and a zero; 0 when not packed.
        metadata_bits: of one scale or zero; 0 when not packed.
        quantizer: that rounded it; empty when not packed.
        rank: of its compensator; 0: none.
        factor_bits: of the compensator's factors.
        weight_error: ‖W − Ŵ‖F ÷ ‖W‖F, compensator included; None when not packed.
        stored_bytes: all of it.
        codes_bytes: its packed codes, padding included.
        scales_bytes: its scales and zeros.
        factors_bytes: its compensator, scales of the factors included.
        place: None outside of layers: embedding, head.
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
class RoleInspection(Shortened):
    """Sums over the matrices of one role.

    Attributes:
        role: as in MatrixInspection.
        num_matrices: that have the role.
        num_weights: in all of them.
        stored_bytes: of all of them.
    """

    role: str
    num_matrices: int
    num_weights: int
    stored_bytes: int


@dataclass(frozen=True, repr=False)
class CompressionInspection(Shortened):
    """How a packed model was made.

    Attributes:
        preset: empty when a budget was asked for.
        allocator: who chose bits and ranks.
        budget_bits_per_weight: the budget, if it was one of bits.
        budget_bytes: the budget, if it was one of bytes.
        bits_per_weight: of the compressed matrices, everything stored counted.
        weight_error: ‖W − Ŵ‖F ÷ ‖W‖F over all of them.
        original_bytes: of the whole original.
        trine_version: that made it.
    """

    preset: str
    allocator: str
    budget_bits_per_weight: Optional[float]
    budget_bytes: Optional[int]
    bits_per_weight: float
    weight_error: float
    original_bytes: int
    trine_version: str


@dataclass(frozen=True, repr=False)
class ModelInspection(Shortened):
    """What is in a model directory; sizes have the names of the model's config.json.

    Attributes:
        family: "mixtral", "qwen3_moe", …
        num_parameters: all weights.
        active_parameters: used per token; embeddings count as one row.
        stored_bytes: of all tensors.
        hidden_size: width of the residual stream.
        num_hidden_layers: of the decoder.
        num_encoder_layers: 0: decoder-only.
        num_attention_heads: of queries.
        num_key_value_heads: of keys and values.
        head_dim: width of one head.
        num_experts: routed experts of a layer; 0: a dense model.
        experts_per_token: chosen by the router.
        moe_intermediate_size: width of one expert.
        vocab_size: rows of the head.
        max_position_embeddings: positions the model was made for.
        compression: how it was packed; None for an original.
        roles: sums by role.
        matrices: every one of them.
    """

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
class VerifyReport(Shortened):
    """An intact model; one that is not raises Error.

    Attributes:
        is_packed: or an original.
        num_tensors: that were checked.
        checked_bytes: in all of them.
        nonfinite_weights: infinities and NaNs that compress() was told to allow.
    """

    is_packed: bool
    num_tensors: int
    checked_bytes: int
    nonfinite_weights: int
