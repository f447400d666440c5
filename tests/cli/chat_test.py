"""trine chat: one message per line, the model's own format, and a conversation that is remembered."""

import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from program import MODEL, PROGRAM, ROOT, trine, trine_json


def chat(lines: str, *arguments, model=MODEL) -> subprocess.CompletedProcess:
    return subprocess.run(
        [PROGRAM, "chat", str(model), *map(str, arguments)],
        input=lines,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def turns(lines: str, *arguments, model=MODEL) -> list[dict]:
    done = chat(lines, "--json", *arguments, model=model)
    assert done.returncode == 0, done
    return json.loads(done.stdout)["turns"]


GREEDY = ("--temperature", "0", "--max-tokens", "12")


class ChatCommand(unittest.TestCase):
    def copy_model(self, template: str | None) -> Path:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "model"
        shutil.copytree(MODEL, folder)
        path = folder / "tokenizer_config.json"
        config = json.loads(path.read_text())
        del config["chat_template"]
        path.write_text(json.dumps(config))
        if template is not None:
            (folder / "chat_template.jinja").write_text(template)
        return folder

    def test_answers_continue_the_template(self):
        # models/tiny-mixtral writes "role: content" lines; generate adds <s>, the template none.
        model = self.copy_model(
            "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
        )
        first, second = turns("The old house\nIt was\n", *GREEDY, model=model)
        prompt = "user: The old house\nassistant:"
        alone = trine_json("generate", MODEL, "--prompt", prompt, *GREEDY)
        self.assertEqual(first["text"], alone["text"])
        # The second answer sees the first: the same as one long prompt, although what was read
        # before is not read again.
        longer = f"user: The old house\nassistant: {first['text']}\nuser: It was\nassistant:"
        alone = trine_json("generate", MODEL, "--prompt", longer, *GREEDY)
        self.assertEqual(second["text"], alone["text"])
        self.assertEqual(second["prompt_tokens"], alone["prompt_tokens"])

    def test_plain_lines_in_a_pipe(self):
        done = chat("The old house\n\nIt was\n", *GREEDY)
        self.assertEqual(done.returncode, 0, done)
        both = turns("The old house\nIt was\n", *GREEDY)
        self.assertEqual(done.stdout, "".join(turn["text"] + "\n" for turn in both))
        self.assertEqual(done.stderr, "")

    def test_reset_and_quit(self):
        first, again = turns("It was\n/reset\nIt was\n/quit\nnever\n", *GREEDY)
        self.assertEqual(first, again)
        remembered = turns("It was\nIt was\n", *GREEDY)
        self.assertGreater(remembered[1]["prompt_tokens"], first["prompt_tokens"])

    def test_system_message_comes_first(self):
        with_system = turns("It was\n", "--system", "A tale.", *GREEDY)[0]
        without = turns("It was\n", *GREEDY)[0]
        self.assertGreater(with_system["prompt_tokens"], without["prompt_tokens"])

    def test_model_without_a_template(self):
        model = self.copy_model(None)
        done = chat("Hi\n", model=model)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no chat template", done.stderr)
        self.assertIn("--plain", done.stderr)
        self.assertEqual(len(turns("Hi\n", "--plain", *GREEDY, model=model)), 1)

    def test_template_that_refuses_or_is_broken(self):
        model = self.copy_model("line\n{{ raise_exception('no users here') }}")
        done = chat("Hi\n", model=model)
        self.assertEqual(done.returncode, 1)
        self.assertIn("line 2", done.stderr)
        self.assertIn("no users here", done.stderr)
        broken = chat("Hi\n", model=self.copy_model("{% if %}"))
        self.assertEqual(broken.returncode, 1)
        self.assertIn("chat_template.jinja, line 1", broken.stderr)

    def test_help(self):
        done = trine("chat", "--help")
        self.assertEqual(done.code, 0)
        for word in ("/reset", "/quit", "--system", "--temperature", "trine chat"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    unittest.main()
