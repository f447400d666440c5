"""Llama, Mixtral, Qwen, OLMoE and Granite: grouped-query attention with rotary positions.

Sources: Llama, arXiv:2302.13971; Mixtral, arXiv:2401.04088; sliding window, arXiv:2310.06825;
Qwen2 (and Qwen2-MoE), arXiv:2407.10671; Qwen3, arXiv:2505.09388; OLMoE, arXiv:2409.02060;
Granite 3.0 (IBM, 2024).
"""

import numpy as np

from reference_decoder import (
    Decoder, attend, best_then_softmax, rows_of, sigmoid, silu, softmax_then_best,
    split_heads,
)  # fmt: skip
from reference_rope import rotate_halves, rotation


class Llama(Decoder):
    """Biases, norms of heads and sinks are used where the checkpoint has them."""

    def attention(self, inputs: np.ndarray, index: int) -> np.ndarray:
        name = f"model.layers.{index}.self_attn"
        width = self.head_dim()
        queries, keys, values = (
            split_heads(part, width) for part in self.projections(inputs, name)
        )
        if f"{name}.q_norm.weight" in self.weights:
            queries, keys = self.normed_heads(queries, keys, name)
        turn = rotation(self.config, width, inputs.shape[1])
        queries, keys = rotate_halves(queries, turn), rotate_halves(keys, turn)
        mixed = attend(
            queries, keys, values, self.attention_scale(),
            window=self.window(index), sinks=self.weights.get(f"{name}.sinks"),
        )  # fmt: skip
        return self.linear(mixed, f"{name}.o_proj")

    def head_dim(self) -> int:
        default = self.config["hidden_size"] // self.config["num_attention_heads"]
        return self.config.get("head_dim") or default

    def projections(self, inputs: np.ndarray, name: str) -> list[np.ndarray]:
        return [self.linear(inputs, f"{name}.{part}_proj") for part in "qkv"]

    def normed_heads(self, queries, keys, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self.norm(queries, f"{name}.q_norm"), self.norm(keys, f"{name}.k_norm")

    def attention_scale(self) -> float:
        return self.head_dim() ** -0.5

    def window(self, index: int) -> int | None:
        """How many positions layer `index` looks back, itself counted; None: all."""
        return None

    def feed_forward(self, inputs: np.ndarray, index: int) -> np.ndarray:
        return self.gated(inputs, f"model.layers.{index}.mlp")


class Mixtral(Llama):
    def window(self, index: int) -> int | None:
        return self.config.get("sliding_window")

    def feed_forward(self, inputs: np.ndarray, index: int) -> np.ndarray:
        name = f"model.layers.{index}.block_sparse_moe"
        count = self.config["num_experts_per_tok"]
        logits = rows_of(self.linear(inputs, f"{name}.gate"))
        routing = softmax_then_best(logits, count, is_renormalised=True)

        def expert(number: int, rows: np.ndarray) -> np.ndarray:
            gate, up = (self.linear(rows, f"{name}.experts.{number}.{w}") for w in ("w1", "w3"))
            return self.linear(silu(gate) * up, f"{name}.experts.{number}.w2")

        return self.mix_experts(inputs, routing, expert)


class Qwen(Llama):
    """Qwen2 and Qwen3, dense."""

    DEFAULTS = {"sliding_window": 4096, "max_window_layers": 28, "head_dim": None}

    def window(self, index: int) -> int | None:
        if not self.config.get("use_sliding_window"):
            return None
        kinds = self.config.get("layer_types")
        if kinds:
            has_window = kinds[index] == "sliding_attention"
        else:
            has_window = index >= self.config["max_window_layers"]
        return self.config["sliding_window"] if has_window else None


class Qwen3(Qwen):
    DEFAULTS = {**Qwen.DEFAULTS, "head_dim": 128}


class QwenMoe(Qwen):
    """Qwen2-MoE and Qwen3-MoE: some layers dense, perhaps a shared expert with a gate."""

    DEFAULTS = {**Qwen.DEFAULTS, "decoder_sparse_step": 1, "norm_topk_prob": False}

    def feed_forward(self, inputs: np.ndarray, index: int) -> np.ndarray:
        name = f"model.layers.{index}.mlp"
        is_sparse = (index + 1) % self.config["decoder_sparse_step"] == 0
        if index in (self.config.get("mlp_only_layers") or []) or not is_sparse:
            return self.gated(inputs, name)
        routing = softmax_then_best(
            rows_of(self.linear(inputs, f"{name}.gate")),
            self.config["num_experts_per_tok"],
            self.config["norm_topk_prob"],
        )
        outputs = self.mix_experts(inputs, routing, self.expert_of(name))
        if f"{name}.shared_expert_gate.weight" in self.weights:
            opening = sigmoid(self.linear(inputs, f"{name}.shared_expert_gate"))
            outputs = outputs + opening * self.gated(inputs, f"{name}.shared_expert")
        return outputs

    def expert_of(self, name: str):
        """Both layouts: a tensor per expert, or all experts in one (`gate_up_proj`)."""
        fused = self.weights.get(f"{name}.experts.gate_up_proj")
        if fused is None:
            return lambda number, rows: self.gated(rows, f"{name}.experts.{number}")
        down = self.weights[f"{name}.experts.down_proj"]
        return lambda number, rows: gated_halves(rows, fused[number], down[number])


class Qwen3Moe(QwenMoe):
    def window(self, index: int) -> int | None:
        return self.config["sliding_window"] if self.config.get("use_sliding_window") else None


class Olmoe(QwenMoe):
    """q and k are normalised before they are split into heads; all three may be clipped."""

    DEFAULTS = {"decoder_sparse_step": 1, "norm_topk_prob": False, "rms_norm_eps": 1e-5}

    def projections(self, inputs: np.ndarray, name: str) -> list[np.ndarray]:
        queries, keys, values = super().projections(inputs, name)
        parts = [self.norm(queries, f"{name}.q_norm"), self.norm(keys, f"{name}.k_norm"), values]
        limit = self.config.get("clip_qkv")
        return parts if limit is None else [np.clip(part, -limit, limit) for part in parts]

    def normed_heads(self, queries, keys, name: str) -> tuple[np.ndarray, np.ndarray]:
        return queries, keys

    def window(self, index: int) -> int | None:
        return None


class Granite(Llama):
    """Multipliers everywhere, experts in one tensor, softmax among the chosen."""

    def embed(self, token_ids: np.ndarray) -> np.ndarray:
        return super().embed(token_ids) * self.config.get("embedding_multiplier", 1.0)

    def attention_scale(self) -> float:
        return self.config.get("attention_multiplier", 1.0)

    def branch_scale(self) -> float:
        return self.config.get("residual_multiplier", 1.0)

    def head(self, inputs: np.ndarray) -> np.ndarray:
        return super().head(inputs) / self.config.get("logits_scaling", 1.0)

    def feed_forward(self, inputs: np.ndarray, index: int) -> np.ndarray:
        name = f"model.layers.{index}.block_sparse_moe"
        gate_up = self.weights[f"{name}.input_linear.weight"]
        down = self.weights[f"{name}.output_linear.weight"]
        logits = rows_of(self.linear(inputs, f"{name}.router.layer"))
        routing = best_then_softmax(logits, self.config["num_experts_per_tok"])
        return self.mix_experts(
            inputs, routing, lambda number, rows: gated_halves(rows, gate_up[number], down[number])
        )


def gated_halves(rows: np.ndarray, gate_up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """An expert whose gate is the first half of [2I, H] and whose up is the second."""
    gate, up = np.split(rows @ gate_up.T, 2, axis=-1)
    return (silu(gate) * up) @ down.T
