#!/usr/bin/env python3
"""Writes a Mixtral-shaped checkpoint of random weights: real sizes without a download.

    python3 tools/make_synthetic_checkpoint.py mixtral-2-layers --layers 2

The weights are normal with standard deviation 1/sqrt(in_features) (0.016 for 4096), which keeps
activations of order 1 at any depth; norms are 1. Good for measuring time and memory and for
testing limits; the text such a model writes is noise. The same arguments give the same bytes.
Needs NumPy. Memory stays below 1 GB: a tensor is written block by block. --holes leaves the weights
out: the files have their full size, read as zeros and take no disk, enough for what looks at
shapes only.
"""

import argparse
import json
import math
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Iterator, NamedTuple

import numpy as np

# --dtype → (name in safetensors, name in config.json, bytes)
DTYPES = {
    "bf16": ("BF16", "bfloat16", 2),
    "f16": ("F16", "float16", 2),
    "f32": ("F32", "float32", 4),
}
BLOCK_WEIGHTS = 1 << 20  # drawn at once by one thread: 4 MB of float32
BATCH_WEIGHTS = 64 * BLOCK_WEIGHTS  # in memory at once, at most 256 MB
TOKENIZER_FILES = [
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "generation_config.json", "chat_template.jinja",
]  # fmt: skip


class Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]

    def num_weights(self) -> int:
        return math.prod(self.shape)


def config_of(args: argparse.Namespace) -> dict:
    return {
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        "hidden_size": args.hidden,
        "intermediate_size": args.intermediate,
        "num_hidden_layers": args.layers,
        "num_attention_heads": args.heads,
        "num_key_value_heads": args.kv_heads,
        "head_dim": args.hidden // args.heads,
        "num_local_experts": args.experts,
        "num_experts_per_tok": args.experts_per_token,
        "vocab_size": args.vocab,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "sliding_window": None,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": DTYPES[args.dtype][1],
    }


