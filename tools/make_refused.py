#!/usr/bin/env python3
"""Writes tests/golden/refused: files that must be refused, and what must be said about them.

    python3 tools/make_refused.py

Each file takes the place of its namesake in a copy of a good model (tests/golden/mixtral, or its
packed form); tests/cli/refused_test.py runs the program on the copy. expected.json holds, per
file, what it replaces, the error's code and words its sentence must contain. Standard library only.
"""

import copy
import json
import struct
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).resolve().parents[1]
GOOD = ROOT / "tests/golden/mixtral"
TARGET = ROOT / "tests/golden/refused"
NORM = "model.norm.weight"
WIDTH = 48  # hidden_size of the good model

expected: dict[str, dict] = {}


def add(name: str, replaces: str, content: bytes, code: str, *words: str) -> None:
    (TARGET / name).write_bytes(content)
    expected[name] = {"replaces": replaces, "code": code, "words": list(words)}


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def header(text: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: Any = "F32", shape: Any = None, offsets: Any = None) -> dict:
    return {"dtype": dtype, "shape": [2] if shape is None else shape,
            "data_offsets": [0, 8] if offsets is None else offsets}  # fmt: skip


def write_safetensors() -> None:
    """Headers that break a rule of the format. `{x}` is never a valid model, but each of these is
    refused for its own reason before anybody asks which tensors are there."""

    def case(name: str, content: bytes, code: str, *words: str) -> None:
        add(f"weights_{name}.safetensors", "model.safetensors", content, code, *words)

    def tensors(name: str, value: Any, data: bytes, code: str, *words: str) -> None:
        case(name, header(dump(value), data), code, *words)

    eight = bytes(8)
    case("empty", b"", "malformed", "model.safetensors")
    case("seven_bytes", b"\x01\x00\x00\x00\x00\x00\x00", "malformed", "model.safetensors")
    case("length_beyond_file", struct.pack("<Q", 1000) + b"{}", "malformed", "1000")
    case("length_huge", struct.pack("<Q", 2**63) + b"{}", "malformed", "model.safetensors")
    case("not_an_object", header(b"[1, 2]"), "malformed", "{")
    case("not_json", header(b'{"a": '), "malformed", "JSON")
    case("not_utf8", header(b'{"\xff": 1}'), "malformed", "UTF-8")
    case("leading_space", header(b' {"a":{}}'), "malformed", "{")
    case("duplicate_tensor",
         header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
                b'"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', eight),
         "malformed", "a")  # fmt: skip
    case("duplicate_field",
         header(b'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', eight),
         "malformed", "dtype")  # fmt: skip
    tensors("unknown_dtype", {"a": entry("F7")}, eight, "unsupported", "F7")
    tensors("dtype_not_string", {"a": entry(7)}, eight, "malformed", "dtype")
    tensors("shape_negative", {"a": entry(shape=[-2])}, eight, "malformed", "shape")
    tensors("shape_fraction", {"a": entry(shape=[2.5])}, eight, "malformed", "shape")
    tensors("shape_overflow", {"a": entry(shape=[2**40, 2**40])}, eight, "malformed", "a")
    tensors("shape_deep", {"a": entry(shape=[1] * 40)}, eight, "malformed", "a")
    tensors("offsets_reversed", {"a": entry(offsets=[8, 0])}, eight, "malformed", "a")
    tensors("offsets_three", {"a": entry(offsets=[0, 4, 8])}, eight, "malformed", "offsets")
    tensors("offsets_not_numbers", {"a": entry(offsets=["0", "8"])}, eight, "malformed", "offsets")
    tensors("size_wrong", {"a": entry(shape=[3])}, eight, "malformed", "a")
    tensors("hole_at_start", {"a": entry(offsets=[8, 16])}, bytes(16), "malformed", "a")
    tensors("hole_between", {"a": entry(), "b": entry(offsets=[12, 20])}, bytes(20),
            "malformed", "b")  # fmt: skip
    tensors("overlap", {"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12), "malformed", "b")
    tensors("beyond_file", {"a": entry()}, bytes(4), "malformed", "model.safetensors")
    tensors("trailing_bytes", {"a": entry()}, bytes(9), "malformed", "model.safetensors")
    tensors("unknown_field", {"a": {**entry(), "stride": 1}}, eight, "malformed", "stride")
    tensors("missing_shape", {"a": {"dtype": "F32", "data_offsets": [0, 8]}}, eight,
            "malformed", "shape")  # fmt: skip
    tensors("metadata_number", {"__metadata__": {"a": 1}}, b"", "malformed", "__metadata__")
    tensors("metadata_list", {"__metadata__": []}, b"", "malformed", "__metadata__")
    tensors("missing_tensors", {"a": entry()}, eight, "not_found", "missing")


def edited(change: Callable[[dict], Any]) -> bytes:
    config = json.loads((GOOD / "config.json").read_text())
    change(config)
    return dump(config)


def write_configs() -> None:
    def case(name: str, content: bytes, code: str, *words: str) -> None:
        add(f"config_{name}.json", "config.json", content, code, *words)

    def field(name: str, key: str, value: Any, code: str, *words: str) -> None:
        case(name, edited(lambda config: config.update({key: value})), code, *words)

    def without(name: str, key: str, *words: str) -> None:
        case(name, edited(lambda config: config.pop(key)), "malformed", key, *words)

    case("empty", b"", "malformed", "config.json")
    case("list", b"[]", "malformed", "config.json")
    case("truncated", (GOOD / "config.json").read_bytes()[:60], "malformed", "JSON")
    case("duplicate_key", b'{"model_type":"mixtral","model_type":"llama"}', "malformed",
         "duplicate", "model_type")  # fmt: skip
    case("deep", b'{"a":' * 100 + b"1" + b"}" * 100, "malformed", "nested")
    case("not_utf8", b'{"model_type":"\xff\xfe"}', "malformed", "JSON")
    without("no_model_type", "model_type", "missing")
    without("no_hidden_size", "hidden_size", "missing")
    without("no_vocab_size", "vocab_size", "missing")
    without("no_layers", "num_hidden_layers", "missing")
    without("no_heads", "num_attention_heads", "missing")
    without("no_intermediate", "intermediate_size", "missing")
    without("no_experts", "num_local_experts", "missing")
    field("unknown_model", "model_type", "gpt9", "unsupported", "gpt9", "mixtral")
    field("model_type_number", "model_type", 5, "malformed", "model_type")
    field("hidden_text", "hidden_size", "48", "malformed", "hidden_size", "48")
    field("hidden_zero", "hidden_size", 0, "malformed", "hidden_size")
    field("hidden_negative", "hidden_size", -48, "malformed", "hidden_size")
    field("hidden_fraction", "hidden_size", 48.5, "malformed", "hidden_size")
    field("hidden_absurd", "hidden_size", 2**60, "malformed", "hidden_size")
    field("layers_absurd", "num_hidden_layers", 10**9, "malformed", "num_hidden_layers")
    field("experts_absurd", "num_local_experts", 10**9, "malformed", "num_local_experts")
    field("more_chosen_than_there", "num_experts_per_tok", 50, "malformed", "num_experts_per_tok")
    field("heads_do_not_divide", "num_key_value_heads", 4, "malformed", "num_key_value_heads")
    field("head_dim_odd", "head_dim", 15, "malformed", "head_dim")
    field("eps_text", "rms_norm_eps", "small", "malformed", "rms_norm_eps")
    field("eps_negative", "rms_norm_eps", -1.0, "malformed", "rms_norm_eps")
    field("theta_zero", "rope_theta", 0, "malformed", "rope_theta")
    field("theta_twice", "rope_parameters", {"rope_type": "default", "rope_theta": 5.0},
          "malformed", "rope_theta")  # fmt: skip
    field("rope_unknown", "rope_scaling", {"rope_type": "spiral"}, "unsupported", "spiral", "yarn")
    field("rope_no_factor", "rope_scaling", {"rope_type": "linear"}, "malformed", "factor")
    field("rope_list", "rope_scaling", [1], "malformed", "rope_scaling")
    field("activation", "hidden_act", "gelu", "unsupported", "gelu", "silu")
    field("window_zero", "sliding_window", 0, "malformed", "sliding_window")
    field("tied_text", "tie_word_embeddings", "yes", "malformed", "tie_word_embeddings")
    field("quantized", "quantization_config", {"quant_method": "gptq"}, "unsupported", "gptq")
    field("contradicts_weights", "intermediate_size", 64, "malformed", "w1.weight", "64")
    field("more_layers_than_weights", "num_hidden_layers", 3, "not_found", "layers.2")


def write_indexes() -> None:
    def case(name: str, value: Any, code: str, *words: str) -> None:
        add(f"index_{name}.json", "model.safetensors.index.json",
            value if isinstance(value, bytes) else dump(value), code, *words)  # fmt: skip

    one = "model-00001-of-00001.safetensors"
    content = (GOOD / "model.safetensors").read_bytes()
    stored = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    stored.pop("__metadata__", None)
    case("empty_map", {"weight_map": {}}, "malformed", "index")
    case("no_map", {"metadata": {}}, "malformed", "weight_map")
    case("map_list", {"weight_map": []}, "malformed", "weight_map")
    case("file_number", {"weight_map": {NORM: 1}}, "malformed", NORM)
    case("path_up", {"weight_map": {NORM: "../model.safetensors"}}, "malformed", "../model")
    case("path_absolute", {"weight_map": {NORM: "/etc/passwd"}}, "malformed", "/etc/passwd")
    case("not_safetensors", {"weight_map": {NORM: "model.bin"}}, "malformed", "model.bin")
    case("missing_file", {"weight_map": {NORM: "model-00009-of-00009.safetensors"}}, "not_found",
         "00009")  # fmt: skip
    case("missing_tensor", {"weight_map": {name: one for name in [*stored, "nowhere.weight"]}},
         "malformed", "nowhere.weight")  # fmt: skip
    case("unlisted_tensor", {"weight_map": {NORM: one}}, "malformed", "index")
    case("truncated", b'{"weight_map": {"a', "malformed", "JSON")


def write_manifests() -> None:
    """Manifests of a packed model: "…" stands for what the good one has."""

    def case(name: str, change: dict, code: str, *words: str) -> None:
        add(f"manifest_{name}.json", "trine.json", dump(change), code, *words)

    case("newer_version", {"format_version": 99}, "unsupported", "99", "newer")
    case("version_text", {"format_version": "1"}, "malformed", "format_version")
    case("no_matrices", {"matrices": None}, "malformed", "matrices")
    case("no_checksums", {"checksums": None}, "malformed", "checksums")
    case("no_totals", {"totals": None}, "malformed", "totals")
    case("one_checksum", {"checksums": {NORM: "0" * 16}}, "malformed", "checksum")
    case("unknown_format", {"matrices": {"x.weight": {"format": "trellis"}}}, "unsupported",
         "trellis")  # fmt: skip
    matrix = {"format": "affine", "out_features": 16, "in_features": 64, "bits": 3,
              "group_size": 64, "metadata_bits": 16, "quantizer": "rtn",
              "weight_error": 0.1}  # fmt: skip
    for name, field, value, code in [
        ("seven_bits", "bits", 7, "unsupported"),
        ("group_of_48", "group_size", 48, "unsupported"),
        ("rows_zero", "out_features", 0, "malformed"),
        ("rows_absurd", "out_features", 2**50, "malformed"),
        ("metadata_12", "metadata_bits", 12, "unsupported"),
        ("rank_beyond_matrix", "rank", 17, "malformed"),
        ("factors_without_width", "rank", 16, "malformed"),
        ("factor_bits_5", "factor_bits", 5, "unsupported"),
        ("error_negative", "weight_error", -1, "malformed"),
    ]:
        broken = copy.deepcopy(matrix)
        if field == "factor_bits":
            broken["rank"] = 16
        broken[field] = value
        word = {"bits": "7", "group_size": "48"}.get(field, field)
        word = "factor_bits" if name == "factors_without_width" else word
        case(name, {"matrices": {"x.weight": broken}}, code, word)
    case("nonfinite_of_none", {"nonfinite": {NORM: 0}}, "malformed", "nonfinite", NORM)
    case("nonfinite_of_a_stranger", {"nonfinite": {"nowhere.weight": 1}}, "malformed",
         "nowhere.weight")  # fmt: skip
    case("nonfinite_miscounted", {"nonfinite": {NORM: 3}}, "malformed", NORM, "counts 3")
    case("matrix_not_stored", {"matrices": {"x.weight": matrix}}, "not_found", "x.weight")


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.iterdir():
        old.unlink()
    write_safetensors()
    write_configs()
    write_indexes()
    write_manifests()
    (TARGET / "expected.json").write_bytes(dump(dict(sorted(expected.items()))) + b"\n")
    print(f"{len(expected)} files in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
