"""Mixtral, in both spellings of config.json."""

import torch

from goldens.golden import Golden, Shapes, attention, decoder, linear, mixtral_experts

PLAIN = {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "hidden_size": 48,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "num_local_experts": 5,
    "num_experts_per_tok": 2,
    "vocab_size": 163,
    "max_position_embeddings": 64,
    "rms_norm_eps": 0.002,
    "rope_theta": 5000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "sliding_window": None,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "bfloat16",
}

WINDOW = {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "num_local_experts": 4,
    "num_experts_per_tok": 3,
    "vocab_size": 128,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-05,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "sliding_window": 7,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "dtype": "float32",
}


def shapes(config: dict) -> Shapes:
    hidden, count = config["hidden_size"], config["num_local_experts"]

    def feed_forward(layer: str, index: int) -> Shapes:
        name = f"{layer}.block_sparse_moe"
        router = linear(f"{name}.gate", count, hidden)
        return router | mixtral_experts(name, count, config["intermediate_size"], hidden)

    return decoder(config, lambda name: attention(config, name), feed_forward)


GOLDENS = [
    Golden(
        "mixtral", PLAIN, shapes(PLAIN), sequences=3, length=13,
        odd="head_dim 16 is not hidden_size / heads, experts are 56 wide (no multiple of 32), "
        "5 experts, vocabulary 163, unusual rms_norm_eps and rope_theta; config.json spelt as "
        "by transformers 4 (rope_theta, torch_dtype); BF16 in one file",
    ),
    Golden(
        "mixtral_window", WINDOW, shapes(WINDOW), length=24,
        storage=torch.float32, num_files=3,
        odd="sliding window of 7 positions and sequences of 24, tied embeddings (no "
        "lm_head.weight), one key/value head, 3 of 4 experts; config.json spelt as by "
        "transformers 5 (rope_parameters, dtype); F32 in 3 shards with an index",
    ),
]  # fmt: skip
