"""Granite-MoE."""

from goldens.golden import Golden, Shapes, attention, decoder

GRANITE = {
    "architectures": ["GraniteMoeForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "attention_multiplier": 0.11,
    "bos_token_id": 0,
    "embedding_multiplier": 7.0,
    "eos_token_id": 0,
    "hidden_act": "silu",
    "hidden_size": 48,
    "initializer_range": 0.02,
    "intermediate_size": 20,
    "logits_scaling": 1.5,
    "max_position_embeddings": 128,
    "model_type": "granitemoe",
    "num_attention_heads": 6,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "num_local_experts": 6,
    "output_router_logits": False,
    "residual_multiplier": 0.6,
    "rms_norm_eps": 0.003,
    "rope_scaling": None,
    "rope_theta": 3000,
    "router_aux_loss_coef": 0.001,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 97,
}


def shapes(config: dict) -> Shapes:
    hidden, width = config["hidden_size"], config["intermediate_size"]
    count = config["num_local_experts"]

    def feed_forward(layer: str, index: int) -> Shapes:
        name = f"{layer}.block_sparse_moe"
        return {
            f"{name}.router.layer.weight": (count, hidden),
            f"{name}.input_linear.weight": (count, 2 * width, hidden),
            f"{name}.output_linear.weight": (count, hidden, width),
        }

    return decoder(config, lambda name: attention(config, name), feed_forward)


GOLDENS = [
    Golden(
        "granitemoe", GRANITE, shapes(GRANITE),
        odd="all four multipliers far from 1 (attention_multiplier is not 1 / sqrt(head_dim)), "
        "experts in input_linear [E, 2I, H] (gate first) and output_linear [E, H, I], softmax "
        "among the 3 chosen of 6, tied, rope_theta an integer; transformers 4 spelling",
    ),
]  # fmt: skip