def tensors_of(args: argparse.Namespace) -> Iterator[Tensor]:
    hidden, intermediate = args.hidden, args.intermediate
    key_value = args.kv_heads * (hidden // args.heads)
    yield Tensor("model.embed_tokens.weight", (args.vocab, hidden))
    for index in range(args.layers):
        layer = f"model.layers.{index}"
        yield Tensor(f"{layer}.input_layernorm.weight", (hidden,))
        for name, rows in (("q", hidden), ("k", key_value), ("v", key_value), ("o", hidden)):
            yield Tensor(f"{layer}.self_attn.{name}_proj.weight", (rows, hidden))
        yield Tensor(f"{layer}.post_attention_layernorm.weight", (hidden,))
        moe = f"{layer}.block_sparse_moe"
        yield Tensor(f"{moe}.gate.weight", (args.experts, hidden))
        for expert in range(args.experts):
            yield Tensor(f"{moe}.experts.{expert}.w1.weight", (intermediate, hidden))
            yield Tensor(f"{moe}.experts.{expert}.w2.weight", (hidden, intermediate))
            yield Tensor(f"{moe}.experts.{expert}.w3.weight", (intermediate, hidden))
    yield Tensor("model.norm.weight", (hidden,))
    yield Tensor("lm_head.weight", (args.vocab, hidden))


def split_into_shards(tensors: list[Tensor], width: int, limit: float) -> list[list[Tensor]]:
    """In order, each shard as full as `limit` bytes allow; a weight has `width` bytes."""
    shards, used = [[]], 0
    for tensor in tensors:
        size = tensor.num_weights() * width
        if shards[-1] and used + size > limit:
            shards.append([])
            used = 0
        shards[-1].append(tensor)
        used += size
    return shards


def header_of(tensors: list[Tensor], dtype: str) -> bytes:
    """Length and JSON of a safetensors file, padded so that the data start 8-byte aligned."""
    name, _, width = DTYPES[dtype]
    entries, offset = {"__metadata__": {"format": "pt"}}, 0
    for tensor in tensors:
        end = offset + tensor.num_weights() * width
        entries[tensor.name] = {
            "dtype": name, "shape": tensor.shape, "data_offsets": [offset, end],
        }  # fmt: skip
        offset = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def narrow(values: np.ndarray, dtype: str) -> np.ndarray:
    """float32 → the bytes on disk; bf16 is rounded to nearest, ties to even, in place."""
    if dtype == "f32":
        return values
    if dtype == "f16":
        return values.astype("<f2")
    bits = values.view(np.uint32)
    bits += 0x7FFF + ((bits >> 16) & 1)
    return (bits >> 16).astype("<u2")


def write_tensor(
    file: BinaryIO, tensor: Tensor, seeds: tuple[int, int], dtype: str, pool: ThreadPoolExecutor
) -> None:
    """Each block has its own generator, so the bytes do not depend on the threads."""
    count, deviation = tensor.num_weights(), tensor.shape[-1] ** -0.5

    def draw(start: int) -> np.ndarray:
        size = min(BLOCK_WEIGHTS, count - start)  # only the last block of a tensor is short
        if len(tensor.shape) == 1:
            return narrow(np.ones(size, np.float32), dtype)
        generator = np.random.Generator(np.random.SFC64([*seeds, start]))
        values = generator.standard_normal(size, np.float32)
        values *= np.float32(deviation)
        return narrow(values, dtype)

    for first in range(0, count, BATCH_WEIGHTS):
        last = min(first + BATCH_WEIGHTS, count)
        for block in pool.map(draw, range(first, last, BLOCK_WEIGHTS)):
            file.write(block)


def copy_tokenizer(source: Path, target: Path, vocab_size: int) -> None:
    """Copies what is there of a tokenizer, after checking that its ids fit the vocabulary."""
    if (source / "tokenizer.json").exists():
        content = json.loads((source / "tokenizer.json").read_text())
        vocab = content["model"]["vocab"]
        ids = vocab.values() if isinstance(vocab, dict) else range(len(vocab))
        largest = max([*ids, *(token["id"] for token in content.get("added_tokens", []))])
        if largest >= vocab_size:
            sys.exit(f"{source}: token id {largest} does not fit --vocab {vocab_size}")
    copied = [name for name in TOKENIZER_FILES if (source / name).exists()]
    if not copied:
        sys.exit(f"{source}: no tokenizer files")
    for name in copied:
        shutil.copyfile(source / name, target / name)


def write_checkpoint(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    if any(args.out.iterdir()):
        sys.exit(f"{args.out}: not empty")
    if args.tokenizer is not None:
        copy_tokenizer(args.tokenizer, args.out, args.vocab)
    (args.out / "config.json").write_text(json.dumps(config_of(args), indent=2) + "\n")
    tensors, width = list(tensors_of(args)), DTYPES[args.dtype][2]
    shards = split_into_shards(tensors, width, args.shard_gb * 1e9)
    weight_map, written = {}, 0
    with ThreadPoolExecutor() as pool:
        for index, shard in enumerate(shards, start=1):
            name = f"model-{index:05}-of-{len(shards):05}.safetensors"
            with open(args.out / name, "wb") as file:
                file.write(header_of(shard, args.dtype))
                for tensor in shard:
                    seeds = (args.seed, len(weight_map))
                    if args.holes:
                        file.truncate(file.seek(tensor.num_weights() * width, os.SEEK_CUR))
                    else:
                        write_tensor(file, tensor, seeds, args.dtype, pool)
                    weight_map[tensor.name] = name
                    written += tensor.num_weights() * width
            print(f"{name}: {written / 1e9:.2f} GB so far")
    index = {"metadata": {"total_size": written}, "weight_map": weight_map}
    (args.out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT")
    for name, default in (
        ("layers", 2), ("hidden", 4096), ("intermediate", 14336), ("experts", 8), ("heads", 32),
        ("kv-heads", 8), ("vocab", 32000), ("experts-per-token", 2), ("seed", 0),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--dtype", choices=DTYPES, default="bf16", help="default bf16")
    parser.add_argument("--shard-gb", type=float, default=2, help="10^9 bytes; default 2")
    parser.add_argument("--holes", action="store_true", help="zeros that take no disk")
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="copied from there")
    args = parser.parse_args()
    sizes = {name: value for name, value in vars(args).items() if type(value) is int}
    seed = sizes.pop("seed")
    if min(sizes.values()) < 1 or seed < 0:
        parser.error("sizes are at least 1, the seed at least 0")
    if args.hidden % (2 * args.heads) or args.heads % args.kv_heads:
        parser.error("hidden must be a multiple of 2 heads, heads a multiple of kv-heads")
    if args.experts_per_token > args.experts:
        parser.error("experts-per-token exceeds experts")
    return args


if __name__ == "__main__":
    write_checkpoint(parse_arguments())
