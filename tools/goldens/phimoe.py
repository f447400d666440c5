"""Phi-3.5-MoE below and beyond the length at which its rotary positions change."""

from goldens.golden import Golden, Shapes, attention, decoder, linear, mixtral_experts

TRAINED = 24

PHIMOE = {
    "architectures": ["PhiMoEForCausalLM"],
    "attention_bias": True,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 48,
    "initializer_range": 0.02,
    "input_jitter_noise": 0.01,
    "intermediate_size": 28,
    "lm_head_bias": True,
    "max_position_embeddings": 192,
    "model_type": "phimoe",
    "num_attention_heads": 4,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "num_local_experts": 6,
    "original_max_position_embeddings": TRAINED,
    "output_router_logits": False,
    "rms_norm_eps": 0.001,
    "rope_scaling": {
        "long_factor": [1.0, 1.1, 1.6, 2.5, 4.0, 6.5],
        "long_mscale": 1.3,
        "original_max_position_embeddings": TRAINED,
        "short_factor": [1.0, 1.05, 1.1, 1.2, 1.4, 1.7],
        "short_mscale": 1.1,
        "type": "longrope",
    },
    "rope_theta": 400.0,
    "router_aux_loss_coef": 0.0,
    "router_jitter_noise": 0.15,
    "sliding_window": 192,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 101,
}

SHORT_SCALING = PHIMOE["rope_scaling"] | {"long_factor": PHIMOE["rope_scaling"]["short_factor"]}


def shapes(config: dict) -> Shapes:
    hidden, count = config["hidden_size"], config["num_local_experts"]

    def feed_forward(layer: str, index: int) -> Shapes:
        name = f"{layer}.block_sparse_moe"
        router = linear(f"{name}.gate", count, hidden)
        return router | mixtral_experts(name, count, config["intermediate_size"], hidden)

    return decoder(
        config, lambda name: attention(config, name, "qkvo"), feed_forward, norm_bias=True
    )


GOLDENS = [
    Golden(
        "phimoe", PHIMOE, shapes(PHIMOE), length=TRAINED, sequences=3,
        odd="LayerNorm with bias, biases on q, k, v, o and head; router_jitter_noise 0.15, so "
        "that several experts often come close to the chosen one; sequences exactly as long "
        "as original_max_position_embeddings (24), where short_factor and short_mscale still "
        "apply; head_dim 12; transformers 4 spelling",
    ),
    Golden(
        "phimoe_long", PHIMOE, shapes(PHIMOE), looks_at_length=True,
        agree_on={"rope_scaling": SHORT_SCALING},
        reference_decides="transformers takes long_mscale but keeps short_factor beyond the "
        "original length, the code of the release and the LongRoPE paper take long_factor",
        odd="the configuration of phimoe with sequences of 40 beyond the original 24: a "
        "prefill uses long_factor and long_mscale for every position; growing_logits changes "
        "from short to long at the 25th token",
    ),
]  # fmt: skip
