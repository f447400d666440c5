"""Phi-3.5-MoE: SparseMixer routing, LayerNorm, biases, LongRoPE.

Sources: Liu et al. 2024, arXiv:2409.12136 (SparseMixer-v2 and the release's evaluation mode).
"""

import numpy as np

from reference_decoder import Routing, rows_of, silu, softmax
from reference_llama_like import Llama


class Phimoe(Llama):
    DEFAULTS = {"rope_theta": 1e6, "rms_norm_eps": 1e-5, "router_jitter_noise": 0.01}

    def norm(self, inputs: np.ndarray, name: str) -> np.ndarray:
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        normed = centred / np.sqrt(variance + self.config["rms_norm_eps"])
        return normed * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def window(self, index: int) -> int | None:
        return self.config.get("sliding_window")

    def feed_forward(self, inputs: np.ndarray, index: int) -> np.ndarray:
        name = f"model.layers.{index}.block_sparse_moe"
        logits = rows_of(self.linear(inputs, f"{name}.gate"))

        def expert(number: int, rows: np.ndarray) -> np.ndarray:
            gate, up = (self.linear(rows, f"{name}.experts.{number}.{w}") for w in ("w1", "w3"))
            return self.linear(silu(gate) * up, f"{name}.experts.{number}.w2")

        routing = sparse_mixer(logits, 2 * self.config["router_jitter_noise"])
        return self.mix_experts(inputs, routing, expert)


def sparse_mixer(logits: np.ndarray, tolerance: float) -> Routing:
    """The two best, each with its probability among those that come close to it. The shares do
    not sum to one; the second choice is made as if the first expert did not exist."""
    candidates = logits.copy()
    experts, shares, margin = [], [], np.inf
    for _ in range(2):
        ranked = np.sort(candidates, axis=-1)
        largest = ranked[:, -1:]
        distance = (largest - candidates) / np.maximum(np.abs(logits), largest)
        close = np.where(distance <= tolerance, candidates, -np.inf)
        chosen = candidates.argmax(axis=-1)[:, None]
        experts.append(chosen)
        shares.append(np.take_along_axis(softmax(close), chosen, axis=-1))
        margin = min(margin, (ranked[:, -1] - ranked[:, -2]).min())
        margin = min(margin, np.abs(distance - tolerance).min())
        np.put_along_axis(candidates, chosen, -np.inf, axis=-1)
    return Routing(np.hstack(experts), np.hstack(shares), logits.shape[-1], margin)
