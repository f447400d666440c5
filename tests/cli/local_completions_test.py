"""What lm-evaluation-harness asks a server through local-completions, asked again.

tests/golden/tasks/local_completions.json holds every request that `lm_eval run --model
local-completions` sent for three tasks (tools/run_lm_eval.py --record), lm_eval.json what the
harness said of the same weights in transformers. Log-likelihoods are read out of the answers as the
harness reads them.
"""

import json
import math
import unittest

from program import ROOT
from server_process import Server

GOLDEN = ROOT / "tests/golden/tasks"
RECORDED = json.loads((GOLDEN / "local_completions.json").read_text(encoding="utf-8"))
LM_EVAL = json.loads((GOLDEN / "lm_eval.json").read_text(encoding="utf-8"))
TASKS = ("arc_easy", "hellaswag", "piqa")
METRICS = ("acc,none", "acc_norm,none")
# Nats for a whole continuation. With keys and values in fp32 what remains is the order of sums:
# 1.3e-5 seen. In fp16 3.4e-3 was seen, for sums of 20 to 100 nats.
LARGEST_DIFFERENCE = 1e-3


def read_scores(choice: dict, context_tokens: int) -> tuple[float, bool]:
    """As LocalCompletionsAPI.parse_logprobs: the last entry is the token that had to be asked
    for, and a token is greedy when no other has a larger number in its row."""
    numbers = choice["logprobs"]["token_logprobs"][context_tokens:-1]
    rows = choice["logprobs"]["top_logprobs"][context_tokens:-1]
    greedy = all(number == max(row.values()) for number, row in zip(numbers, rows))
    return sum(numbers), greedy


class LocalCompletions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("--kv-cache", "fp32"))

    def encode(self, text: str, with_bos: bool) -> list[int]:
        body = {"prompt": text, "add_special_tokens": with_bos}
        status, answer = self.server.post("/tokenize", body)
        self.assertEqual(status, 200)
        return answer["tokens"]

    def encode_pair(self, context: str, continuation: str, with_bos: bool):
        """Token ids of both together, and how many are the context's."""
        ended = context.rstrip()
        whole = self.encode(context + continuation, with_bos)
        return whole, len(self.encode(ended, with_bos))

    def ask(self, prompts: list[list[int]]) -> list[dict]:
        status, answer = self.server.post("/v1/completions", RECORDED["body"] | {"prompt": prompts})
        self.assertEqual(status, 200, answer)
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        self.assertEqual(len(choices), len(prompts))
        return choices

    def compare_round(self, name: str, with_bos: bool) -> None:
        # Both rounds have the same questions; one of them holds them all.
        questions = LM_EVAL["without_bos"]["documents"]
        asked = []
        for task in TASKS:
            scores = {}
            for sample in LM_EVAL[name]["documents"][task]:
                document = sample["doc_id"]
                (arguments,) = (s["arguments"] for s in questions[task] if s["doc_id"] == document)
                pairs = [self.encode_pair(*pair, with_bos) for pair in arguments]
                prompts = [ids for ids, _ in pairs]
                asked += [[ids] for ids in prompts]
                found = []
                # A document's choices in one request: batches are of different lengths.
                for choice, (ids, context_tokens) in zip(self.ask(prompts), pairs, strict=True):
                    lists = choice["logprobs"]
                    self.assertIsNone(lists["token_logprobs"][0])
                    self.assertEqual(len(lists["token_logprobs"]), len(ids) + 1)
                    found.append(read_scores(choice, context_tokens))
                for (sum_, greedy), (answer,) in zip(found, sample["answers"], strict=True):
                    place = f"{name} {task} {document}"
                    self.assertAlmostEqual(sum_, answer[0], delta=LARGEST_DIFFERENCE, msg=place)
                    self.assertEqual(greedy, answer[1], place)
                scores[document] = ([sum_ for sum_, _ in found], arguments)
            self.compare_figures(name, task, scores)
        # Token for token what the harness sent.
        self.assertEqual(sorted(asked), RECORDED[name])

    def compare_figures(self, name: str, task: str, scores: dict) -> None:
        gold = read_gold(task)
        hits = {metric: 0 for metric in METRICS}
        for document, (sums, arguments) in scores.items():
            lengths = [len(continuation) - 1 for _, continuation in arguments]
            normed = [value / length for value, length in zip(sums, lengths, strict=True)]
            for metric, values in zip(METRICS, (sums, normed)):
                hits[metric] += max(range(len(values)), key=values.__getitem__) == gold[document]
        for metric in METRICS:
            expected = LM_EVAL[name]["results"][task][metric]
            self.assertTrue(math.isclose(hits[metric] / len(scores), expected), (task, metric))

    def test_without_bos_as_its_remote_tokenizer_has_it(self):
        self.compare_round("without_bos", with_bos=False)

    def test_with_bos_as_transformers_has_it(self):
        self.compare_round("default", with_bos=True)

    def test_its_remote_tokenizer_finds_what_it_looks_for(self):
        status, content = self.server.get("/tokenizer_info")
        info = json.loads(content)
        self.assertEqual(status, 200)
        self.assertEqual(len(self.encode(info["bos_token"], with_bos=False)), 1)
        self.assertEqual(len(self.encode(info["eos_token"], with_bos=False)), 1)
        ids = self.encode("The sea, the sea", with_bos=False)
        status, answer = self.server.post("/detokenize", {"tokens": ids})
        self.assertEqual((status, answer["prompt"]), (200, "The sea, the sea"))


def read_gold(task: str) -> dict[int, int]:
    """The right choice of each document."""
    name = "test.jsonl" if task == "arc_easy" else "validation.jsonl"
    text = (GOLDEN / "data" / task / name).read_text(encoding="utf-8")
    gold = {}
    for number, line in enumerate(map(json.loads, text.splitlines())):
        if task == "arc_easy":
            gold[number] = line["choices"]["label"].index(line["answerKey"])
        else:
            gold[number] = int(line["label"])
    return gold


if __name__ == "__main__":
    unittest.main()
