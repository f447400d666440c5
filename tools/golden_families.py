"""The models of tests/golden, one row each; make_goldens.py writes them.

To add a family: a function that returns its config.json, one that names its tensors as they are
on disk, and a row in GOLDENS. The configuration should be odd where the family is: a number
that nothing else equals catches a mixed-up dimension.
"""

from typing import Callable, NamedTuple

import torch

Tensors = dict[str, torch.Tensor]


class Golden(NamedTuple):
    name: str
    config: Callable[[], dict]  # config.json, word for word
    to_disk: Callable[[Tensors], Tensors]  # names in memory → classic names on disk
    router: str  # how the module paths of the routers end
    storage: torch.dtype
    num_files: int  # 1: model.safetensors; more: shards and an index
    sequences: int
    length: int
    odd: str  # what this configuration is there to catch


def mixtral_config() -> dict:
    return {
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


def mixtral_window_config() -> dict:
    return {
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


def unfuse_mixtral(tensors: Tensors) -> Tensors:
    """Fused `gate_up_proj [E, 2I, H]`, `down_proj [E, H, I]` → w1, w3, w2 of each expert."""
    on_disk = {}
    for name, tensor in tensors.items():
        name = name.replace(".mlp.", ".block_sparse_moe.")
        prefix, _, leaf = name.rpartition(".")
        if leaf == "gate_up_proj":
            for expert, (gate, up) in enumerate(torch.chunk(e, 2) for e in tensor):
                on_disk[f"{prefix}.{expert}.w1.weight"] = gate
                on_disk[f"{prefix}.{expert}.w3.weight"] = up
        elif leaf == "down_proj":
            for expert, down in enumerate(tensor):
                on_disk[f"{prefix}.{expert}.w2.weight"] = down
        else:
            on_disk[name] = tensor
    return on_disk


GOLDENS = [
    Golden(
        "mixtral", mixtral_config, unfuse_mixtral, router="mlp.gate",
        storage=torch.bfloat16, num_files=1, sequences=3, length=13,
        odd="head_dim 16 is not hidden_size / heads, experts are 56 wide (no multiple of 32), "
        "5 experts, vocabulary 163, unusual rms_norm_eps and rope_theta; config.json spelt as "
        "by transformers 4 (rope_theta, torch_dtype); BF16 in one file",
    ),
    Golden(
        "mixtral_window", mixtral_window_config, unfuse_mixtral, router="mlp.gate",
        storage=torch.float32, num_files=3, sequences=2, length=24,
        odd="sliding window of 7 positions and sequences of 24, tied embeddings (no "
        "lm_head.weight), one key/value head, 3 of 4 experts; config.json spelt as by "
        "transformers 5 (rope_parameters, dtype); F32 in 3 shards with an index",
    ),
]  # fmt: skip
