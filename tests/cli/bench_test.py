"""`trine bench` without a model: fields, sanity, refused values. Speed itself is not tested."""

import re
import unittest

from program import MODEL, trine, trine_json

ONE_SHAPE = ["--quick", "--shapes", "256x512", "--cached-shapes", "64x512"]


class Machine(unittest.TestCase):
    def test_rates_are_there_and_sane(self):
        report = trine_json("bench", "--machine", "--quick")
        self.assertGreater(report["clock_hertz"], 2e8)
        for field in ["read_bandwidth_bytes_per_second", "sgemm_per_second"]:
            self.assertGreater(report[field]["one_thread"], 1e7, field)
            self.assertGreater(report[field]["all_threads"], 1e7, field)
        best = report["best_read_bandwidth_bytes_per_second"]["one_thread"]
        self.assertGreaterEqual(best, report["read_bandwidth_bytes_per_second"]["one_thread"])
        dot = report["integer_dot_per_second"]
        if dot is not None:  # one instruction has at most 128 operations, two of them a clock
            self.assertLess(dot["one_thread"], 128 * 2 * 1e10)
            self.assertIn("mm", dot["instruction"])

    def test_scalar_code_has_no_register_loops(self):
        report = trine_json("bench", "--machine", "--quick", "--isa", "scalar")
        self.assertEqual(report["isa"], "scalar")
        self.assertIsNone(report["integer_dot_per_second"])

    def test_text_has_aligned_columns(self):
        done = trine("bench", "--machine", "--quick", "--threads", "2")
        self.assertEqual(done.code, 0, done.stderr)
        lines = [line for line in done.stdout.splitlines() if "/s" in line]
        self.assertGreaterEqual(len(lines), 3)
        units = {re.search(r"[A-Z]+/s", line).start() for line in lines}
        self.assertEqual(len(units), 1, done.stdout)


