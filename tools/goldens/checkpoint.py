"""Draws random weights and writes a checkpoint folder."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from goldens.golden import Golden, Tensors

# Stored as F32 whatever the rest is, as the releases do.
KEPT_IN_F32 = ("e_score_correction_bias",)


def draw_weights(golden: Golden, seed: int) -> Tensors:
    """Normal weights, large enough that logits are far from uniform and routers decided."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name in sorted(golden.shapes):
        values = torch.randn(golden.shapes[name], generator=generator)
        values = scaled(name, values, golden)
        weights[name] = values if name.endswith(KEPT_IN_F32) else values.to(golden.storage)
    return weights


def scaled(name: str, values: torch.Tensor, golden: Golden) -> torch.Tensor:
    if name.endswith("sinks") or "relative_attention_bias" in name:
        return values
    if name.endswith("e_score_correction_bias"):
        return 0.1 * values
    if name.endswith("bias"):
        return 0.2 * values
    if values.dim() == 1:  # norms: around 1, but no two alike
        return 1 + 0.1 * values
    if name == "shared.weight":  # divided by sqrt(d_model) before the head
        return 1.5 * values
    if "embed" in name:
        return golden.embedding * values
    if "lm_head" in name:
        return 0.5 * values
    is_transposed = name.endswith(("experts.gate_up_proj", "experts.down_proj"))
    fan_in = values.shape[-2 if is_transposed else -1]
    is_router = any(part in name for part in ("gate.weight", "router"))
    return values * ((2.0 if is_router else golden.gain) / fan_in**0.5)


def write_checkpoint(config: dict, tensors: Tensors, folder: Path, num_files: int = 1) -> None:
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    if num_files == 1:
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return
    names, weight_map = sorted(tensors), {}
    for index in range(num_files):
        file = f"model-{index + 1:05}-of-{num_files:05}.safetensors"
        chosen = names[index::num_files]
        save_file({n: tensors[n] for n in chosen}, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(chosen, file)
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
