"""DeepSeek-V3, stored as its releases are: FP8 in blocks of 128 x 128."""

import torch

from goldens.deepseek import latent_shapes
from goldens.golden import Golden, Shapes, Tensors, linear, norm

FP8_BLOCK = 128
LARGEST_FP8 = 448.0

V3 = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "ep_size": 1,
    "first_k_dense_replace": 1,
    "hidden_act": "silu",
    "hidden_size": 132,
    "initializer_range": 0.02,
    "intermediate_size": 130,
    "kv_lora_rank": 20,
    "max_position_embeddings": 640,
    "model_type": "deepseek_v3",
    "moe_intermediate_size": 8,
    "moe_layer_freq": 1,
    "n_group": 3,
    "n_routed_experts": 9,
    "n_shared_experts": 1,
    "norm_topk_prob": True,
    "num_attention_heads": 4,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 3,
    "num_key_value_heads": 4,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 16,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "quantization_config": {
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [FP8_BLOCK, FP8_BLOCK],
    },
    "rms_norm_eps": 0.01,
    "rope_scaling": {
        "beta_fast": 1,
        "beta_slow": 0.2,
        "factor": 40,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 16,
        "type": "yarn",
    },
    "rope_theta": 20,
    "routed_scaling_factor": 1.8,
    "scoring_func": "sigmoid",
    "tie_word_embeddings": False,
    "topk_group": 2,
    "topk_method": "noaux_tc",
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "v_head_dim": 10,
    "vocab_size": 71,
}


def shapes(config: dict) -> Shapes:
    hidden = config["hidden_size"]
    shapes = latent_shapes(config)
    for name in [name for name in shapes if name.endswith("mlp.gate.weight")]:
        bias = name.replace("weight", "e_score_correction_bias")
        shapes[bias] = (config["n_routed_experts"],)
    return shapes | next_token_shapes(f"model.layers.{config['num_hidden_layers']}", hidden)


def next_token_shapes(layer: str, hidden: int) -> Shapes:
    """Some of the layer after the last one, which predicts one token more: to be ignored."""
    shapes = {f"{layer}.{name}.weight": (hidden,) for name in ("enorm", "hnorm")}
    shapes |= norm(f"{layer}.shared_head.norm", hidden)
    shapes |= norm(f"{layer}.input_layernorm", hidden)
    return shapes | linear(f"{layer}.self_attn.q_a_proj", 16, hidden)


def is_fp8(name: str) -> bool:
    """Projections are; embeddings, head, norms and routers are not."""
    return name.endswith("_proj.weight") or name.endswith("_proj_with_mqa.weight")


def to_fp8(tensors: Tensors) -> Tensors:
    stored = {}
    for name, tensor in tensors.items():
        if not is_fp8(name):
            stored[name] = tensor
            continue
        tensor = tensor.float()
        scales = torch.empty([-(-size // FP8_BLOCK) for size in tensor.shape])
        for row, column in torch.cartesian_prod(*(torch.arange(n) for n in scales.shape)):
            scales[row, column] = block(tensor, row, column).abs().max() / LARGEST_FP8
        stored[name] = (tensor / spread(scales, tensor.shape)).to(torch.float8_e4m3fn)
        stored[f"{name}_scale_inv"] = scales
    return stored


def block(tensor: torch.Tensor, row: int, column: int) -> torch.Tensor:
    rows, columns = (slice(i * FP8_BLOCK, (i + 1) * FP8_BLOCK) for i in (row, column))
    return tensor[rows, columns]


def spread(scales: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """One scale per element."""
    repeated = scales.repeat_interleave(FP8_BLOCK, 0).repeat_interleave(FP8_BLOCK, 1)
    return repeated[: shape[0], : shape[1]]


def undo_fp8(config: dict, tensors: Tensors) -> tuple[dict, Tensors]:
    """F32 and without the layer to be ignored, as transformers would need a GPU for FP8."""
    extra = f"model.layers.{config['num_hidden_layers']}."
    plain = {}
    for name, tensor in tensors.items():
        if name.endswith("_scale_inv") or name.startswith(extra):
            continue
        scales = tensors.get(f"{name}_scale_inv")
        if scales is not None:
            tensor = tensor.float() * spread(scales, tensor.shape)
        plain[name] = tensor
    return {k: v for k, v in config.items() if k != "quantization_config"}, plain


GOLDENS = [
    Golden(
        "deepseek_v3", V3, shapes(V3), length=32, gain=1.0,
        to_disk=to_fp8, for_transformers=undo_fp8,
        odd="FP8 (E4M3) projections with an F32 weight_scale_inv per 128 x 128 block: "
        "hidden_size 132 and intermediate_size 130 cut the last blocks short; activations are "
        "not quantized; router bias in F32; 2 of 3 groups of 3 experts by their two best, 3 "
        "experts, renormalised and times 1.8; layer 0 dense; model.layers.3 (next-token "
        "prediction, in part) is to be ignored; yarn beyond its original 16; rope_interleave "
        "omitted (true); transformers 4 spelling",
    ),
]  # fmt: skip
