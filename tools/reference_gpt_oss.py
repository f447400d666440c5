"""GPT-OSS: attention sinks, alternating windows, biased experts with a clamped SwiGLU.

Source: OpenAI 2025, arXiv:2508.10925; sinks: Xiao et al. 2023, arXiv:2309.17453.
"""

import numpy as np

from reference_decoder import best_then_softmax, rows_of, sigmoid
from reference_llama_like import Llama

SIGMOID_GAIN = 1.702


class GptOss(Llama):
    DEFAULTS = {
        "rope_theta": 150000.0, "rms_norm_eps": 1e-5, "head_dim": 64, "sliding_window": 128,
        "swiglu_limit": 7.0,
    }  # fmt: skip

    def window(self, index: int) -> int | None:
        kinds = self.config.get("layer_types")
        has_window = kinds[index] == "sliding_attention" if kinds else index % 2 == 0
        return self.config["sliding_window"] if has_window else None

    def feed_forward(self, inputs: np.ndarray, index: int) -> np.ndarray:
        name = f"model.layers.{index}.mlp"
        logits = rows_of(self.linear(inputs, f"{name}.router"))
        routing = best_then_softmax(logits, self.config["num_experts_per_tok"])
        parts = [
            self.weights[f"{name}.experts.{part}{kind}"]
            for part in ("gate_up_proj", "down_proj")
            for kind in ("", "_bias")
        ]

        def expert(number: int, rows: np.ndarray) -> np.ndarray:
            gate_up, gate_up_bias, down, down_bias = (part[number] for part in parts)
            both, limit = rows @ gate_up + gate_up_bias, self.config["swiglu_limit"]
            gate = np.minimum(both[:, 0::2], limit)
            up = np.clip(both[:, 1::2], -limit, limit)
            return (gate * sigmoid(SIGMOID_GAIN * gate) * (up + 1)) @ down + down_bias

        return self.mix_experts(inputs, routing, expert)
