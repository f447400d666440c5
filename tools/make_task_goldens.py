#!/usr/bin/env python3
"""Writes tests/golden/tasks/lm_eval.json: what lm-evaluation-harness says of models/tiny-mixtral.

    pip install -r tools/requirements-tasks.txt
    python3 tools/make_task_documents.py
    python3 tools/make_task_goldens.py

Each task is the harness's own, prompts, metrics and all; only the data set is replaced by the files
of tests/golden/tasks/data. The model runs in transformers in fp32 on the processor. Three rounds:
with the examples a task asks for, with three, and, for what its local-completions asks a server
(tools/run_lm_eval.py), without a BOS before the text. Stored are the results and, per document,
what was answered.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DISABLE_MULTIPROC", "1")

import lm_eval  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks._yaml_loader import load_yaml  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests/golden/tasks"
THEIRS = Path(lm_eval.__file__).parent / "tasks"
MAX_GEN_TOKENS = 40
# Tasks with both acc and acc_norm whose questions are shorter than the model's 256 positions.
ASKED_OF_A_SERVER = ["arc_easy", "hellaswag", "piqa"]

# Where the harness keeps each task.
PATHS = {
    "arc_challenge": "arc/arc_challenge.yaml",
    "arc_easy": "arc/arc_easy.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "gsm8k": "gsm8k/gsm8k.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "lambada_openai": "lambada/lambada_openai.yaml",
    "mathqa": "mathqa/mathqa.yaml",
    "mmlu_abstract_algebra": "mmlu/default/mmlu_abstract_algebra.yaml",
    "mmlu_us_foreign_policy": "mmlu/default/mmlu_us_foreign_policy.yaml",
    "mmlu_virology": "mmlu/default/mmlu_virology.yaml",
    "piqa": "piqa/piqa.yaml",
    "triviaqa": "triviaqa/default.yaml",
    "wikitext": "wikitext/wikitext.yaml",
    "winogrande": "winogrande/default.yaml",
}


def local_files(task: str, scratch: Path) -> dict[str, str]:
    """The files of each split; a subject's lines are copied out of those of all subjects."""
    subject = task.removeprefix("mmlu_")
    if subject == task:
        return {p.stem: str(p) for p in sorted((GOLDEN / "data" / task).iterdir())}
    files = {}
    for path in sorted((GOLDEN / "data/mmlu").iterdir()):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        files[path.stem] = str(scratch / f"{task}_{path.name}")
        mine = [line for line in lines if json.loads(line)["subject"] == subject]
        Path(files[path.stem]).write_text("".join(mine), encoding="utf-8")
    return files


def localized(task: str, scratch: Path) -> dict:
    config = load_yaml(THEIRS / PATHS[task])
    config.pop("tag", None)
    files = local_files(task, scratch)
    # Splits without a file stay named where names decide who draws examples; they are not read.
    files |= {
        config[key]: next(iter(files.values()))
        for key in ("training_split", "validation_split")
        if config.get(key) and config[key] not in files
    }
    config |= {
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
    }
    return config


def run(
    model: HFLM, tasks: list[str], few_shot: int | None, scratch: Path, all_arguments: bool = False
) -> dict:
    found = lm_eval.simple_evaluate(
        model=model,
        tasks=[localized(task, scratch) for task in tasks],
        num_fewshot=few_shot,
        gen_kwargs={"max_gen_toks": MAX_GEN_TOKENS},
        bootstrap_iters=1000,
    )
    documents = {
        task: [
            {
                "doc_id": s["doc_id"],
                "filter": s["filter"],
                # What was asked; with examples of the first document alone: they make it long.
                **({"arguments": s["arguments"]} if all_arguments or s["doc_id"] == 0 else {}),
                "answers": s["filtered_resps"] if s["filter"] != "none" else s["resps"],
            }
            for s in samples
        ]
        for task, samples in found["samples"].items()
    }
    return {
        "results": found["results"],
        "n-shot": found["n-shot"],
        "versions": found["versions"],
        "documents": documents,
    }


def main() -> None:
    import tempfile

    where = {"pretrained": str(ROOT / "models/tiny-mixtral"), "device": "cpu"}
    how = {"dtype": "float32", "batch_size": 1}
    model = HFLM(**where, **how)
    without_bos = HFLM(**where, **how, add_bos_token=False)
    packages = ("lm_eval", "datasets", "torch", "transformers")
    golden = {"made_with": {name: version(name) for name in packages}}
    golden["max_gen_toks"] = MAX_GEN_TOKENS
    with tempfile.TemporaryDirectory() as scratch:
        golden["default"] = run(model, list(PATHS), None, Path(scratch))
        with_examples = [task for task in PATHS if task != "wikitext"]
        golden["three_examples"] = run(model, with_examples, 3, Path(scratch))
        golden["without_bos"] = run(without_bos, ASKED_OF_A_SERVER, None, Path(scratch), True)
    text = json.dumps(golden, ensure_ascii=False, indent=1, default=str)
    (GOLDEN / "lm_eval.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
