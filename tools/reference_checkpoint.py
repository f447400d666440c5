"""Reads a checkpoint folder for the reference models: config.json and every tensor in float64.

Stored number formats are undone here, so that a model sees only numbers under the plain names:
FP8 with one scale per block (`weight_scale_inv`) and MXFP4 (`_blocks`, `_scales`).
Sources: safetensors format; Micikevicius et al. 2022, arXiv:2209.05433 (E4M3); OCP Microscaling
Formats v1.0 (E2M1 elements, E8M0 scales, blocks of 32).
"""

import json
from pathlib import Path

import numpy as np

Weights = dict[str, np.ndarray]

FP8_BLOCK = 128
E2M1_VALUES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
DTYPES = {
    "F32": "<f4", "F16": "<f2", "I32": "<i4", "U8": "u1", "BF16": "<u2", "F8_E4M3": "u1",
}  # fmt: skip


def read_checkpoint(folder: Path) -> tuple[dict, Weights]:
    config = json.loads((folder / "config.json").read_text())
    stored = {}
    for file in sorted(folder.glob("model*.safetensors")):
        stored |= read_safetensors(file)
    return config, undo_storage(stored)


def read_safetensors(path: Path) -> Weights:
    """Numbers as stored; BF16 and FP8 are decoded, as NumPy has no such types."""
    raw = path.read_bytes()
    header_end = 8 + int.from_bytes(raw[:8], "little")
    tensors = {}
    for name, entry in json.loads(raw[8:header_end]).items():
        if name == "__metadata__":
            continue
        begin, end = (header_end + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[begin:end], DTYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":  # the upper half of a float
            values = (values.astype(np.uint32) << 16).view(np.float32)
        elif entry["dtype"] == "F8_E4M3":
            values = e4m3_values()[values]
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def e4m3_values() -> np.ndarray:
    """The 256 numbers of E4M3: bias 7, subnormals, no infinities, 0x7f and 0xff are NaN."""
    codes = np.arange(256)
    sign = np.where(codes & 0x80, -1.0, 1.0)
    exponent, mantissa = (codes >> 3) & 0xF, codes & 0x7
    normal = (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    values = sign * np.where(exponent == 0, mantissa / 8 * 2.0**-6, normal)
    values[[0x7F, 0xFF]] = np.nan
    return values


def undo_storage(stored: Weights) -> Weights:
    weights = {}
    for name, tensor in stored.items():
        scales = stored.get(f"{name}_scale_inv")
        if name.endswith("_scale_inv") or name.endswith("_scales"):
            continue
        if name.endswith("_blocks"):
            name = name.removesuffix("_blocks")
            weights[name] = undo_mxfp4(tensor, stored[f"{name}_scales"])
        elif scales is not None:
            weights[name] = undo_fp8(tensor, scales)
        else:
            weights[name] = tensor.astype(np.float64)
    return weights


def undo_fp8(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """One scale per 128 x 128 block; the last block of a row or column may be cut short."""
    rows, columns = (np.arange(size) // FP8_BLOCK for size in values.shape)
    return values * scales.astype(np.float64)[rows][:, columns]


def undo_mxfp4(blocks: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """[E, out, blocks, 16] nibbles, low one first → [E, in, out], the layout without MXFP4."""
    nibbles = np.stack([blocks & 0xF, blocks >> 4], axis=-1).reshape(*blocks.shape[:-1], 32)
    values = E2M1_VALUES[nibbles] * 2.0 ** (scales.astype(np.int64) - 127)[..., None]
    return values.reshape(*values.shape[:2], -1).transpose(0, 2, 1)
