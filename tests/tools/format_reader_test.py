#!/usr/bin/env python3
"""Tests of docs/format_reader.py on models packed here, bit by bit, as docs/format.md says.

The packer is the slowest possible reading of the definition: one code at a time. Needs NumPy.
"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

READER = Path(__file__).resolve().parents[2] / "docs" / "format_reader.py"

# bits → for each of the 8 codes of a lane: (byte, shift in it, first bit of the code, width)
TWO_BITS = [[(j // 4, 2 * (j % 4), 0, 2)] for j in range(8)]
NIBBLES = [[(j // 2, 4 * (j % 2), 0, 4)] for j in range(8)]
PLACES = {
    2: TWO_BITS,
    3: [[(j // 2, 3 * (j % 2), 0, 3)] for j in range(6)]
    + [[(0, 6, 0, 2), (2, 6, 2, 1)], [(1, 6, 0, 2), (2, 7, 2, 1)]],
    4: NIBBLES,
    5: [[*NIBBLES[j], (4, j, 4, 1)] for j in range(8)],
    6: [[*NIBBLES[j], (4 + j // 4, 2 * (j % 4), 4, 2)] for j in range(8)],
    8: [[(j, 0, 0, 8)] for j in range(8)],
}


def pack(codes: np.ndarray, scales: np.ndarray, zeros: np.ndarray, bits: int) -> np.ndarray:
    """codes [out, in], scales and zeros fp16 [out, groups] → [row blocks, groups, bytes]."""
    out, groups = scales.shape
    group_size = codes.shape[1] // groups
    codes_bytes = group_size // 32 * bits * 64
    blocks = np.zeros((-(-out // 16), groups, codes_bytes + 64), np.uint8)
    for row in range(out):
        for column in range(codes.shape[1]):
            block = blocks[row // 16, column // group_size]
            chunk, position = divmod(column % group_size, 32)
            operand, i = divmod(position, 4)
            lane = chunk * bits * 64 + 4 * (row % 16) + i
            for byte, shift, first, width in PLACES[bits][operand]:
                part = int(codes[row, column]) >> first & (1 << width) - 1
                block[lane + 64 * byte] |= part << shift
        for group in range(groups):
            metadata = blocks[row // 16, group, codes_bytes:].view("<f2")
            metadata[row % 16] = scales[row, group]
            metadata[16 + row % 16] = zeros[row, group]
    return blocks


def save_tensors(path: Path, tensors: dict[str, np.ndarray], alignment: int = 64) -> None:
    header, end = {"__metadata__": {"format": "pt", "trine_format": "1"}}, 0
    for name, array in tensors.items():
        dtype = {"uint8": "U8", "float32": "F32"}[str(array.dtype)]
        offsets = [end, end + array.nbytes]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": offsets}
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % alignment)
    data = b"".join(array.tobytes() for array in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


class ReaderTest(unittest.TestCase):
    """A model of one matrix [out, in] and one untouched tensor."""

    NAME = "model.layers.0.up.weight"
    FILE = "model-00001-of-00001.safetensors"

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def write_model(
        self, bits: int = 3, group_size: int = 64, out: int = 35, inputs: int = 150
    ) -> np.ndarray:
        """Writes the model; returns the weights it stands for."""
        random = np.random.default_rng(bits * group_size)
        groups = -(-inputs // group_size)
        codes = random.integers(0, 1 << bits, (out, groups * group_size))
        codes[:, inputs:] = 0
        scales = random.uniform(0.01, 0.1, (out, groups)).astype("<f2")
        zeros = random.uniform(0, 1 << bits, (out, groups)).astype("<f2")
        wide_scales = np.repeat(scales.astype(np.float32), group_size, axis=1)
        wide_zeros = np.repeat(zeros.astype(np.float32), group_size, axis=1)
        weights = (codes.astype(np.float32) - wide_zeros) * wide_scales
        self.tensors = {
            f"{self.NAME}.packed": pack(codes, scales, zeros, bits),
            "norm.weight": np.ones(7, np.float32),
        }
        record = {
            "format": "affine", "out_features": out, "in_features": inputs, "bits": bits,
            "group_size": group_size, "metadata_bits": 16, "quantizer": "rtn",
        }  # fmt: skip
        self.manifest = {
            "format_version": 1,
            "matrices": {self.NAME: record},
            "checksums": {name: "0" * 16 for name in self.tensors},
        }
        declared = {"quant_method": "trine", "format_version": 1}
        index = {"weight_map": dict.fromkeys(self.tensors, self.FILE)}
        save_tensors(self.folder / self.FILE, self.tensors)
        self.save_json("trine.json", self.manifest)
        self.save_json("config.json", {"quantization_config": declared})
        self.save_json("model.safetensors.index.json", index)
        return weights[:, :inputs]

    def save_json(self, name: str, value: dict) -> None:
        (self.folder / name).write_text(json.dumps(value))

    def read(self, *options: str) -> subprocess.CompletedProcess:
        program = [sys.executable, READER, self.folder, *options]
        return subprocess.run(program, capture_output=True, text=True)

    def assert_refused(self, sentence: str, *options: str) -> None:
        done = self.read(*options)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"\Arefused: .*{sentence}")


class Reading(ReaderTest):
    def test_every_width_and_group_size_comes_back_exactly(self):
        dumped = self.folder / "dumped.safetensors"
        for bits in (2, 3, 4, 5, 6, 8):
            for group_size in (32, 64, 128):
                with self.subTest(bits=bits, group_size=group_size):
                    weights = self.write_model(bits, group_size)
                    done = self.read("--dump", str(dumped))
                    self.assertEqual(done.stderr, "")
                    raw = dumped.read_bytes()
                    start = 8 + int.from_bytes(raw[:8], "little")
                    entry = json.loads(raw[8:start])[self.NAME]
                    self.assertEqual(entry["shape"], [35, 150])
                    found = np.frombuffer(raw[start:], "<f4").reshape(35, 150)
                    np.testing.assert_array_equal(found, weights)

    def test_more_outputs_than_one_panel(self):
        weights = self.write_model(bits=2, group_size=32, out=1030, inputs=32)
        self.read("--dump", str(self.folder / "dumped"))
        found = np.frombuffer((self.folder / "dumped").read_bytes()[-weights.nbytes :], "<f4")
        np.testing.assert_array_equal(found.reshape(1030, 32), weights)

    def test_listing(self):
        self.write_model()
        row = "   3    64         4032  [35, 150] model.layers.0.up.weight\n"
        self.assertIn(row, self.read().stdout)  # 3 row blocks × 3 groups × 448 bytes


class Refusing(ReaderTest):
    def test_manifest(self):
        for field, value, sentence in (
            ("format_version", 2, "format version 2 is unknown"),
            ("format", "trellis", "unknown format 'trellis'"),
            ("bits", 7, "unknown bits or group_size"),
            ("group_size", 48, "unknown bits or group_size"),
            ("out_features", 49, r"is U8 \[3, 3, 448\], not U8 \[4, 3, 448\]"),
            ("in_features", None, "wrong type"),
        ):
            with self.subTest(field):
                self.write_model()
                target = self.manifest["matrices"][self.NAME]
                (self.manifest if field in self.manifest else target)[field] = value
                self.save_json("trine.json", self.manifest)
                self.assert_refused(sentence)

    def test_missing_matrix(self):
        self.write_model()
        records = self.manifest["matrices"]
        records["gone.weight"] = records[self.NAME]
        self.save_json("trine.json", self.manifest)
        self.assert_refused("gone.weight.packed is missing")

    def test_counts_of_nonfinite_weights(self):
        self.write_model()
        for counts, sentence in (({"nowhere": 1}, "nonfinite nowhere is not stored"),
                                 ({self.NAME: 0}, "is 0")):  # fmt: skip
            self.save_json("trine.json", {**self.manifest, "nonfinite": counts})
            self.assert_refused(sentence)
        self.save_json("trine.json", {**self.manifest, "nonfinite": {self.NAME: 2}})
        self.assertEqual(self.read().returncode, 0)

    def test_truncated_and_unaligned_shards(self):
        self.write_model()
        path = self.folder / self.FILE
        path.write_bytes(path.read_bytes()[:-1])
        self.assert_refused("ends behind the file")
        path.write_bytes(b"")
        self.assert_refused("")
        save_tensors(path, self.tensors, alignment=24)
        self.assert_refused("multiple of 64")

    def test_scale_that_is_not_finite(self):
        self.write_model()
        self.tensors[f"{self.NAME}.packed"][1, 1, 384:].view("<f2")[5] = np.inf
        save_tensors(self.folder / self.FILE, self.tensors)
        self.assert_refused("not finite", "--dump", str(self.folder / "dumped"))

    def test_checksum(self):
        try:
            import xxhash  # noqa: F401
        except ImportError:
            self.skipTest("the package xxhash is not installed")
        self.write_model()
        self.assert_refused("is damaged", "--checksums")

    def test_another_quantizer(self):
        self.write_model()
        self.save_json("config.json", {"quantization_config": {"quant_method": "gptq"}})
        self.assert_refused("not a packed model")


if __name__ == "__main__":
    unittest.main()
