#!/usr/bin/env python3
"""lm-evaluation-harness asks `trine serve`, and the answers are compared.

    python3 -m venv build/lm_eval && build/lm_eval/bin/pip install -r tools/requirements-lm-eval.txt
    build/lm_eval/bin/python tools/run_lm_eval.py [--record]

Runs `lm_eval run --model local-completions` on the tasks of TASKS, with the documents of
tests/golden/tasks/data, and holds every log-likelihood, every greedy flag and every figure against
tests/golden/tasks/lm_eval.json (the harness with transformers, same weights) and, where the text
begins with BOS as there, against `trine eval --task`. Prints a table for
docs/measurements/lm_eval.md; exit code 1 when anything is further off than LARGEST_DIFFERENCE.

--record writes what the harness sent for the three tasks of RECORDED to tests/golden/tasks/local_completions.json, which
tests/cli/local_completions_test.py sends again. Needs no torch.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/cli"))
from program import MODEL, trine_json  # noqa: E402
from server_process import Server  # noqa: E402

GOLDEN = ROOT / "tests/golden/tasks"
# Nats, for a whole continuation: what issue trackers of servers call "the same".
LARGEST_DIFFERENCE = 1e-3

# Where the harness keeps each task. All are scored by log-likelihoods, and their questions fit.
TASKS = {
    "arc_easy": "arc/arc_easy.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "piqa": "piqa/piqa.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "lambada_openai": "lambada/lambada_openai.yaml",
    "mathqa": "mathqa/mathqa.yaml",
    "winogrande": "winogrande/default.yaml",
}
RECORDED = ["arc_easy", "hellaswag", "piqa"]
FIGURES = ("acc,none", "acc_norm,none", "perplexity,none")

WITH_BOS = f"tokenizer_backend=huggingface,tokenizer={MODEL},add_bos_token=True"
AT_ONCE = "num_concurrent=8"


class Run(NamedTuple):
    model_arguments: str
    options: list[str]
    round_name: str  # of lm_eval.json
    tasks: list[str]

    @property
    def is_recorded(self) -> bool:
        return AT_ONCE not in self.model_arguments


RUNS = {
    "remote tokenizer": Run("", [], "without_bos", RECORDED),
    "the same, 8 at once, 4 each": Run(AT_ONCE, ["-b", "4"], "without_bos", RECORDED),
    "transformers' tokenizer, BOS": Run(WITH_BOS, [], "default", RECORDED),
    "the same, 8 at once": Run(f"{WITH_BOS},{AT_ONCE}", [], "default", list(TASKS)),
}


class Recorder:
    """Stands between the harness and a server, and keeps the bodies of what is asked."""

    def __init__(self, address: str):
        self.bodies: list[dict] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
                if self.path == "/v1/completions":
                    recorder.bodies.append(json.loads(body))
                names = {"Content-Type": "application/json"}
                request = urllib.request.Request(
                    address + self.path, body, names, method=self.command
                )
                try:
                    with urllib.request.urlopen(request, timeout=120) as answer:
                        status, content = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, content = error.code, error.read()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = pass_on

            def log_message(self, *_) -> None:
                pass

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.listener.server_address[1]}"
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()


def write_task_files(folder: Path) -> None:
    """Each task as the harness has it, with our documents. JSON is YAML too."""
    theirs = Path(find_spec("lm_eval").origin).parent / "tasks"
    for task, path in TASKS.items():
        files = {p.stem: str(p) for p in sorted((GOLDEN / "data" / task).iterdir())}
        # Splits a task names and does not read, without examples, must exist.
        for split in ("train", "validation", "test"):
            files.setdefault(split, next(iter(files.values())))
        config = {
            "include": str(theirs / path),
            "task": f"local_{task}",
            "tag": [],
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": files},
        }
        (folder / f"{task}.yaml").write_text(json.dumps(config), encoding="utf-8")


def run_lm_eval(address: str, run: Run, folder: Path) -> dict:
    """The harness as a user runs it. Task → {"results", "documents": doc_id → [(sum, greedy)]}."""
    # 256 positions, of which the harness leaves one for the token it must ask for.
    arguments = f"model=tiny-mixtral,base_url={address}/v1/completions,max_length=256"
    arguments += f",{run.model_arguments}" if run.model_arguments else ""
    names = ",".join(f"local_{task}" for task in run.tasks)
    command = [Path(sys.executable).parent / "lm_eval", "run", "--model", "local-completions"]
    command += ["--model_args", arguments, "--include_path", folder, "--tasks", names]
    command += ["--log_samples", "--output_path", folder / "out", *run.options]
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache")}
    done = subprocess.run(
        command, env=os.environ | offline, capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    (results_path,) = folder.glob("out/*/results_*.json")
    results = json.loads(results_path.read_text(encoding="utf-8"))["results"]
    found = {}
    for task in run.tasks:
        (samples_path,) = folder.glob(f"out/*/samples_local_{task}_*.jsonl")
        samples = map(json.loads, samples_path.read_text(encoding="utf-8").splitlines())
        found[task] = {
            "results": results[f"local_{task}"],
            # Numbers and flags are written as words.
            "documents": {
                s["doc_id"]: [(float(a), g == "True") for ((a, g),) in s["resps"]]
                for s in samples
            },
        }
    return found


def read_golden(round_name: str) -> dict:
    golden = json.loads((GOLDEN / "lm_eval.json").read_text(encoding="utf-8"))[round_name]
    return {
        task: {
            "results": golden["results"][task],
            "documents": {
                s["doc_id"]: [tuple(answer) for (answer,) in s["answers"]]
                for s in golden["documents"][task]
            },
        }
        for task in golden["results"]
        if task in TASKS
    }


def run_trine(folder: Path) -> dict:
    output = folder / "trine.json"
    arguments = ["--task", ",".join(TASKS), "--data", GOLDEN / "data", "--output", output]
    results = trine_json("eval", MODEL, *arguments)["results"]
    found = {task: {"results": results[task], "documents": {}} for task in TASKS}
    lines = Path(f"{output}.documents.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    for entry in map(json.loads, lines):
        outcome = entry["outcome"]
        pairs = zip(outcome["loglikelihoods"], outcome["greedy"], strict=True)
        found[entry["task"]]["documents"][entry["doc_id"]] = list(pairs)
    return found


def compare(name: str, other: str, ours: dict, theirs: dict) -> bool:
    """A row per task; whether everything agrees."""
    agrees = True
    for task in ours:
        assert ours[task]["documents"].keys() == theirs[task]["documents"].keys(), task
        pairs = [
            (a, b)
            for doc_id, answers in theirs[task]["documents"].items()
            for a, b in zip(ours[task]["documents"][doc_id], answers, strict=True)
        ]
        largest = max(abs(a[0] - b[0]) for a, b in pairs)
        flags = sum(a[1] != b[1] for a, b in pairs)
        row = f"| {name} | {other} | {task} | {len(pairs)} | {largest:.1e} | {flags} |"
        for figure in FIGURES:
            if figure not in theirs[task]["results"]:
                row += " |"
                continue
            a, b = ours[task]["results"][figure], theirs[task]["results"][figure]
            agrees &= abs(a - b) <= LARGEST_DIFFERENCE * max(1.0, abs(b)) / 10
            row += f" {a:.6g} / {b:.6g} |"
        print(row, flush=True)
        agrees &= largest <= LARGEST_DIFFERENCE and flags == 0
    return agrees


def write_recording(recorded: dict[str, list[dict]]) -> None:
    """One body is kept whole: all others are it with another prompt."""
    example = dict(next(iter(recorded.values()))[0])
    del example["prompt"]
    prompts = {}
    for name, bodies in recorded.items():
        assert all({**body, "prompt": None} == {**example, "prompt": None} for body in bodies)
        prompts[name] = sorted(body["prompt"] for body in bodies)
    made_with = {name: version(name) for name in ("lm_eval", "datasets", "transformers")}
    # A prompt a line.
    lists = ",\n".join(
        f' "{name}": [\n' + ",\n".join(json.dumps(p) for p in rows) + "\n ]"
        for name, rows in prompts.items()
    )
    head = f' "made_with": {json.dumps(made_with)},\n "body": {json.dumps(example)}'
    path = GOLDEN / "local_completions.json"
    path.write_text(f"{{\n{head},\n{lists}\n}}\n", encoding="utf-8")
    print(f"wrote {path}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="keep what was asked")
    arguments = parser.parse_args()
    agrees, recorded = True, {}
    print("| local-completions with | against | task | sums | largest difference | other flags "
          "| acc | acc_norm | perplexity |\n|---|---|---|--:|--:|--:|---|---|---|")  # fmt: skip
    with Server("--kv-cache", "fp32") as server, tempfile.TemporaryDirectory() as scratch:
        by_trine = run_trine(Path(scratch))
        for number, (name, run) in enumerate(RUNS.items()):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            write_task_files(folder)
            recorder = Recorder(server.address)
            found = run_lm_eval(recorder.address, run, folder)
            agrees &= compare(name, "transformers", found, read_golden(run.round_name))
            if run.round_name == "default":
                agrees &= compare(name, "`trine eval`", found, by_trine)
            if run.is_recorded:
                recorded[run.round_name] = recorder.bodies
    if arguments.record:
        write_recording(recorded)
    print("all agree" if agrees else "NOT all agree")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
