"""DeepSeek-MoE, DeepSeek-V2 and DeepSeek-V3.

Sources: Dai et al. 2024, arXiv:2401.06066 (shared experts); DeepSeek-V2, arXiv:2405.04434
(latent attention, groups of experts); DeepSeek-V3, arXiv:2412.19437 (sigmoid scores, selection
bias). What `norm_topk_prob` does is as in the code of each release.
"""

import numpy as np

from reference_decoder import (
    Decoder, Routing, attend, best, rms_norm, rows_of, sigmoid, softmax, softmax_then_best,
    split_heads,
)  # fmt: skip
from reference_llama_like import Llama
from reference_rope import (
    rope_parameters, rotate_halves, rotate_pairs, rotation, yarn_magnitude,
)  # fmt: skip


class SharedExperts(Decoder):
    """Dense layers first, then layers of routed experts and experts that every token passes."""

    def feed_forward(self, inputs: np.ndarray, index: int) -> np.ndarray:
        name = f"model.layers.{index}.mlp"
        if not self.is_sparse(index):
            return self.gated(inputs, name)
        outputs = self.mix_experts(
            inputs,
            self.route(rows_of(inputs), f"{name}.gate"),
            lambda number, rows: self.gated(rows, f"{name}.experts.{number}"),
        )
        return outputs + self.gated(inputs, f"{name}.shared_experts")

    def is_sparse(self, index: int) -> bool:
        first = self.config.get("first_k_dense_replace", 0)
        return index >= first and index % self.config.get("moe_layer_freq", 1) == 0

    def route(self, rows: np.ndarray, name: str) -> Routing:
        raise NotImplementedError


class DeepseekMoe(SharedExperts, Llama):
    def route(self, rows: np.ndarray, name: str) -> Routing:
        return softmax_then_best(
            self.linear(rows, name),
            self.config["num_experts_per_tok"],
            self.config.get("norm_topk_prob", False),
        )


class DeepseekV2(SharedExperts):
    """Keys and values come from a latent; only a part of each head is rotated."""

    DEFAULTS = {
        "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64, "v_head_dim": 128, "topk_method": "greedy",
        "norm_topk_prob": False, "routed_scaling_factor": 1.0, "rope_interleave": True,
    }  # fmt: skip
    LATENT_EPS = 1e-6  # whatever rms_norm_eps says

    def attention(self, inputs: np.ndarray, index: int) -> np.ndarray:
        name, config = f"model.layers.{index}.self_attn", self.config
        plain, rotated = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
        queries = split_heads(self.queries(inputs, name), plain + rotated)
        latent = self.linear(inputs, f"{name}.kv_a_proj_with_mqa")
        latent, shared_key = np.split(latent, [config["kv_lora_rank"]], axis=-1)
        latent = self.latent_norm(latent, f"{name}.kv_a_layernorm")
        expanded = self.linear(latent, f"{name}.kv_b_proj")
        expanded = split_heads(expanded, plain + config["v_head_dim"])
        keys, values = np.split(expanded, [plain], axis=-1)

        turn = rotation(config, rotated, inputs.shape[1])
        rotate = rotate_pairs if config["rope_interleave"] else rotate_halves
        shared_key = rotate(shared_key[:, None], turn)
        shared_key = np.broadcast_to(shared_key, (*keys.shape[:3], rotated))
        keys = np.concatenate([keys, shared_key], axis=-1)
        queries = np.concatenate(
            [queries[..., :plain], rotate(queries[..., plain:], turn)], axis=-1
        )
        return self.linear(
            attend(queries, keys, values, self.attention_scale()), f"{name}.o_proj"
        )

    def queries(self, inputs: np.ndarray, name: str) -> np.ndarray:
        if self.config["q_lora_rank"] is None:
            return self.linear(inputs, f"{name}.q_proj")
        latent = self.linear(inputs, f"{name}.q_a_proj")
        return self.linear(self.latent_norm(latent, f"{name}.q_a_layernorm"), f"{name}.q_b_proj")

    def latent_norm(self, latent: np.ndarray, name: str) -> np.ndarray:
        return rms_norm(latent, self.weights[f"{name}.weight"], self.LATENT_EPS)

    def attention_scale(self) -> float:
        """YaRN's temperature is applied here, squared, and not to cos and sin."""
        scale = (self.config["qk_nope_head_dim"] + self.config["qk_rope_head_dim"]) ** -0.5
        parameters = rope_parameters(self.config)
        if parameters["rope_type"] == "default" or not parameters.get("mscale_all_dim"):
            return scale
        return scale * yarn_magnitude(parameters["factor"], parameters["mscale_all_dim"]) ** 2

    def route(self, rows: np.ndarray, name: str) -> Routing:
        """Shares are either renormalised or scaled, not both."""
        config = self.config
        scores, group_margin = softmax(self.linear(rows, name)), np.inf
        allowed = np.ones_like(scores, dtype=bool)
        if config["topk_method"] == "group_limited_greedy":
            grouped = scores.reshape(len(rows), config["n_group"], -1)
            allowed, group_margin = in_best_groups(grouped.max(axis=-1), config, scores.shape[-1])
        experts, margin = best(np.where(allowed, scores, 0), config["num_experts_per_tok"])
        shares = np.take_along_axis(scores, experts, axis=-1)
        if config["norm_topk_prob"] and config["num_experts_per_tok"] > 1:
            shares = shares / shares.sum(axis=-1, keepdims=True)
        else:
            shares = shares * config["routed_scaling_factor"]
        return Routing(experts, shares, scores.shape[-1], min(margin, group_margin))


class DeepseekV3(DeepseekV2):
    """A bias decides who is chosen, but not with which share."""

    DEFAULTS = {
        **DeepseekV2.DEFAULTS, "n_group": 8, "topk_group": 4, "norm_topk_prob": True,
        "routed_scaling_factor": 2.5, "first_k_dense_replace": 3,
    }  # fmt: skip

    def route(self, rows: np.ndarray, name: str) -> Routing:
        config = self.config
        scores = sigmoid(rows @ self.weights[f"{name}.weight"].T)
        biased = scores + self.weights[f"{name}.e_score_correction_bias"]
        grouped = np.sort(biased.reshape(len(rows), config["n_group"], -1), axis=-1)
        allowed, group_margin = in_best_groups(
            grouped[..., -2:].sum(axis=-1), config, scores.shape[-1]
        )
        experts, margin = best(np.where(allowed, biased, -np.inf), config["num_experts_per_tok"])
        shares = np.take_along_axis(scores, experts, axis=-1)
        if config["norm_topk_prob"]:
            shares = shares / (shares.sum(axis=-1, keepdims=True) + 1e-20)
        shares = shares * config["routed_scaling_factor"]
        return Routing(experts, shares, scores.shape[-1], min(margin, group_margin))


def in_best_groups(
    group_scores: np.ndarray, config: dict, num_experts: int
) -> tuple[np.ndarray, float]:
    """Which experts [token, expert] are in the best `topk_group` groups, and by how much."""
    groups, margin = best(group_scores, config["topk_group"])
    is_best = np.zeros(group_scores.shape, dtype=bool)
    np.put_along_axis(is_best, groups, True, axis=-1)
    return np.repeat(is_best, num_experts // config["n_group"], axis=-1), margin
