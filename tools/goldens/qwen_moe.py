"""Qwen2-MoE, Qwen3-MoE (in both layouts of the experts) and OLMoE."""

from goldens.golden import Golden, Shapes, attention, decoder, experts, gated, linear, norm

QWEN2_MOE = {
    "architectures": ["Qwen2MoeForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "decoder_sparse_step": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 48,
    "initializer_range": 0.02,
    "intermediate_size": 44,
    "max_position_embeddings": 128,
    "max_window_layers": 1,
    "mlp_only_layers": [1],
    "model_type": "qwen2_moe",
    "moe_intermediate_size": 20,
    "num_attention_heads": 6,
    "num_experts": 6,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "output_router_logits": False,
    "rms_norm_eps": 0.004,
    "rope_theta": 1000000.0,
    "router_aux_loss_coef": 0.001,
    "shared_expert_intermediate_size": 28,
    "sliding_window": 5,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 101,
}

QWEN3_MOE = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "decoder_sparse_step": 2,
    "head_dim": 20,
    "hidden_act": "silu",
    "hidden_size": 40,
    "intermediate_size": 52,
    "max_position_embeddings": 128,
    "max_window_layers": 4,
    "mlp_only_layers": [],
    "model_type": "qwen3_moe",
    "moe_intermediate_size": 24,
    "norm_topk_prob": True,
    "num_attention_heads": 4,
    "num_experts": 7,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 0.0001,
    "rope_scaling": None,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_sliding_window": False,
    "vocab_size": 97,
}

QWEN3_MOE_FUSED = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "dtype": "bfloat16",
    "head_dim": 12,
    "hidden_act": "silu",
    "hidden_size": 36,
    "intermediate_size": 44,
    "max_position_embeddings": 128,
    "model_type": "qwen3_moe",
    "moe_intermediate_size": 20,
    "num_attention_heads": 6,
    "num_experts": 5,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 2,
    "num_key_value_heads": 3,
    "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0},
    "sliding_window": 11,
    "tie_word_embeddings": False,
    "use_sliding_window": True,
    "vocab_size": 113,
}

OLMOE = {
    "architectures": ["OlmoeForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "clip_qkv": 1.5,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 48,
    "initializer_range": 0.02,
    "intermediate_size": 24,
    "max_position_embeddings": 128,
    "model_type": "olmoe",
    "norm_topk_prob": False,
    "num_attention_heads": 4,
    "num_experts": 7,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "output_router_logits": False,
    "pad_token_id": 1,
    "rope_scaling": None,
    "rope_theta": 2500.0,
    "router_aux_loss_coef": 0.01,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 103,
}


def qwen2_moe_shapes(config: dict) -> Shapes:
    hidden = config["hidden_size"]

    def feed_forward(layer: str, index: int) -> Shapes:
        name = f"{layer}.mlp"
        if index in config["mlp_only_layers"]:
            return gated(name, config["intermediate_size"], hidden)
        shared = config["shared_expert_intermediate_size"]
        shapes = gated(f"{name}.shared_expert", shared, hidden)
        shapes |= linear(f"{name}.shared_expert_gate", 1, hidden)
        return shapes | routed(name, config, config["moe_intermediate_size"])

    return decoder(config, lambda name: attention(config, name, "qkv"), feed_forward)


def qwen3_moe_shapes(config: dict, is_fused: bool = False) -> Shapes:
    hidden, width = config["hidden_size"], config["moe_intermediate_size"]

    def attention_of(name: str) -> Shapes:
        norms = {f"{name}.{part}_norm.weight": (config["head_dim"],) for part in "qk"}
        return attention(config, name) | norms

    def feed_forward(layer: str, index: int) -> Shapes:
        name, count = f"{layer}.mlp", config["num_experts"]
        if (index + 1) % config.get("decoder_sparse_step", 1) != 0:
            return gated(name, config["intermediate_size"], hidden)
        if not is_fused:
            return routed(name, config, width)
        return linear(f"{name}.gate", count, hidden) | {
            f"{name}.experts.gate_up_proj": (count, 2 * width, hidden),
            f"{name}.experts.down_proj": (count, hidden, width),
        }

    return decoder(config, attention_of, feed_forward)


def olmoe_shapes(config: dict) -> Shapes:
    head_dim = config["hidden_size"] // config["num_attention_heads"]

    def attention_of(name: str) -> Shapes:
        shapes = attention(config, name) | norm(f"{name}.q_norm", config["hidden_size"])
        return shapes | norm(f"{name}.k_norm", head_dim * config["num_key_value_heads"])

    def feed_forward(layer: str, index: int) -> Shapes:
        return routed(f"{layer}.mlp", config, config["intermediate_size"])

    return decoder(config, attention_of, feed_forward)


def routed(name: str, config: dict, width: int) -> Shapes:
    count, hidden = config["num_experts"], config["hidden_size"]
    return linear(f"{name}.gate", count, hidden) | experts(name, count, width, hidden)


GOLDENS = [
    Golden(
        "qwen2_moe", QWEN2_MOE, qwen2_moe_shapes(QWEN2_MOE),
        odd="mlp_only_layers makes layer 1 dense; qkv_bias omitted (true), norm_topk_prob "
        "omitted (false); a gated shared expert of its own width; sliding_window 5 that "
        "use_sliding_window false switches off; transformers 4 spelling",
    ),
    Golden(
        "qwen3_moe", QWEN3_MOE, qwen3_moe_shapes(QWEN3_MOE), length=32,
        odd="decoder_sparse_step 2 makes layers 0 and 2 dense; norm_topk_prob true; q and k "
        "normalised per head, head_dim 20 with hidden_size 40; 3 of 7 experts; transformers 4 "
        "spelling with null rope_scaling",
    ),
    Golden(
        "qwen3_moe_fused", QWEN3_MOE_FUSED, qwen3_moe_shapes(QWEN3_MOE_FUSED, is_fused=True),
        embedding=0.001,
        odd="experts in two tensors per layer (gate_up_proj [E, 2I, H], down_proj [E, H, I]), "
        "as transformers 5 can save them; norm_topk_prob, decoder_sparse_step, mlp_only_layers, "
        "attention_bias and rms_norm_eps omitted (false, 1, none, false, 1e-6), with embeddings so "
        "small that this epsilon counts; a window of 11 in every layer; transformers 5 spelling",
    ),
    Golden(
        "olmoe", OLMOE, olmoe_shapes(OLMOE), length=32, embedding=0.003,
        odd="q and k normalised over the whole projection, then clip_qkv 1.5 (values are "
        "clipped too), two query heads per key head; rms_norm_eps omitted (1e-5), with "
        "embeddings so small that it counts; 3 of 7 experts, not renormalised; transformers 4 "
        "spelling",
    ),
]  # fmt: skip
