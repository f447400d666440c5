"""GPT-OSS with experts in MXFP4 and in BF16."""

import torch
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from goldens.golden import Golden, Shapes, Tensors, attention, decoder, linear

MXFP4_BLOCK = 32
E2M1_MAGNITUDES = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
E8M0_BIAS = 127

MXFP4 = {
    "architectures": ["GptOssForCausalLM"],
    "attention_bias": True,
    "attention_dropout": 0.0,
    "eos_token_id": 2,
    "experts_per_token": 2,
    "head_dim": 10,
    "hidden_act": "silu",
    "hidden_size": 96,
    "initial_context_length": 16,
    "initializer_range": 0.02,
    "intermediate_size": 32,
    "layer_types": ["full_attention", "sliding_attention"],
    "max_position_embeddings": 512,
    "model_type": "gpt_oss",
    "num_attention_heads": 6,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "num_local_experts": 5,
    "pad_token_id": 3,
    "quantization_config": {
        "modules_to_not_convert": [
            "model.layers.*.self_attn",
            "model.layers.*.mlp.router",
            "model.embed_tokens",
            "lm_head",
        ],
        "quant_method": "mxfp4",
    },
    "rms_norm_eps": 0.002,
    "rope_scaling": {
        "beta_fast": 2.0,
        "beta_slow": 0.3,
        "factor": 32.0,
        "original_max_position_embeddings": 16,
        "rope_type": "yarn",
        "truncate": False,
    },
    "rope_theta": 150,
    "router_aux_loss_coef": 0.9,
    "sliding_window": 8,
    "swiglu_limit": 1.5,
    "tie_word_embeddings": False,
    "use_cache": True,
    "vocab_size": 101,
}

BF16 = {
    "architectures": ["GptOssForCausalLM"],
    "dtype": "bfloat16",
    "head_dim": 12,
    "hidden_act": "silu",
    "hidden_size": 40,
    "intermediate_size": 28,
    "max_position_embeddings": 512,
    "model_type": "gpt_oss",
    "num_attention_heads": 4,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 3,
    "num_key_value_heads": 1,
    "num_local_experts": 6,
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 150000.0,
        "factor": 32.0,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "original_max_position_embeddings": 16,
        "truncate": False,
    },
    "sliding_window": 5,
    "tie_word_embeddings": False,
    "vocab_size": 89,
}


def shapes(config: dict) -> Shapes:
    hidden, width = config["hidden_size"], config["intermediate_size"]
    count = config["num_local_experts"]

    def attention_of(name: str) -> Shapes:
        sinks = {f"{name}.sinks": (config["num_attention_heads"],)}
        return attention(config, name, "qkvo") | sinks

    def feed_forward(layer: str, index: int) -> Shapes:
        name = f"{layer}.mlp"
        return linear(f"{name}.router", count, hidden, bias=True) | {
            f"{name}.experts.gate_up_proj": (count, hidden, 2 * width),
            f"{name}.experts.gate_up_proj_bias": (count, 2 * width),
            f"{name}.experts.down_proj": (count, width, hidden),
            f"{name}.experts.down_proj_bias": (count, hidden),
        }

    return decoder(config, attention_of, feed_forward)


def to_mxfp4(tensors: Tensors) -> Tensors:
    stored = {}
    for name, tensor in tensors.items():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            blocks, scales = packed(tensor.float().transpose(1, 2))
            stored[f"{name}_blocks"], stored[f"{name}_scales"] = blocks, scales
        else:
            stored[name] = tensor
    return stored


def packed(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[E, out, in] → U8 [E, out, in / 32, 16], low nibble first, and U8 [E, out, in / 32]."""
    blocks = rows.unflatten(-1, (-1, MXFP4_BLOCK))
    exponents = torch.floor(torch.log2(blocks.abs().amax(-1))) - 2  # 4 * 2^e <= largest
    scaled = blocks / 2.0 ** exponents[..., None]
    nearest = (scaled.abs()[..., None] - E2M1_MAGNITUDES).abs().argmin(-1)
    nibbles = (nearest + 8 * (scaled < 0)).to(torch.uint8)
    pairs = nibbles.unflatten(-1, (-1, 2))
    return pairs[..., 0] | pairs[..., 1] << 4, (exponents + E8M0_BIAS).to(torch.uint8)


def undo_mxfp4(config: dict, tensors: Tensors) -> tuple[dict, Tensors]:
    """BF16 by transformers' own conversion, which its forward pass needs on a CPU."""
    plain = {}
    for name, tensor in tensors.items():
        if name.endswith("_blocks"):
            name = name.removesuffix("_blocks")
            plain[name] = convert_moe_packed_tensors(tensor, tensors[f"{name}_scales"])
        elif not name.endswith("_scales"):
            plain[name] = tensor
    return {k: v for k, v in config.items() if k != "quantization_config"}, plain


GOLDENS = [
    Golden(
        "gpt_oss", MXFP4, shapes(MXFP4), length=32,
        to_disk=to_mxfp4, for_transformers=undo_mxfp4,
        odd="experts in MXFP4 (gate_up_proj_blocks, _scales; hidden_size 96 is 3 blocks), "
        "gate and up interleaved, swiglu_limit 1.5 so that the clamps matter, sinks, a window "
        "of 8 in layer 1, yarn with truncate false beyond its original 16, biases everywhere; "
        "transformers 4 spelling without torch_dtype",
    ),
    Golden(
        "gpt_oss_bf16", BF16, shapes(BF16), embedding=0.003,
        odd="experts in BF16 and transposed (gate_up_proj [E, H, 2I], down_proj [E, I, H]), "
        "no multiples of 32; layer_types, swiglu_limit, rms_norm_eps and attention_bias "
        "omitted (sliding first and every second layer, 7, 1e-5, true; the embeddings are so "
        "small that the epsilon counts); window 5, one "
        "key/value head, 3 of 6 experts; transformers 5 spelling",
    ),
]  # fmt: skip
