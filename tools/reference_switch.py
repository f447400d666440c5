"""Switch Transformer: encoder and decoder of T5 with one expert per token.

Sources: Raffel et al. 2019, arXiv:1910.10683; Fedus et al. 2021, arXiv:2101.03961. Every token
reaches its expert: `expert_capacity` is a limit of training hardware and is not applied.
"""

import numpy as np

from reference_decoder import (
    Forward, Model, attend, choices, rms_norm, rows_of, smallest_margin, softmax_then_best,
    split_heads,
)  # fmt: skip


class Switch(Model):
    DEFAULTS = {
        "layer_norm_epsilon": 1e-6, "num_sparse_encoder_layers": 3,
        "num_sparse_decoder_layers": 3, "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128, "tie_word_embeddings": True,
    }  # fmt: skip

    def forward(self, token_ids: np.ndarray, encoder_token_ids: np.ndarray) -> Forward:
        self.routings = []
        memory = self.stack("encoder", encoder_token_ids)
        num_encoder = len(self.routings)
        stream = self.stack("decoder", token_ids, memory)
        if self.config["tie_word_embeddings"]:
            stream = stream * self.config["d_model"] ** -0.5
        is_tied = self.config["tie_word_embeddings"]
        return Forward(
            self.linear(stream, "shared" if is_tied else "lm_head"),
            choices(self.routings[num_encoder:], token_ids.shape),
            smallest_margin(self.routings),
            self.config["num_experts"],
            choices(self.routings[:num_encoder], encoder_token_ids.shape),
        )

    def stack(self, side: str, token_ids: np.ndarray, memory=None) -> np.ndarray:
        stream = self.weights["shared.weight"][token_ids]
        bias = self.position_bias(side, token_ids.shape[1])
        for index in range(self.num_layers(side)):
            layer = f"{side}.block.{index}.layer"
            normed = self.norm(stream, f"{layer}.0.layer_norm")
            stream = stream + self.attention(normed, normed, f"{layer}.0.SelfAttention", bias)
            if memory is not None:
                normed = self.norm(stream, f"{layer}.1.layer_norm")
                stream = stream + self.attention(normed, memory, f"{layer}.1.EncDecAttention", 0)
            last = f"{layer}.{1 if memory is None else 2}"
            normed = self.norm(stream, f"{last}.layer_norm")
            stream = stream + self.feed_forward(normed, f"{last}.mlp", self.is_sparse(side, index))
        return self.norm(stream, f"{side}.final_layer_norm")

    def num_layers(self, side: str) -> int:
        layers = self.config["num_layers"]
        return layers if side == "encoder" else self.config.get("num_decoder_layers") or layers

    def is_sparse(self, side: str, index: int) -> bool:
        step = self.num_layers(side) // self.config[f"num_sparse_{side}_layers"]
        return step == 1 or index % step == 1

    def norm(self, inputs: np.ndarray, name: str) -> np.ndarray:
        return rms_norm(inputs, self.weights[f"{name}.weight"], self.config["layer_norm_epsilon"])

    def attention(self, inputs, source, name: str, bias) -> np.ndarray:
        """No scaling of the scores, and a causal mask only where `bias` brings one."""
        queries = split_heads(self.linear(inputs, f"{name}.q"), self.config["d_kv"])
        keys, values = (
            split_heads(self.linear(source, f"{name}.{part}"), self.config["d_kv"])
            for part in "kv"
        )
        mixed = attend(queries, keys, values, 1.0, is_causal=False, bias=bias)
        return self.linear(mixed, f"{name}.o")

    def position_bias(self, side: str, length: int) -> np.ndarray:
        """[head, query, key]: learnt per distance in block 0, used in every block."""
        name = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias"
        distance = np.arange(length)[None, :] - np.arange(length)[:, None]  # key minus query
        is_causal = side == "decoder"
        bias = self.weights[f"{name}.weight"][self.buckets(distance, is_causal)]
        bias = np.moveaxis(bias, -1, 0)
        return np.where(is_causal & (distance > 0), -np.inf, bias)

    def buckets(self, distance: np.ndarray, is_causal: bool) -> np.ndarray:
        """Near distances one by one, far ones by their logarithm; half of the buckets are for
        keys after the query, unless there are none."""
        count = self.config["relative_attention_num_buckets"]
        start = np.zeros_like(distance)
        if is_causal:
            distance = np.maximum(-distance, 0)
        else:
            count //= 2
            start = np.where(distance > 0, count, 0)
            distance = np.abs(distance)
        exact = count // 2
        far = np.log(np.maximum(distance, 1) / exact)
        far /= np.log(self.config["relative_attention_max_distance"] / exact)
        far = exact + np.trunc(far * (count - exact)).astype(int)
        return start + np.where(distance < exact, distance, np.minimum(far, count - 1))

    def feed_forward(self, inputs: np.ndarray, name: str, is_sparse: bool) -> np.ndarray:
        if not is_sparse:
            return self.relu_layers(inputs, name)
        logits = rows_of(self.linear(inputs, f"{name}.router.classifier"))
        routing = softmax_then_best(logits, 1, is_renormalised=False)
        return self.mix_experts(
            inputs,
            routing,
            lambda number, rows: self.relu_layers(rows, f"{name}.experts.expert_{number}"),
        )

    def relu_layers(self, inputs: np.ndarray, name: str) -> np.ndarray:
        return self.linear(np.maximum(self.linear(inputs, f"{name}.wi"), 0), f"{name}.wo")
