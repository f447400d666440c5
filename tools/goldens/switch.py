"""Switch Transformer."""

from goldens.golden import Golden, Shapes, linear, norm

SWITCH = {
    "architectures": ["SwitchTransformersForConditionalGeneration"],
    "d_ff": 40,
    "d_kv": 12,
    "d_model": 32,
    "decoder_start_token_id": 0,
    "dropout_rate": 0.1,
    "eos_token_id": 1,
    "expert_capacity": 64,
    "feed_forward_proj": "relu",
    "initializer_factor": 1.0,
    "is_encoder_decoder": True,
    "layer_norm_epsilon": 0.01,
    "model_type": "switch_transformers",
    "num_decoder_layers": 4,
    "num_experts": 4,
    "num_heads": 3,
    "num_layers": 3,
    "num_sparse_decoder_layers": 2,
    "num_sparse_encoder_layers": 1,
    "pad_token_id": 0,
    "relative_attention_max_distance": 20,
    "relative_attention_num_buckets": 8,
    "router_bias": False,
    "router_dtype": "float32",
    "router_ignore_padding_tokens": False,
    "router_jitter_noise": 0.01,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 97,
}


def shapes(config: dict) -> Shapes:
    tensors = linear("shared", config["vocab_size"], config["d_model"])
    tensors |= stack(config, "encoder", config["num_layers"], [1])
    return tensors | stack(config, "decoder", config["num_decoder_layers"], [1, 3])


def stack(config: dict, side: str, num_layers: int, sparse: list[int]) -> Shapes:
    hidden = config["d_model"]
    tensors = norm(f"{side}.final_layer_norm", hidden)
    buckets = (config["relative_attention_num_buckets"], config["num_heads"])
    bias = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    tensors[bias] = buckets
    attentions = ["SelfAttention", "EncDecAttention"][: 1 if side == "encoder" else 2]
    for index in range(num_layers):
        layer = f"{side}.block.{index}.layer"
        for number, attention in enumerate(attentions):
            tensors |= norm(f"{layer}.{number}.layer_norm", hidden)
            tensors |= attention_shapes(config, f"{layer}.{number}.{attention}")
        last = f"{layer}.{len(attentions)}"
        tensors |= norm(f"{last}.layer_norm", hidden)
        tensors |= feed_forward(config, f"{last}.mlp", index in sparse)
    return tensors


def attention_shapes(config: dict, name: str) -> Shapes:
    hidden, inner = config["d_model"], config["num_heads"] * config["d_kv"]
    tensors = linear(f"{name}.o", hidden, inner)
    for part in "qkv":
        tensors |= linear(f"{name}.{part}", inner, hidden)
    return tensors


def feed_forward(config: dict, name: str, is_sparse: bool) -> Shapes:
    hidden, width = config["d_model"], config["d_ff"]
    if not is_sparse:
        return linear(f"{name}.wi", width, hidden) | linear(f"{name}.wo", hidden, width)
    tensors = linear(f"{name}.router.classifier", config["num_experts"], hidden)
    for expert in range(config["num_experts"]):
        tensors |= linear(f"{name}.experts.expert_{expert}.wi", width, hidden)
        tensors |= linear(f"{name}.experts.expert_{expert}.wo", hidden, width)
    return tensors


GOLDENS = [
    Golden(
        "switch", SWITCH, shapes(SWITCH), length=24, encoder_length=30, gain=1.0,
        odd="3 encoder and 4 decoder blocks; sparse are encoder block 1 (step 3) and decoder "
        "blocks 1 and 3 (step 2); d_kv 12 times 3 heads is not d_model 32; 8 buckets up to "
        "distance 20, so that far positions share one; tie_word_embeddings omitted (true); "
        "expert_capacity 64 is never reached; token_ids is what the decoder is given, as it "
        "is (nothing is shifted)",
    ),
]  # fmt: skip
