"""Models with an encoder: the prompt is read, not continued, and perplexity has its own protocol."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

from families_test import TEXT, goldens, tokenizer
from program import trine, trine_json


class EncoderDecoder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.model = cls.folder / "model"
        configs = {golden: json.loads((golden / "config.json").read_text()) for golden in goldens()}
        golden = next(path for path in configs if configs[path].get("is_encoder_decoder"))
        shutil.copytree(golden, cls.model)
        letters = tokenizer()
        vocab = letters["model"]["vocab"]
        # A character for every token, so that different tokens are different text.
        vocab |= {chr(0x4E00 + i): i for i in range(len(vocab), configs[golden]["vocab_size"])}
        (cls.model / "tokenizer.json").write_text(json.dumps(letters))
        cls.text = cls.folder / "text.txt"
        cls.text.write_text(TEXT)

    def test_eval_names_its_protocol(self):
        arguments = ("eval", self.model, "--text", self.text, "--window", "25")
        scores = trine_json(*arguments)
        self.assertEqual(scores["protocol"], "halves")
        self.assertEqual(scores["windows"], scores["tokens"] // 25)
        self.assertEqual(scores["scored_tokens"], 13 * scores["windows"])
        self.assertIn("halves, window 25", trine(*arguments).stdout)
        refused = trine(*arguments, "--stride", "5", "--json")
        self.assertEqual(refused.code, 1)
        self.assertIn("disjoint", refused.json["error"]["message"])

    def test_eval_against_itself_finds_no_difference(self):
        scores = trine_json("eval", self.model, "--reference", self.model, "--text", self.text,
                            "--window", "24")  # fmt: skip
        self.assertEqual(scores["kl_divergence"], 0)
        self.assertEqual(scores["top1_agreement"], 1)
        self.assertEqual(scores["routing_agreement"], 1)

    def test_generate_prints_the_answer_only(self):
        arguments = ("generate", self.model, "--prompt", "the rain", "--max-tokens", "8",
                     "--temperature", "2", "--seed", "3")  # fmt: skip
        written = trine_json(*arguments)
        self.assertEqual(written["prompt_tokens"], 8)
        self.assertEqual(trine(*arguments).stdout.rstrip("\n"), written["text"])
        other = trine_json("generate", self.model, "--prompt", "mainly", *arguments[4:])
        self.assertNotEqual(other["text"], written["text"])  # the prompt is read

    def test_bench_and_inspect_know_both_halves(self):
        speed = trine_json("bench", self.model, "--prompt-tokens", "16", "--decode-tokens", "4",
                           "--repeats", "1")  # fmt: skip
        self.assertGreater(speed["decode_tokens_per_second"], 0)
        shape = trine_json("inspect", self.model)
        self.assertGreater(shape["num_encoder_layers"], 0)
        self.assertNotEqual(shape["num_encoder_layers"], shape["num_hidden_layers"])
        self.assertIn("of the encoder", trine("inspect", self.model).stdout)
        self.assertIn("position_bias", {role["role"] for role in shape["roles"]})


if __name__ == "__main__":
    unittest.main()
