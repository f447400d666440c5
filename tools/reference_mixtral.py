#!/usr/bin/env python3
"""A second opinion on tests/golden: Mixtral's forward pass written from its paper, NumPy only.

    python3 tools/reference_mixtral.py tests/golden/mixtral

Reads config.json (both spellings) and safetensors, computes in double precision, and prints the
largest difference to the golden logits; exit code 1 above TOLERANCE or if a router differs.
Sources: Jiang et al. 2024, arXiv:2401.04088; window: Jiang et al. 2023, arXiv:2310.06825.
"""

import json
import sys
from pathlib import Path

import numpy as np

TOLERANCE = 1e-4  # the golden's own fp32 rounding reaches 2e-5; a wrong norm epsilon gives 0.3


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    raw = path.read_bytes()
    header_end = 8 + int.from_bytes(raw[:8], "little")
    tensors = {}
    for name, entry in json.loads(raw[8:header_end]).items():
        if name == "__metadata__":
            continue
        begin, end = (header_end + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "BF16":  # the upper half of a float
            bits = np.frombuffer(raw[begin:end], "<u2").astype(np.uint32) << 16
            values = bits.view(np.float32)
        else:
            dtype = {"F32": "<f4", "F16": "<f2", "I32": "<i4"}[entry["dtype"]]
            values = np.frombuffer(raw[begin:end], dtype)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


class Mixtral:
    """The whole model, one sequence at a time; `router_choices` grows by one row per layer."""

    def __init__(self, folder: Path):
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = {
            name: values.astype(np.float64)
            for file in sorted(folder.glob("model*.safetensors"))
            for name, values in read_safetensors(file).items()
        }
        self.heads = self.config["num_attention_heads"]
        default_width = self.config["hidden_size"] // self.heads
        self.head_dim = self.config.get("head_dim") or default_width
        rope = self.config.get("rope_parameters") or self.config
        self.rope_theta = rope["rope_theta"]
        self.router_choices: list[np.ndarray] = []

    def logits(self, token_ids: np.ndarray) -> np.ndarray:
        """[length] → [length, vocab]."""
        self.router_choices = []
        stream = self.weights["model.embed_tokens.weight"][token_ids]
        for index in range(self.config["num_hidden_layers"]):
            layer = f"model.layers.{index}"
            normed = self.rms_norm(stream, f"{layer}.input_layernorm")
            stream = stream + self.attention(normed, f"{layer}.self_attn")
            normed = self.rms_norm(stream, f"{layer}.post_attention_layernorm")
            stream = stream + self.experts(normed, f"{layer}.block_sparse_moe")
        head = "model.embed_tokens" if self.config.get("tie_word_embeddings") else "lm_head"
        return self.linear(self.rms_norm(stream, "model.norm"), head)

    def linear(self, inputs: np.ndarray, name: str) -> np.ndarray:
        return inputs @ self.weights[f"{name}.weight"].T

    def rms_norm(self, inputs: np.ndarray, name: str) -> np.ndarray:
        mean_square = (inputs**2).mean(axis=-1, keepdims=True)
        scale = 1 / np.sqrt(mean_square + self.config["rms_norm_eps"])
        return inputs * scale * self.weights[f"{name}.weight"]

    def attention(self, inputs: np.ndarray, name: str) -> np.ndarray:
        """Causal grouped-query attention with rotary positions and an optional window."""
        length = len(inputs)

        def heads_of(projection: str) -> np.ndarray:  # [heads, length, head_dim]
            flat = self.linear(inputs, f"{name}.{projection}")
            return flat.reshape(length, -1, self.head_dim).transpose(1, 0, 2)

        queries, keys = self.rotate(heads_of("q_proj")), self.rotate(heads_of("k_proj"))
        values = heads_of("v_proj")
        shared_by = self.heads // len(keys)  # consecutive query heads share one key head
        keys, values = (np.repeat(array, shared_by, axis=0) for array in (keys, values))
        scores = queries @ keys.transpose(0, 2, 1) / np.sqrt(self.head_dim)
        distance = np.arange(length)[:, None] - np.arange(length)[None, :]
        window = self.config.get("sliding_window") or length
        is_visible = (distance >= 0) & (distance < window)  # the window counts the token itself
        mixed = softmax(np.where(is_visible, scores, -np.inf)) @ values
        return self.linear(mixed.transpose(1, 0, 2).reshape(length, -1), f"{name}.o_proj")

    def rotate(self, heads: np.ndarray) -> np.ndarray:
        """Rotary embedding: channel i turns with channel i + head_dim / 2."""
        half = self.head_dim // 2
        frequencies = self.rope_theta ** (-np.arange(half) / half)
        angles = np.arange(heads.shape[1])[:, None] * frequencies
        first, second = heads[..., :half], heads[..., half:]
        cos, sin = np.cos(angles), np.sin(angles)
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)

    def experts(self, inputs: np.ndarray, name: str) -> np.ndarray:
        """The best experts of each token, weighted by their renormalised probabilities."""
        probabilities = softmax(self.linear(inputs, f"{name}.gate"))
        count = self.config["num_experts_per_tok"]
        choices = np.sort(np.argsort(-probabilities, axis=-1)[:, :count], axis=-1)
        self.router_choices.append(choices)
        outputs = np.zeros_like(inputs)
        for position, chosen in enumerate(choices):
            shares = probabilities[position, chosen] / probabilities[position, chosen].sum()
            for expert, share in zip(chosen, shares):
                outputs[position] += share * self.expert(inputs[position], name, expert)
        return outputs

    def expert(self, inputs: np.ndarray, name: str, expert: int) -> np.ndarray:
        gate = self.linear(inputs, f"{name}.experts.{expert}.w1")
        up = self.linear(inputs, f"{name}.experts.{expert}.w3")
        return self.linear(gate / (1 + np.exp(-gate)) * up, f"{name}.experts.{expert}.w2")


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    model, golden = Mixtral(folder), read_safetensors(folder / "golden.safetensors")
    difference = 0.0
    for index, token_ids in enumerate(golden["token_ids"]):
        logits = model.logits(token_ids)
        difference = max(difference, np.abs(logits - golden["logits"][index]).max())
        if not np.array_equal(model.router_choices, golden["router_choices"][:, index]):
            sys.exit(f"{folder}: the router chose other experts in sequence {index}")
    print(f"{folder}: largest difference of a logit {difference:.2e}, router choices equal")
    if not difference <= TOLERANCE:
        sys.exit(f"{folder}: above the tolerance of {TOLERANCE}")


if __name__ == "__main__":
    main()