class Kernels(unittest.TestCase):
    def test_every_row_has_its_figures(self):
        report = trine_json("bench", "--kernels", *ONE_SHAPE, "--bits", "2,3", "--batch", "1,5",
                            "--metadata-bits", "16,8", "--rank", "16", "--threads", "2")  # fmt: skip
        # 2 widths, 2 metadata, 2 batches, 1 or 2 threads; from the cache, and two ways from memory.
        rows = report["rows"]
        self.assertEqual(len(rows), 2 * 2 * 2 * 2 * 3)
        for row in rows:
            self.assertGreaterEqual(row["runs"], 3)
            self.assertLess(row["relative_error"], 2e-4, row)
            self.assertGreater(row["relative_error"], 0, row)
            self.assertEqual(row["rank"], 16 if row["path"] == "engine" else 0)
            self.assertGreater(row["weights_per_clock_per_core"], 0)
            digits = 2
            weights = row["shape"][0] * row["shape"][1]
            self.assertAlmostEqual(
                row["operations_per_second"] * row["seconds"] / (2 * digits * weights),
                row["batch"], places=6)  # fmt: skip
            if row["weights_in"] == "memory":
                self.assertGreater(row["read_share"], 0)
                self.assertGreater(row["read_bandwidth_bytes_per_second"], 1e7)
            else:
                self.assertIsNone(row["read_share"])
        kernel, engine = (
            next(row for row in rows if row["path"] == path and row["weights_in"] == "memory")
            for path in ("kernel", "engine")
        )
        self.assertEqual(kernel["stored_bytes"], 256 * 512 * (2 + 32 / 64) // 8)
        # Factors: 16 rows of 256 and of 512 codes with 3 bits, 32 bits per group of 64.
        self.assertEqual(engine["stored_bytes"] - kernel["stored_bytes"],
                         16 * (256 + 512) * (3 + 32 / 64) // 8)  # fmt: skip

    def test_eight_bit_activations_count_one_digit_and_err_more(self):
        report = trine_json("bench", "--kernels", *ONE_SHAPE, "--activations", "8",
                            "--batch", "1", "--threads", "1", "--rank", "0")  # fmt: skip
        self.assertEqual(report["activations"], "8")
        for row in report["rows"]:
            self.assertLess(row["relative_error"], 0.02)
            self.assertGreater(row["relative_error"], 1e-3)
            weights = row["shape"][0] * row["shape"][1]
            self.assertAlmostEqual(
                row["operations_per_second"] * row["seconds"] / (2 * weights), 1, places=6)

    def test_bf16_activations_err_by_a_half_of_their_last_bit(self):
        report = trine_json("bench", "--kernels", *ONE_SHAPE, "--activations", "bf16",
                            "--batch", "1,9", "--threads", "1", "--rank", "0")  # fmt: skip
        self.assertEqual(report["activations"], "bf16")
        # Where the processor multiplies bf16 they count once, elsewhere as two digits.
        counted = 1 if report["peak_instruction"].startswith("vdpbf16ps") else 2
        for row in report["rows"]:
            # 8 bits of each value: an error of up to 2^-9 of it, evenly spread from 0: 1.7e-3 at 1.
            self.assertLess(row["relative_error"], 3e-3)
            self.assertGreater(row["relative_error"], 1e-3)
            weights = row["shape"][0] * row["shape"][1]
            self.assertAlmostEqual(
                row["operations_per_second"] * row["seconds"] / (2 * counted * weights),
                row["batch"], places=6)  # fmt: skip

    def test_other_activations_are_refused_with_a_sentence(self):
        for mode in (["--kernels", *ONE_SHAPE], ["--layer", "--quick"], [MODEL]):
            for value in ("4", "fp16", ""):
                done = trine("bench", *mode, "--activations", value)
                self.assertEqual(done.code, 1, done.stderr)
                self.assertIn(f'activations is "{value}", expected 16, 8 or bf16', done.stderr)

    def test_text_names_the_instruction_of_the_peak(self):
        for activations in ("16", "bf16"):
            report = trine_json("bench", "--kernels", *ONE_SHAPE, "--batch", "1", "--rank", "0",
                                "--activations", activations)  # fmt: skip
            done = trine("bench", "--kernels", *ONE_SHAPE, "--batch", "1", "--rank", "0",
                         "--activations", activations)  # fmt: skip
            self.assertIn(f"activations {activations}, matrices", done.stdout)
            self.assertIn(f"share of {report['peak_instruction']} on registers", done.stdout)

    def test_text_is_one_aligned_table(self):
        done = trine("bench", "--kernels", *ONE_SHAPE, "--batch", "1", "--rank", "0")
        self.assertEqual(done.code, 0, done.stderr)
        table = done.stdout[done.stdout.index("path "):].splitlines()
        self.assertEqual(len({len(line) for line in table}), 1, done.stdout)
        self.assertIn("measuring: 100 %", done.stderr)


SMALL_LAYER = ["bench", "--layer", "--quick", "--hidden", "128", "--intermediate", "256"]


class Layer(unittest.TestCase):
    def test_mixed_and_uniform_have_the_same_bytes(self):
        report = trine_json(*SMALL_LAYER, "--experts", "4", "--batch", "1,2", "--threads", "2")
        self.assertEqual(report["bytes_difference"], 0)
        self.assertEqual({expert["bits"] for expert in report["mixed_experts"]}, {2, 3, 4})
        self.assertEqual([expert["rank"] for expert in report["mixed_experts"]], [64, 0, 0, 64])
        # 3 × 128 × 256 weights of 3 bits and 32 / 64; factors of rank 32 likewise.
        expert = (3 * 128 * 256 + 3 * 32 * (128 + 256)) * 7 // 16
        self.assertEqual({e["stored_bytes"] for e in report["uniform_experts"]}, {expert})
        rows = report["rows"]
        self.assertEqual([(row["batch"], row["threads"]) for row in rows],
                         [(1, 1), (1, 2), (2, 1), (2, 2)])  # fmt: skip
        for row in rows:
            for layer in ("mixed", "uniform"):
                figures = row[layer]
                self.assertGreater(figures["seconds"], 0)
                first, third = figures["read_share_quartiles"]
                self.assertTrue(0 < first <= figures["read_share"] <= third, figures)
            self.assertGreater(row["time_per_byte_ratio"], 0)
            if row["batch"] == 1:  # two experts and the router in fp32
                self.assertEqual(row["uniform"]["active_bytes"], 2 * expert + 4 * 4 * 128)

    def test_text_is_one_aligned_table(self):
        done = trine(*SMALL_LAYER, "--threads", "1")
        self.assertEqual(done.code, 0, done.stderr)
        table = done.stdout[done.stdout.index("layer "):].splitlines()
        self.assertEqual(len(table), 3, done.stdout)
        self.assertEqual(len({len(line) for line in table}), 1, done.stdout)
        self.assertIn("measuring: 100 %", done.stderr)


class Compress(unittest.TestCase):
    def test_seconds_error_and_rates(self):
        report = trine_json("bench", "--compress", "--quick", "--shape", "128x512",
                            "--rank", "16")  # fmt: skip
        self.assertGreater(report["seconds"], 0)
        self.assertLess(report["weight_error"], 0.25)
        self.assertEqual(report["iterations"], len(report["iteration_errors"]))
        self.assertGreater(report["low_rank_operations_per_second"], 1e6)
        self.assertGreater(report["sgemm_per_second"], 1e7)

    def test_iterations_are_shown_on_demand(self):
        command = ["bench", "--compress", "--quick", "--shape", "64x256", "--rank", "16"]
        self.assertNotIn("iteration   1", trine(*command).stdout)
        self.assertIn("iteration   1", trine(*command, "--iterations").stdout)


class Refused(unittest.TestCase):
    def assert_fails(self, code: int, words: list[str], *arguments):
        done = trine(*arguments)
        self.assertEqual(done.code, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_values_that_make_no_sense(self):
        for mode in ["--kernels", "--compress"]:
            self.assert_fails(1, ['"4096y3"', "4096x14336"], "bench", mode, "--shape", "4096y3")
            self.assert_fails(1, ["bits is 7", "2, 3, 4"], "bench", mode, "--bits", "7")
            self.assert_fails(1, ["rank is 20", "16"], "bench", mode, "--rank", "20")
        self.assert_fails(1, ["batch is 0"], "bench", "--kernels", "--batch", "0")
        self.assert_fails(1, ["group size is 48", "64"], "bench", "--kernels", "--group", "48")
        self.assert_fails(1, ["rank is 20", "16"], "bench", "--layer", "--rank", "20")
        self.assert_fails(1, ["experts per token is 9"], "bench", "--layer",
                          "--experts-per-token", "9")  # fmt: skip
        self.assert_fails(1, ["awq", "hqq"], "bench", "--compress", "--quick",
                          "--quantizer", "awq")  # fmt: skip
        self.assert_fails(1, ["sse9"], "bench", "--machine", "--isa", "sse9")
        self.assert_fails(1, ["threads"], "bench", "--machine", "--threads", "-1")

    def test_options_of_another_mode(self):
        self.assert_fails(2, ["MODEL", "--machine"], "bench")
        self.assert_fails(2, ["MODEL", "--machine"], "bench", MODEL, "--machine")
        self.assert_fails(2, ["choose one"], "bench", "--machine", "--kernels")
        self.assert_fails(2, ["--batch", "--machine"], "bench", "--machine", "--batch", "1")
        self.assert_fails(2, ["--rank", "a model"], "bench", MODEL, "--rank", "16")
        self.assert_fails(2, ["choose one"], "bench", "--layer", "--kernels")
        self.assert_fails(2, ["--bits", "--layer"], "bench", "--layer", "--bits", "3")
        self.assert_fails(2, ["--hidden", "--kernels"], "bench", "--kernels", "--hidden", "64")
        self.assert_fails(2, ["one width"], "bench", "--layer", "--metadata-bits", "16,8")
        self.assert_fails(2, ["one shape"], "bench", "--compress", "--bits", "3,4")
        self.assert_fails(2, ["--batch"], "bench", "--kernels", "--batch", "x")


if __name__ == "__main__":
    unittest.main()
