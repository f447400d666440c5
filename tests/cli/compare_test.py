"""How far a model is from its original, and what a build server does with the answer."""

import tempfile
import unittest
from pathlib import Path

from program import MODEL, SAMPLE, trine, trine_json


class Compare(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.packed = folder / "packed"
        trine_json("compress", MODEL, cls.packed, "--preset", "rtn-3bit")

    def compare(self, *arguments: str | Path):
        return trine("compare", MODEL, self.packed, "--text", SAMPLE, "--window", "128",
                     *arguments, "--json")  # fmt: skip

    def test_figures_agree_with_eval_and_are_ordered(self):
        done = self.compare()
        self.assertEqual(done.code, 0, done.stdout)
        ours = done.json
        eval_options = ["--reference", MODEL, "--text", SAMPLE, "--window", "128"]
        theirs = trine_json("eval", self.packed, *eval_options)
        for figure in ("kl_divergence", "top1_agreement", "routing_agreement", "perplexity"):
            self.assertEqual(ours[figure], theirs[figure], figure)
            self.assertEqual(ours[f"{figure}_stderr"], theirs[f"{figure}_stderr"], figure)
        original = trine_json("eval", MODEL, "--text", SAMPLE, "--window", "128")
        self.assertAlmostEqual(ours["original_perplexity"], original["perplexity"], places=9)
        self.assertLess(ours["kl_divergence"], ours["kl_divergence_99"])
        self.assertLess(ours["kl_divergence_99"], ours["largest_kl_divergence"])
        low, high = ours["top1_interval"]
        self.assertLess(low, ours["top1_agreement"])
        self.assertLess(ours["top1_agreement"], high)
        self.assertFalse(ours["failed"])

    def test_the_split_adds_up_and_every_text_has_its_figures(self):
        other = Path(self.enterContext(tempfile.TemporaryDirectory())) / "other.txt"
        other.write_text(SAMPLE.read_text(encoding="utf-8")[:2000], encoding="utf-8")
        both = trine("compare", MODEL, self.packed, "--text", SAMPLE, other, "--window", "128",
                     "--json").json  # fmt: skip
        parts = both["expert_divergence"] + both["routing_divergence"]
        self.assertAlmostEqual(parts, both["kl_divergence"], places=12)
        self.assertGreater(both["expert_divergence"], both["routing_divergence"])
        first, second = both["texts"]
        self.assertEqual([first["text"], second["text"]], [str(SAMPLE), str(other)])
        tokens = first["scored_tokens"], second["scored_tokens"]
        self.assertEqual(both["scored_tokens"], sum(tokens))
        weighted = first["kl_divergence"] * tokens[0] + second["kl_divergence"] * tokens[1]
        self.assertAlmostEqual(both["kl_divergence"], weighted / sum(tokens), places=12)

    def test_a_file_stands_where_the_original_stood(self):
        file = Path(self.enterContext(tempfile.TemporaryDirectory())) / "original.reference"
        text = ["--text", SAMPLE, "--window", "128"]
        trine_json("eval", MODEL, *text, "--save-reference", file, "--top-tokens", "32")
        ours = trine("compare", file, self.packed, *text, "--fail-if", "kl_experts>5", "--json").json
        theirs = self.compare().json
        self.assertEqual(ours["top_tokens"], 32)
        for figure in ("perplexity", "top1_agreement", "routing_agreement"):
            self.assertEqual(ours[figure], theirs[figure], figure)
        self.assertLess(ours["kl_divergence"], theirs["kl_divergence"])
        self.assertGreater(ours["kl_divergence"], theirs["kl_divergence"] / 2)
        narrow = trine("compare", file, self.packed, "--text", SAMPLE, "--window", "64", "--json")
        self.assertEqual(narrow.code, 1)
        self.assertIn("--window 128", narrow.json["error"]["message"])

    def test_a_model_is_no_distance_from_itself(self):
        done = trine("compare", MODEL, MODEL, "--text", SAMPLE, "--window", "128",
                     "--fail-if", "kl>0,top1<1,routing<1,perplexity_ratio>1", "--json")  # fmt: skip
        self.assertEqual(done.code, 0, done.stdout)
        self.assertEqual(done.json["largest_kl_divergence"], 0)
        low, high = done.json["top1_interval"]
        self.assertLess(low, 1)  # agreement on one text proves no agreement everywhere
        self.assertEqual(high, 1)

    def test_the_exit_code_says_whether_a_condition_is_met(self):
        for conditions, fails in [
            ("kl>0.000001", [True]),
            ("kl>5", [False]),
            ("kl>5,kl_99>5,top1<0.01,perplexity_ratio>10", [False] * 4),
            ("kl>5,kl_max>0.000001", [False, True]),
            ("routing<1.5", [True]),
            (" kl > 5, top1 < 0.01", [False] * 2),
        ]:
            done = self.compare("--fail-if", conditions)
            self.assertEqual(done.code, int(any(fails)), conditions)
            self.assertEqual([c["fails"] for c in done.json["conditions"]], fails)
            self.assertEqual(done.json["failed"], any(fails))

    def test_a_condition_that_cannot_be_read_is_a_usage_error(self):
        for condition in ("kl", "kl>", "kl>x", "kl=1", "distance>1", "kl>nan", "kl>1e999", ">1"):
            done = self.compare("--fail-if", condition)
            self.assertEqual(done.code, 2, condition)
            self.assertEqual(done.json["error"]["code"], "usage")


if __name__ == "__main__":
    unittest.main()
