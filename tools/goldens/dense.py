"""Dense Llama with every kind of rotary scaling, Qwen2 and Qwen3."""

import torch

from goldens.golden import Golden, Shapes, attention, decoder, gated, norm

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": [2, 3],
    "head_dim": 12,
    "hidden_act": "silu",
    "hidden_size": 48,
    "initializer_range": 0.02,
    "intermediate_size": 88,
    "max_position_embeddings": 128,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 6,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 0.003,
    "rope_scaling": {
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
        "rope_type": "llama3",
    },
    "rope_theta": 500.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 101,
}

LINEAR = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": True,
    "dtype": "float32",
    "hidden_act": "silu",
    "hidden_size": 40,
    "intermediate_size": 52,
    "max_position_embeddings": 16,
    "mlp_bias": True,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 300.0},
    "tie_word_embeddings": False,
    "vocab_size": 89,
}

DYNAMIC = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 48,
    "intermediate_size": 60,
    "max_position_embeddings": 24,
    "model_type": "llama",
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "num_key_value_heads": 1,
    "rms_norm_eps": 0.0005,
    "rope_scaling": {"type": "dynamic", "factor": 2.0},
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "vocab_size": 97,
}

YARN = {
    "architectures": ["LlamaForCausalLM"],
    "dtype": "bfloat16",
    "hidden_act": "silu",
    "hidden_size": 48,
    "intermediate_size": 68,
    "max_position_embeddings": 128,
    "model_type": "llama",
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "num_key_value_heads": 3,
    "rms_norm_eps": 0.003,
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 100.0,
        "factor": 4.0,
        "beta_fast": 1.5,
        "beta_slow": 0.25,
        "original_max_position_embeddings": 32,
    },
    "tie_word_embeddings": False,
    "vocab_size": 103,
}

QWEN2 = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 40,
    "initializer_range": 0.02,
    "intermediate_size": 72,
    "max_position_embeddings": 128,
    "max_window_layers": 1,
    "model_type": "qwen2",
    "num_attention_heads": 5,
    "num_hidden_layers": 3,
    "num_key_value_heads": 1,
    "rms_norm_eps": 0.002,
    "rope_theta": 1000000.0,
    "sliding_window": 9,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_sliding_window": True,
    "vocab_size": 107,
}

QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "dtype": "bfloat16",
    "head_dim": 24,
    "hidden_act": "silu",
    "hidden_size": 40,
    "intermediate_size": 52,
    "layer_types": ["full_attention", "sliding_attention", "full_attention"],
    "max_position_embeddings": 128,
    "max_window_layers": 3,
    "model_type": "qwen3",
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "rms_norm_eps": 0.001,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    "sliding_window": 7,
    "tie_word_embeddings": False,
    "use_sliding_window": True,
    "vocab_size": 109,
}


def shapes(config: dict, biased: str = "", has_head_norms: bool = False) -> Shapes:
    def attention_of(name: str) -> Shapes:
        projections = attention(config, name, biased)
        if not has_head_norms:
            return projections
        width = config["head_dim"]
        return projections | norm(f"{name}.q_norm", width) | norm(f"{name}.k_norm", width)

    def feed_forward(layer: str, index: int) -> Shapes:
        width, hidden = config["intermediate_size"], config["hidden_size"]
        return gated(f"{layer}.mlp", width, hidden, config.get("mlp_bias", False))

    return decoder(config, attention_of, feed_forward)


GOLDENS = [
    Golden(
        "llama", LLAMA, shapes(LLAMA), length=48,
        odd="llama3 rotary scaling with frequencies kept, blended and divided, and sequences "
        "of 48 beyond the original 32; head_dim 12 is not hidden_size / heads; eos_token_id "
        "is a list; transformers 4 spelling; BF16",
    ),
    Golden(
        "llama_linear", LINEAR, shapes(LINEAR, "qkvo"),
        storage=torch.float32, embedding=0.001,
        odd="linear rotary scaling, biases in attention and MLP; "
        "num_key_value_heads, head_dim and rms_norm_eps omitted (heads, hidden_size / heads, "
        "1e-6) and embeddings so small that this epsilon counts; transformers 5 spelling; F32",
    ),
    Golden(
        "llama_dynamic", DYNAMIC, shapes(DYNAMIC), storage=torch.float16,
        looks_at_length=True,
        odd="dynamic NTK scaling spelt with `type`, rope_theta omitted (10000), sequences of 40 "
        "beyond max_position_embeddings 24; transformers 4 spelling; F16",
    ),
    Golden(
        "llama_yarn", YARN, shapes(YARN), length=48,
        odd="yarn with a ramp over half of the frequencies and the attention factor left to "
        "its default 0.1 ln 4 + 1, sequences of 48 beyond the original 32; transformers 5 "
        "spelling; BF16",
    ),
    Golden(
        "qwen2", QWEN2, shapes(QWEN2, "qkv"),
        odd="biases on q, k and v only, a window of 9 in the layers from max_window_layers 1 "
        "on, one key/value head, 5 heads, hidden_size 40, tied; transformers 4 spelling; BF16",
    ),
    Golden(
        "qwen3", QWEN3, shapes(QWEN3, has_head_norms=True),
        odd="q and k normalised per head, head_dim 24 with hidden_size 40, layer_types full, "
        "sliding (7), full; transformers 5 spelling; BF16",
    ),
]  # fmt: skip
