"""DeepSeek-MoE (code of the release, not in transformers) and DeepSeek-V2."""

import torch

from goldens.golden import (
    Golden, Shapes, Tensors, attention, decoder, experts, gated, linear, norm,
)  # fmt: skip

DEEPSEEK = {
    "architectures": ["DeepseekForCausalLM"],
    "attention_bias": False,
    "aux_loss_alpha": 0.001,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "first_k_dense_replace": 1,
    "hidden_act": "silu",
    "hidden_size": 40,
    "intermediate_size": 44,
    "max_position_embeddings": 128,
    "model_type": "deepseek",
    "moe_intermediate_size": 12,
    "moe_layer_freq": 2,
    "n_routed_experts": 7,
    "n_shared_experts": 2,
    "norm_topk_prob": False,
    "num_attention_heads": 5,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 5,
    "num_key_value_heads": 5,
    "pretraining_tp": 1,
    "rms_norm_eps": 0.002,
    "rope_scaling": None,
    "rope_theta": 700,
    "scoring_func": "softmax",
    "seq_aux": True,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 101,
}

V2_LITE = {
    "architectures": ["DeepseekV2ForCausalLM"],
    "attention_bias": False,
    "aux_loss_alpha": 0.001,
    "first_k_dense_replace": 1,
    "hidden_act": "silu",
    "hidden_size": 48,
    "intermediate_size": 52,
    "kv_lora_rank": 20,
    "max_position_embeddings": 960,
    "model_type": "deepseek_v2",
    "moe_intermediate_size": 12,
    "moe_layer_freq": 1,
    "n_group": 1,
    "n_routed_experts": 6,
    "n_shared_experts": 2,
    "norm_topk_prob": False,
    "num_attention_heads": 4,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 3,
    "num_key_value_heads": 4,
    "q_lora_rank": None,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "rms_norm_eps": 0.02,
    "rope_scaling": {
        "beta_fast": 1,
        "beta_slow": 0.1,
        "factor": 40,
        "mscale": 0.707,
        "mscale_all_dim": 0.707,
        "original_max_position_embeddings": 24,
        "type": "yarn",
    },
    "rope_theta": 100,
    "routed_scaling_factor": 1.7,
    "scoring_func": "softmax",
    "seq_aux": True,
    "tie_word_embeddings": False,
    "topk_group": 1,
    "topk_method": "greedy",
    "torch_dtype": "bfloat16",
    "v_head_dim": 10,
    "vocab_size": 103,
}

V2_GROUPS = {
    "architectures": ["DeepseekV2ForCausalLM"],
    "attention_bias": True,
    "dtype": "bfloat16",
    "hidden_act": "silu",
    "hidden_size": 48,
    "intermediate_size": 52,
    "kv_lora_rank": 14,
    "max_position_embeddings": 128,
    "model_type": "deepseek_v2",
    "moe_intermediate_size": 12,
    "n_group": 4,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "norm_topk_prob": True,
    "num_attention_heads": 3,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 2,
    "num_key_value_heads": 3,
    "q_lora_rank": 18,
    "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 12,
    "rms_norm_eps": 0.01,
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 1000.0,
        "factor": 8.0,
        "mscale": 1.0,
        "mscale_all_dim": 0.5,
        "original_max_position_embeddings": 16,
    },
    "routed_scaling_factor": 2.5,
    "tie_word_embeddings": False,
    "topk_group": 2,
    "topk_method": "group_limited_greedy",
    "v_head_dim": 10,
    "vocab_size": 97,
}


def latent_attention(config: dict, name: str) -> Shapes:
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    plain, rotated = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
    rank, values = config["kv_lora_rank"], config["v_head_dim"]
    bias = config["attention_bias"]
    query_rank, queries = config["q_lora_rank"], heads * (plain + rotated)
    if query_rank is None:
        shapes = linear(f"{name}.q_proj", queries, hidden)
    else:
        shapes = linear(f"{name}.q_a_proj", query_rank, hidden, bias)
        shapes |= norm(f"{name}.q_a_layernorm", query_rank)
        shapes |= linear(f"{name}.q_b_proj", queries, query_rank)
    shapes |= linear(f"{name}.kv_a_proj_with_mqa", rank + rotated, hidden, bias)
    shapes |= norm(f"{name}.kv_a_layernorm", rank)
    shapes |= linear(f"{name}.kv_b_proj", heads * (plain + values), rank)
    return shapes | linear(f"{name}.o_proj", hidden, heads * values, bias)


