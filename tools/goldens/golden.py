"""What a golden is, and the shapes most families are put together from.

To add one: a config.json and the shapes of its tensors, named as in the family's releases, and
a row in the list of its file. The configuration should be odd where the family is: a number
that nothing else equals catches a mixed-up dimension.
"""

from typing import Callable, NamedTuple

import torch

Tensors = dict[str, torch.Tensor]
Shapes = dict[str, tuple[int, ...]]


class Golden(NamedTuple):
    name: str
    config: dict  # config.json, word for word
    shapes: Shapes  # of every tensor before `to_disk`
    odd: str  # what this configuration is there to catch
    length: int = 40
    encoder_length: int = 0  # of encoder_token_ids; 0: the model has no encoder
    sequences: int = 2
    storage: torch.dtype = torch.bfloat16
    gain: float = 1.3  # of random weights: how much a projection adds to the spread
    embedding: float = 0.5  # spread of embeddings; small ones make the norm's epsilon count
    num_files: int = 1  # 1: model.safetensors; more: shards and an index
    # Tensors as drawn → as stored, where that is not `storage` throughout.
    to_disk: Callable[[Tensors], Tensors] = lambda tensors: tensors
    # Stored config and tensors → what transformers has a class for, and computes the same.
    for_transformers: Callable[[dict, Tensors], tuple[dict, Tensors]] = (
        lambda config, tensors: (config, tensors)
    )
    # Why the logits are those of tools/reference_*.py although transformers gives others, and
    # the change to config.json under which both agree.
    reference_decides: str = ""
    agree_on: dict = {}
    # The base of the rotary positions depends on how long the sequence is.
    looks_at_length: bool = False


def linear(name: str, outputs: int, inputs: int, bias: bool = False) -> Shapes:
    weight = {f"{name}.weight": (outputs, inputs)}
    return weight | ({f"{name}.bias": (outputs,)} if bias else {})


def norm(name: str, width: int, bias: bool = False) -> Shapes:
    return {f"{name}.weight": (width,)} | ({f"{name}.bias": (width,)} if bias else {})


def gated(name: str, width: int, hidden: int, bias: bool = False) -> Shapes:
    up = linear(f"{name}.gate_proj", width, hidden, bias)
    up |= linear(f"{name}.up_proj", width, hidden, bias)
    return up | linear(f"{name}.down_proj", hidden, width, bias)


def attention(config: dict, name: str, biased: str = "") -> Shapes:
    """q, k, v, o; `biased` names those that have one."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    width = config.get("head_dim") or hidden // heads
    shared = config.get("num_key_value_heads") or heads
    shapes = linear(f"{name}.q_proj", heads * width, hidden, "q" in biased)
    shapes |= linear(f"{name}.k_proj", shared * width, hidden, "k" in biased)
    shapes |= linear(f"{name}.v_proj", shared * width, hidden, "v" in biased)
    return shapes | linear(f"{name}.o_proj", hidden, heads * width, "o" in biased)


def decoder(
    config: dict,
    attention_of: Callable[[str], Shapes],
    feed_forward_of: Callable[[str, int], Shapes],
    norm_bias: bool = False,
) -> Shapes:
    """Embedding, layers, last norm, and a head unless it is tied."""
    hidden, vocab = config["hidden_size"], config["vocab_size"]
    shapes = linear("model.embed_tokens", vocab, hidden) | norm("model.norm", hidden, norm_bias)
    for index in range(config["num_hidden_layers"]):
        layer = f"model.layers.{index}"
        shapes |= norm(f"{layer}.input_layernorm", hidden, norm_bias)
        shapes |= norm(f"{layer}.post_attention_layernorm", hidden, norm_bias)
        shapes |= attention_of(f"{layer}.self_attn") | feed_forward_of(layer, index)
    if not config.get("tie_word_embeddings"):
        shapes |= linear("lm_head", vocab, hidden, config.get("lm_head_bias", False))
    return shapes


def experts(name: str, count: int, width: int, hidden: int) -> Shapes:
    shapes = {}
    for expert in range(count):
        shapes |= gated(f"{name}.experts.{expert}", width, hidden)
    return shapes


def mixtral_experts(name: str, count: int, width: int, hidden: int) -> Shapes:
    """gate, down, up under the names of Mixtral's and Phi's releases."""
    shapes = {}
    for expert in range(count):
        shapes |= linear(f"{name}.experts.{expert}.w1", width, hidden)
        shapes |= linear(f"{name}.experts.{expert}.w2", hidden, width)
        shapes |= linear(f"{name}.experts.{expert}.w3", width, hidden)
    return shapes
