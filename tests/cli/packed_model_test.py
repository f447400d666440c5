"""A packed model seen from outside: same bytes always, an independent reader agrees, and running
packed codes equals running the weights they stand for."""

import contextlib
import hashlib
import io
import json
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from program import MODEL, ROOT, SAMPLE, trine_json

sys.path.insert(0, str(ROOT / "docs"))
import format_reader  # noqa: E402

PRESETS = ["rtn-2bit", "hqq-3bit", "rtn-4bit", "hqq-5bit", "rtn-6bit", "rtn-8bit"]


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def widen_bf16(path: Path) -> dict[str, np.ndarray]:
    """A bf16 checkpoint as fp32; NumPy has no bf16, so the bits are moved by hand."""
    header_bytes = int.from_bytes(path.read_bytes()[:8], "little")
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + header_bytes])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = content[8 + header_bytes + begin : 8 + header_bytes + end]
        assert entry["dtype"] == "BF16", name
        bits = np.frombuffer(raw, np.uint16).astype(np.uint32) << 16
        tensors[name] = bits.view(np.float32).reshape(entry["shape"])
    return tensors


class PackedModel(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def compress(self, name: str, *options: str) -> tuple[Path, dict]:
        target = self.folder / name
        return target, trine_json("compress", MODEL, target, *options)

    def relative_error(self, packed: Path, original: dict[str, np.ndarray]) -> float:
        """‖W − Ŵ‖F / ‖W‖F over all matrices by the independent reader, every checksum right."""
        matrices, checksums, tensors = format_reader.open_model(packed)
        with contextlib.redirect_stdout(io.StringIO()):
            format_reader.verify_checksums(checksums, tensors)
        error = weight = 0.0
        for matrix in matrices:
            restored = np.concatenate(list(format_reader.dequantize(matrix)))
            truth = original[matrix.name].astype(np.float64)
            error += np.square(truth - restored).sum()
            weight += np.square(truth).sum()
        return float(np.sqrt(error / weight))

    def test_bytes_do_not_depend_on_threads_or_run(self):
        for preset in ("rtn-3bit", "hqq-3bit"):
            runs = [
                digest(self.compress(f"{preset}-{i}", "--preset", preset, "--threads", t)[0])
                for i, t in enumerate(["1", "2", "2", "5"])
            ]
            for other in runs[1:]:
                self.assertEqual(runs[0], other)

    def test_report_counts_every_stored_byte(self):
        packed, report = self.compress("model", "--preset", "hqq-3bit", "--group-size", "128")
        data_bytes = 0
        packed_bytes = 0
        for shard in packed.glob("*.safetensors"):
            with safe_open(shard, "numpy") as file:
                for name in file.keys():
                    size = file.get_tensor(name).nbytes if name.endswith(".packed") else None
                    packed_bytes += size or 0
            content = shard.read_bytes()
            data_bytes += len(content) - 8 - int.from_bytes(content[:8], "little")
        self.assertEqual(report["stored_bytes"], data_bytes)
        weights = 16 * 65536 - 4 * 2 * 32768 + 96 * 131072  # attention and experts
        self.assertEqual(report["bits_per_weight"], 8 * packed_bytes / weights)
        self.assertEqual(report["bits_per_weight"], 3.25)  # 3 + 32/128: fp16 scale and zero

    def test_independent_reader_agrees(self):
        original = widen_bf16(MODEL / "model.safetensors")
        for preset in PRESETS:
            packed, report = self.compress(preset, "--preset", preset)
            error = self.relative_error(packed, original)
            self.assertAlmostEqual(error, report["weight_error"], places=10)

    def test_independent_reader_agrees_on_eight_bit_metadata(self):
        original = widen_bf16(MODEL / "model.safetensors")
        for preset in ("rtn-4bit", "hqq-3bit", "trine-2bit"):
            with self.subTest(preset):
                packed, report = self.compress(preset, "--preset", preset, "--metadata-bits", "8")
                error = self.relative_error(packed, original)
                self.assertAlmostEqual(error, report["weight_error"], places=10)

    def test_independent_reader_agrees_on_compensators(self):
        small = ROOT / "tests/golden/mixtral"  # ragged shapes; seconds instead of minutes
        original = widen_bf16(small / "model.safetensors")
        for compensator in ("milo", "milo-paper"):
            for factor_bits in ("3", "4", "8", "16"):
                for metadata_bits in ("8", "16"):
                    name = f"{compensator}-{factor_bits}-{metadata_bits}"
                    with self.subTest(name):
                        packed = self.folder / name
                        report = trine_json(
                            "compress", small, packed, "--preset", "trine-3bit",
                            "--rank", "uniform-16", "--compensator", compensator,
                            "--factor-bits", factor_bits, "--metadata-bits", metadata_bits,
                        )  # fmt: skip
                        # The program subtracts left · right in fp32, the reader in double.
                        error = self.relative_error(packed, original)
                        self.assertAlmostEqual(error / report["weight_error"], 1.0, places=5)
                        trine_json("verify", packed)

    def test_running_codes_equals_running_the_weights(self):
        """Perplexity of the packed model and of its weights written out as fp32: within 0.05 %."""
        packed, _ = self.compress("packed", "--preset", "hqq-3bit")
        dense = self.folder / "dense"
        dense.mkdir()
        tensors = widen_bf16(MODEL / "model.safetensors")
        format_reader.dump(format_reader.open_model(packed)[0], self.folder / "dump.safetensors")
        restored = load_file(self.folder / "dump.safetensors")
        self.assertEqual(len(restored), 112)
        save_file({**tensors, **restored}, dense / "model.safetensors")
        config = json.loads((packed / "config.json").read_text())
        del config["quantization_config"]
        (dense / "config.json").write_text(json.dumps(config))
        for companion in MODEL.glob("tokenizer*"):
            shutil.copy(companion, dense)

        arguments = ["--text", SAMPLE, "--window", "256", "--reference", dense]
        scores = trine_json("eval", packed, *arguments)
        reference = trine_json("eval", dense, *arguments[:-2])
        self.assertLess(abs(scores["perplexity"] / reference["perplexity"] - 1), 5e-4)
        # 14-bit digits move a logit by some 1e-4: the distributions are the same to 1e-6 nats.
        self.assertLess(scores["kl_divergence"], 1e-6)
        self.assertGreater(scores["routing_agreement"], 0.999)

    def test_every_instruction_set_gives_the_same_perplexity(self):
        packed, _ = self.compress("packed", "--preset", "rtn-3bit")
        arguments = ["eval", packed, "--text", SAMPLE, "--window", "256", "--isa"]
        available = ["scalar"]
        flags = Path("/proc/cpuinfo").read_text()
        available += ["avx2"] if " avx2" in flags else []
        available += ["avx512"] if " avx512bw" in flags else []
        available += ["avx512vnni"] if " avx512_vnni" in flags else []
        scores = [trine_json(*arguments, isa)["perplexity"] for isa in available]
        for score in scores:
            self.assertLess(abs(score / scores[0] - 1), 1e-4)

    def test_results_do_not_depend_on_threads(self):
        packed, _ = self.compress("packed", "--preset", "hqq-3bit")
        for model in (packed, MODEL):
            arguments = ["eval", model, "--text", SAMPLE, "--window", "256", "--threads"]
            one, two = (trine_json(*arguments, threads) for threads in ("1", "2"))
            self.assertEqual(one["nll"], two["nll"])

    def test_sliding_and_disjoint_protocols(self):
        arguments = ["eval", MODEL, "--text", SAMPLE, "--window", "256"]
        disjoint = trine_json(*arguments)
        sliding = trine_json(*arguments, "--stride", "64")
        self.assertEqual(disjoint["protocol"], "disjoint")
        self.assertEqual(sliding["protocol"], "sliding")
        self.assertEqual(disjoint["scored_tokens"], disjoint["windows"] * 255)
        self.assertEqual(sliding["scored_tokens"], sliding["tokens"] - 1)
        # More context never hurts a trained model on running prose.
        self.assertLess(sliding["perplexity"], disjoint["perplexity"])


if __name__ == "__main__":
    unittest.main()