def feed_forward(config: dict, layer: str, index: int) -> Shapes:
    name, hidden, width = f"{layer}.mlp", config["hidden_size"], config["moe_intermediate_size"]
    if not is_sparse(config, index):
        return gated(name, config["intermediate_size"], hidden)
    count = config["n_routed_experts"]
    shapes = linear(f"{name}.gate", count, hidden) | experts(name, count, width, hidden)
    return shapes | gated(f"{name}.shared_experts", width * config["n_shared_experts"], hidden)


def is_sparse(config: dict, index: int) -> bool:
    is_late = index >= config.get("first_k_dense_replace", 0)
    return is_late and index % config.get("moe_layer_freq", 1) == 0


def latent_shapes(config: dict) -> Shapes:
    return decoder(
        config,
        lambda name: latent_attention(config, name),
        lambda layer, index: feed_forward(config, layer, index),
    )


def deepseek_shapes(config: dict) -> Shapes:
    return decoder(
        config,
        lambda name: attention(config, name),
        lambda layer, index: feed_forward(config, layer, index),
    )


def as_qwen2_moe(config: dict, tensors: Tensors) -> tuple[dict, Tensors]:
    """The same function in a class transformers has: its gate of the shared expert, at zero
    weights, is one half, and twice `down_proj` undoes it."""
    layers = range(config["num_hidden_layers"])
    width = config["moe_intermediate_size"] * config["n_shared_experts"]
    theirs = config | {
        "architectures": ["Qwen2MoeForCausalLM"],
        "model_type": "qwen2_moe",
        "num_experts": config["n_routed_experts"],
        "mlp_only_layers": [index for index in layers if not is_sparse(config, index)],
        "shared_expert_intermediate_size": width,
        "qkv_bias": False,
    }
    renamed = {}
    for name, tensor in tensors.items():
        if name.endswith("shared_experts.down_proj.weight"):
            tensor = 2 * tensor
            gate = name.replace("shared_experts.down_proj", "shared_expert_gate")
            renamed[gate] = torch.zeros(1, config["hidden_size"])
        renamed[name.replace("shared_experts.", "shared_expert.")] = tensor
    return theirs, renamed


GOLDENS = [
    Golden(
        "deepseek", DEEPSEEK, deepseek_shapes(DEEPSEEK), length=32,
        for_transformers=as_qwen2_moe,
        reference_decides="transformers has no class for this model (the releases bring their "
        "own code); it was given the same function as a Qwen2-MoE",
        odd="of 5 layers the first is dense (first_k_dense_replace) and of the others every "
        "second (moe_layer_freq 2): layers 2 and 4 have experts; 2 shared experts in one MLP "
        "without a gate, 5 heads, 3 of 7 experts, not renormalised; transformers 4 spelling",
    ),
    Golden(
        "deepseek_v2", V2_LITE, latent_shapes(V2_LITE), gain=1.0,
        odd="as V2-Lite: q_lora_rank null, yarn with mscale = mscale_all_dim (the softmax scale "
        "times m squared, cos and sin unscaled), sequences of 40 beyond the original 24; "
        "qk_nope 12, qk_rope 8, v_head_dim 10, rank 20 all differ; routed_scaling_factor 1.7; "
        "rms_norm_eps 0.02, but 1e-6 in the latent norms; transformers 4 spelling",
    ),
    Golden(
        "deepseek_v2_groups", V2_GROUPS, latent_shapes(V2_GROUPS), length=32, gain=1.0,
        agree_on={"norm_topk_prob": False},
        reference_decides="transformers ignores norm_topk_prob, which renormalises instead of "
        "scaling in the code of the release",
        odd="q_lora_rank 18, group_limited_greedy (2 of 4 groups of 2 experts), norm_topk_prob "
        "true with routed_scaling_factor 2.5 (then without effect), attention_bias true, "
        "mscale and mscale_all_dim different, so that yarn scales cos and sin as well as the "
        "softmax; first_k_dense_replace, moe_layer_freq, beta_fast and beta_slow omitted (0, "
        "1, 32, 1); transformers 5 spelling",
    ),
]  # fmt: skip
