"""trine plan: sizes to the byte, budgets kept, plans carried out, and impossible plans refused."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

from program import MODEL, ROOT, trine, trine_json

GOLDEN = ROOT / "tests/golden/mixtral"


class Plans(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.plan = self.folder / "plan.json"

    def compress(self, *options: str) -> dict:
        return trine_json("compress", str(GOLDEN), str(self.folder / "packed"), *options)

    def test_presets_are_predicted_to_the_byte(self) -> None:
        for options in (
            ["--preset", "rtn-3bit", "--group-size", "32"],
            ["--preset", "trine-4bit", "--metadata-bits", "8"],
            ["--preset", "expert-mixed-2.5", "--score", "router-norm"],
            ["--preset", "milo-s1", "--rank-scale", "0.03"],
            ["--preset", "trine-2bit", "--rank", "uniform-16", "--factor-bits", "16"],
        ):
            with self.subTest(options), tempfile.TemporaryDirectory() as folder:
                planned = trine_json("plan", str(GOLDEN), "-o", str(self.plan), *options)
                packed = trine_json(
                    "compress", str(GOLDEN), f"{folder}/packed", "--plan", str(self.plan)
                )
                self.assertEqual(planned["stored_bytes"], packed["stored_bytes"])
                self.assertEqual(planned["bits_per_weight"], packed["bits_per_weight"])
                self.assertEqual(trine("verify", f"{folder}/packed").code, 0)

    def test_a_budget_is_kept_and_its_errors_are_reused(self) -> None:
        errors = self.folder / "errors.json"
        free = trine_json("plan", str(GOLDEN), "--bits-per-weight", "5.5", "--errors", str(errors))
        self.assertLessEqual(free["bits_per_weight"], 5.5)
        measured = errors.read_bytes()
        limit = free["stored_bytes"] - 1
        tight = trine_json("plan", str(GOLDEN), "--memory", str(limit), "--errors", str(errors),
                           "-o", str(self.plan))  # fmt: skip
        self.assertEqual(errors.read_bytes(), measured)
        self.assertLessEqual(tight["stored_bytes"], limit)
        packed = self.compress("--memory", str(limit), "--errors", str(errors))
        self.assertEqual(packed["stored_bytes"], tight["stored_bytes"])

    def test_the_time_of_choosing_is_told_apart_from_measuring(self) -> None:
        planned = trine_json("plan", str(GOLDEN), "--bits-per-weight", "5.5")
        self.assertGreater(planned["allocation_seconds"], 0.0)
        # 24 treatments of every matrix are measured first, which takes far longer than choosing.
        self.assertLess(planned["allocation_seconds"], 0.5 * planned["seconds"])

    def test_errors_of_another_model_or_other_statistics_are_refused(self) -> None:
        errors = self.folder / "errors.json"
        budget = ["--bits-per-weight", "5.5", "--errors", errors]
        trine_json("plan", GOLDEN, *budget)
        other = trine("plan", ROOT / "tests/golden/olmoe", *budget)
        self.assertEqual(other.code, 1)
        self.assertIn(f"{errors}: its errors were measured on another model", other.stderr)
        text = json.loads(errors.read_text())
        text["statistics_xxh3"] = "0123456789abcdef"
        errors.write_text(json.dumps(text))
        other = trine("plan", GOLDEN, *budget)
        self.assertEqual(other.code, 1)
        self.assertIn("with statistics 0123456789abcdef, but none were given", other.stderr)

    def test_budgets_of_models_with_nan(self) -> None:
        model, errors = self.folder / "model", self.folder / "errors.json"
        shutil.copytree(GOLDEN, model)
        content = bytearray((model / "model.safetensors").read_bytes())
        data = 8 + int.from_bytes(content[:8], "little")
        name = "model.layers.1.self_attn.q_proj.weight"
        place = data + json.loads(content[8:data])[name]["data_offsets"][0]
        content[place : place + 2] = b"\xc0\x7f"  # NaN as bf16
        (model / "model.safetensors").write_bytes(content)
        budget = ["--bits-per-weight", "5.5", "--errors", errors]
        refused = trine("plan", model, *budget)
        self.assertEqual(refused.code, 1)
        self.assertIn(name, refused.stderr)
        self.assertIn("--allow-nonfinite", refused.stderr)
        planned = trine_json("plan", model, *budget, "--allow-nonfinite")
        self.assertEqual(planned["nonfinite_weights"], 1)
        refused = trine("plan", model, *budget)  # the table is there now, and remembers
        self.assertEqual(refused.code, 1)
        self.assertIn(f"1 of the weights of {name}", refused.stderr)
        out = self.folder / "packed"
        packed = trine_json("compress", model, out, *budget, "--allow-nonfinite")
        self.assertEqual(packed["nonfinite_weights"], 1)
        self.assertEqual(packed["stored_bytes"], planned["stored_bytes"])

    def test_impossible_budgets_are_refused(self) -> None:
        refused = trine("plan", str(GOLDEN), "--memory", "1kB")
        self.assertEqual(refused.code, 1)
        self.assertIn("not compressed", refused.stderr)
        both = trine("plan", str(GOLDEN), "--memory", "1MB", "--preset", "rtn-3bit")
        self.assertEqual(both.code, 1)
        self.assertIn("give one of", both.stderr)

    def test_files_that_cannot_be_written_are_refused_before_the_work(self) -> None:
        lost = self.folder / "missing" / "file"
        out = self.folder / "out"
        for command in (
            ["plan", GOLDEN, "-o"],
            ["plan", GOLDEN, "--bits-per-weight", "4", "--errors"],
            ["compress", GOLDEN, out, "--trace"],
        ):
            with self.subTest(command):
                refused = trine(*command, lost)
                self.assertEqual(refused.code, 1)
                self.assertIn(f"{lost}: its directory does not exist", refused.stderr)
                # The display shows a line for every matrix that is measured or compressed.
                self.assertNotIn("layers.0", refused.stderr)
                refused = trine(*command, self.folder)
                self.assertEqual(refused.code, 1)
                self.assertIn("is a directory", refused.stderr)
                self.assertFalse(out.exists())

    def test_a_hand_edited_plan_names_matrix_and_field(self) -> None:
        trine_json("plan", str(GOLDEN), "--preset", "rtn-4bit", "-o", str(self.plan))
        name = "model.layers.0.self_attn.q_proj.weight"
        for field, value in (
            ("bits", 7),
            ("group_size", 48),
            ("metadata_bits", 12),
            ("rank", 100000),
            ("quantizer", "magic"),
        ):
            with self.subTest(field):
                plan = json.loads(self.plan.read_text())
                plan["matrices"][name][field] = value
                edited = self.folder / "edited.json"
                edited.write_text(json.dumps(plan))
                out = self.folder / "out"
                refused = trine("compress", str(GOLDEN), str(out), "--plan", str(edited))
                self.assertEqual(refused.code, 1)
                self.assertIn(name, refused.stderr)
                self.assertIn(str(value), refused.stderr)
                self.assertFalse(out.exists())

    def test_true_change_of_router_norms(self) -> None:
        initial = MODEL / "router_init.safetensors"
        planned = trine_json("plan", str(MODEL), "--preset", "expert-mixed-2.5", "--score",
                             "router-norm-change", "--init-checkpoint", str(initial))  # fmt: skip
        self.assertEqual(planned["allocator"], "expert-mixed")
        without = trine("plan", str(MODEL), "--preset", "expert-mixed-2.5", "--score",
                        "router-norm-change")  # fmt: skip
        self.assertEqual(without.code, 1)


if __name__ == "__main__":
    unittest.main()
