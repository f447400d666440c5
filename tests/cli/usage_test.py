"""What the program says when it is used well, badly, or on bad files: sentences and exit codes."""

import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from program import MODEL, PROGRAM, SAMPLE, trine, trine_json

COMMANDS = ["inspect", "calibrate", "compress", "verify", "eval", "compare", "generate",
            "chat", "serve", "bench"]  # fmt: skip


def data_bytes(header: dict) -> int:
    """Bytes all tensors of a safetensors header take."""
    return max(entry["data_offsets"][1] for name, entry in header.items() if name[0] != "_")


class Help(unittest.TestCase):
    def test_every_command_has_help_with_an_example(self):
        overview = trine("--help")
        self.assertEqual(overview.code, 0)
        for command in COMMANDS:
            self.assertIn(command, overview.stdout)
            done = trine(command, "--help")
            self.assertEqual(done.code, 0, command)
            self.assertIn("Example", done.stdout, command)
            self.assertIn(f"trine {command}", done.stdout, command)

    def test_version(self):
        done = trine("--version")
        self.assertEqual(done.code, 0)
        self.assertRegex(done.stdout, r"^trine \d+\.\d+\.\d+\n$")


class Errors(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def assert_fails(self, code: int, error_code: str, words: list[str], *arguments):
        """One sentence on stderr, the same in JSON on stdout, the exact exit code."""
        plain = trine(*arguments)
        self.assertEqual(plain.code, code, plain)
        self.assertEqual(plain.stdout, "")
        self.assertTrue(plain.stderr.splitlines()[-1].startswith("trine: "), plain.stderr)
        done = trine(*arguments, "--json")
        self.assertEqual(done.code, code)
        error = done.json["error"]
        self.assertEqual(error["code"], error_code)
        for word in words:
            self.assertIn(word, error["message"])
            self.assertIn(word, plain.stderr)

    def copy_model(self) -> Path:
        copy = self.folder / "model"
        shutil.copytree(MODEL, copy)
        return copy

    def edit_config(self, model: Path, **changes) -> None:
        path = model / "config.json"
        config = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))

    def test_usage(self):
        self.assertEqual(trine().code, 2)
        self.assertEqual(trine("frobnicate").code, 2)
        self.assertEqual(trine("inspect").code, 2)
        self.assertEqual(trine("inspect", MODEL, "--frobnicate").code, 2)
        done = trine("eval", MODEL, "--text", SAMPLE, "--window", "many", "--json")
        self.assertEqual(done.code, 2)
        self.assertEqual(done.json["error"]["code"], "usage")
        self.assertEqual(trine("eval", MODEL, "--text", SAMPLE, "--task", "mmlu").code, 2)

    def test_missing_model(self):
        self.assert_fails(1, "not_found", ["nowhere"], "inspect", self.folder / "nowhere")

    def test_directory_without_a_model(self):
        self.assert_fails(1, "not_found", ["config.json"], "inspect", self.folder)

    def test_unknown_family_lists_the_known(self):
        model = self.copy_model()
        self.edit_config(model, model_type="transmogrifier")
        self.assert_fails(1, "unsupported", ["transmogrifier", "mixtral"], "inspect", model)

    def test_missing_config_field_is_named(self):
        model = self.copy_model()
        self.edit_config(model, hidden_size=...)
        self.assert_fails(1, "malformed", ["hidden_size", "missing"], "inspect", model)

    def test_contradicting_config_names_the_tensor(self):
        model = self.copy_model()
        self.edit_config(model, intermediate_size=500)
        self.assert_fails(1, "malformed", ["w1.weight", "500"], "inspect", model)

    def test_truncated_weights(self):
        model = self.copy_model()
        weights = model / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        self.assert_fails(1, "malformed", ["model.safetensors"], "verify", model)

    def test_nonfinite_weight_is_named_and_nothing_is_left(self):
        model = self.copy_model()
        weights = model / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1], content[-2] = 0x7F, 0x80  # +infinity as bf16 in the last tensor
        weights.write_bytes(content)
        self.assert_fails(1, "malformed", ["infinite"], "verify", model)
        self.assert_fails(1, "malformed", ["infinite", "--allow-nonfinite"],
                          "compress", model, self.folder / "out")  # fmt: skip
        self.assertEqual([p.name for p in self.folder.iterdir()], ["model"])
        # Whoever works with --resume keeps what was finished before the bad tensor was met.
        self.assert_fails(1, "malformed", ["infinite", "--allow-nonfinite"],
                          "compress", model, self.folder / "out", "--resume")  # fmt: skip
        report = trine_json("compress", model, self.folder / "out", "--resume", "--allow-nonfinite")
        self.assertGreater(report["resumed_matrices"], 0)

    def test_nonfinite_weights_that_are_allowed_are_counted_and_warned_of(self):
        model = self.copy_model()
        weights = model / "model.safetensors"
        content = bytearray(weights.read_bytes())
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        packed = "model.layers.1.self_attn.q_proj.weight"
        for name in (packed, "model.norm.weight"):
            place = len(content) - data_bytes(header) + header[name]["data_offsets"][0]
            content[place : place + 2] = b"\xc0\x7f"  # NaN as bf16
        weights.write_bytes(content)
        report = trine_json("compress", model, self.folder / "json", "--allow-nonfinite")
        self.assertEqual(report["nonfinite_weights"], 2)
        plain = trine("compress", model, self.folder / "text", "--allow-nonfinite")
        self.assertEqual(plain.code, 0, plain)
        self.assertIn("warning          2 weights in 2 tensors", plain.stdout)
        self.assertIn(packed, plain.stdout)
        manifest = json.loads((self.folder / "json/trine.json").read_text())
        self.assertEqual(manifest["nonfinite"], {packed: 1, "model.norm.weight": 1})
        self.assertEqual(trine_json("verify", self.folder / "json")["nonfinite_weights"], 2)
        verified = trine("verify", self.folder / "text")
        self.assertEqual(verified.code, 0, verified)
        self.assertIn("warning: made with --allow-nonfinite: 2 weights", verified.stdout)

    def test_existing_output_is_left_alone(self):
        target = self.folder / "out"
        target.mkdir()
        (target / "precious").write_text("keep me")
        self.assert_fails(1, "invalid_argument", ["exists"], "compress", MODEL, target)
        self.assertEqual((target / "precious").read_text(), "keep me")

    def test_bad_options(self):
        out = self.folder / "out"
        self.assert_fails(1, "invalid_argument", ["7bit"], "compress", MODEL, out,
                          "--preset", "rtn-7bit")  # fmt: skip
        self.assert_fails(1, "unsupported", ["awq"], "compress", MODEL, out,
                          "--preset", "awq-4bit")  # fmt: skip
        self.assert_fails(1, "unsupported", ["sse9", "scalar"], "bench", MODEL, "--isa", "sse9")
        self.assert_fails(1, "invalid_argument", ["top_p"], "generate", MODEL,
                          "--prompt", "x", "--top-p", "0")  # fmt: skip
        self.assert_fails(1, "invalid_argument", ["threads"], "bench", MODEL, "--threads", "-1")

    def test_text_too_short_for_one_window(self):
        text = self.folder / "short.txt"
        text.write_text("Too short.")
        self.assert_fails(1, "invalid_argument", ["window"], "eval", MODEL, "--text", text,
                          "--window", "256")  # fmt: skip

    def test_packed_model_cannot_be_compressed_again(self):
        packed = self.folder / "packed"
        trine_json("compress", MODEL, packed)
        self.assert_fails(1, "unsupported", ["trine"], "compress", packed, self.folder / "again")

    def test_damaged_packed_model_is_named(self):
        packed = self.folder / "packed"
        trine_json("compress", MODEL, packed)
        weights = packed / "model-00001-of-00001.safetensors"
        content = bytearray(weights.read_bytes())
        content[len(content) // 3] ^= 4
        weights.write_bytes(content)
        self.assert_fails(1, "checksum", ["block_sparse_moe.experts"], "verify", packed)


class Output(unittest.TestCase):
    def test_inspect_counts_parameters(self):
        inspection = trine_json("inspect", MODEL)
        # The sum over every tensor of the checkpoint: 30,951,936 bytes of bf16.
        self.assertEqual(inspection["num_parameters"] * 2, inspection["stored_bytes"])
        self.assertEqual(inspection["num_experts"], 8)
        self.assertEqual(len(inspection["matrices"]), 4 * (4 + 24 + 1) + 2)

    def test_generation_is_reproducible(self):
        arguments = ["generate", MODEL, "--prompt", "It was", "--max-tokens", "20", "--seed"]
        first, again, other = (trine_json(*arguments, seed) for seed in ("5", "5", "6"))
        self.assertEqual(first["text"], again["text"])
        self.assertNotEqual(first["text"], other["text"])
        self.assertEqual(first["generated_tokens"], 20)

    def test_streamed_text_is_the_text(self):
        arguments = ["generate", MODEL, "--prompt", "It was", "--max-tokens", "30", "--seed", "2"]
        self.assertEqual(trine(*arguments).stdout, "It was" + trine_json(*arguments)["text"] + "\n")

    def test_progress_in_a_pipe_is_plain_lines(self):
        with tempfile.TemporaryDirectory() as folder:
            done = trine("compress", MODEL, Path(folder) / "out")
        self.assertNotIn("\r", done.stderr)
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertIn("compressing: 100 %", done.stderr)

    def test_bench_reports_share_of_the_limit(self):
        report = trine_json("bench", MODEL, "--prompt-tokens", "8", "--decode-tokens", "4",
                            "--repeats", "1")  # fmt: skip
        self.assertGreater(report["decode_tokens_per_second"], 0)
        self.assertGreater(report["read_bandwidth_bytes_per_second"], 1e8)
        first, third = report["decode_read_share_quartiles"]
        self.assertGreater(first, 0)
        self.assertTrue(first <= report["decode_read_share"] <= third, report)
        self.assertAlmostEqual(
            report["first_token_seconds"] * report["prefill_tokens_per_second"], 8, places=6)
        # Everything a prompt touches of 31 MB of weights, without the 512 MiB that reads need.
        self.assertTrue(10e6 < report["peak_rss_bytes"] < 300e6, report["peak_rss_bytes"])
        # Attention, routers, head and 2 of 8 experts, in bf16: what one token reads.
        self.assertEqual(report["active_bytes"], 2 * (786432 + 8192 + 1048576 + 12582912 // 4))

    def test_bench_needs_no_tokenizer(self):
        with tempfile.TemporaryDirectory() as folder:
            for file in ("config.json", "model.safetensors"):
                (Path(folder) / file).symlink_to(MODEL / file)
            report = trine_json("bench", folder, "--prompt-tokens", "4", "--decode-tokens", "2",
                                "--repeats", "1")  # fmt: skip
        self.assertGreater(report["prefill_tokens_per_second"], 0)

    def test_killed_compression_leaves_no_model(self):
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "out"
            process = subprocess.Popen(
                [PROGRAM, "compress", MODEL, target], stderr=subprocess.PIPE, text=True
            )
            process.stderr.readline()  # the first progress line: work is under way
            process.kill()
            process.communicate()
            self.assertFalse(target.exists())
            trine_json("compress", MODEL, target)  # the left-over does not disturb the next run
            self.assertEqual([p.name for p in Path(folder).iterdir()], ["out"])


if __name__ == "__main__":
    unittest.main()
