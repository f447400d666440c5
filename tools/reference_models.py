"""Which reference model computes a checkpoint: `model_type` → class."""

import numpy as np

import reference_deepseek as deepseek
import reference_gpt_oss as gpt_oss
import reference_llama_like as llama_like
import reference_phimoe as phimoe
import reference_switch as switch
from reference_checkpoint import Weights
from reference_decoder import Forward

MODELS = {
    "llama": llama_like.Llama,
    "mixtral": llama_like.Mixtral,
    "qwen2": llama_like.Qwen,
    "qwen3": llama_like.Qwen3,
    "qwen2_moe": llama_like.QwenMoe,
    "qwen3_moe": llama_like.Qwen3Moe,
    "olmoe": llama_like.Olmoe,
    "granitemoe": llama_like.Granite,
    "deepseek": deepseek.DeepseekMoe,
    "deepseek_v2": deepseek.DeepseekV2,
    "deepseek_v3": deepseek.DeepseekV3,
    "phimoe": phimoe.Phimoe,
    "gpt_oss": gpt_oss.GptOss,
    "switch_transformers": switch.Switch,
}


def compute(config: dict, weights: Weights, token_ids: dict[str, np.ndarray]) -> Forward:
    """`token_ids`, and `encoder_token_ids` for a model that has an encoder."""
    return MODELS[config["model_type"]](config, weights).forward(**token_ids)


def compute_as_it_grows(
    config: dict, weights: Weights, token_ids: np.ndarray
) -> tuple[np.ndarray, float]:
    """Logits of each position as if its token were the last one: what decoding gives a model
    whose rotary positions depend on the length, if it computes its cache anew. And the smallest
    router margin on the way."""
    model = MODELS[config["model_type"]](config, weights)
    steps = [model.forward(token_ids[:, : n + 1]) for n in range(token_ids.shape[1])]
    logits = np.stack([step.logits[:, -1] for step in steps], axis=1)
    return logits, min(step.router_margin for step in steps)
