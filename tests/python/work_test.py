"""What is done to models on disk, through the Python module."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import trine
from conftest import ROOT


def test_inspect_describes_shapes(original):
    report = trine.inspect(str(original))
    assert (report.family, report.num_experts, report.compression) == ("mixtral", 8, None)
    expert = next(m for m in report.matrices if m.role == "expert")
    assert expert.place.expert is not None and expert.weight_error is None
    assert (report.vocab_size, report.hidden_size) == (4096, 256)


def test_compress_then_verify(original, packed):
    report = trine.inspect(packed)
    assert report.compression.preset == "rtn-4bit"
    assert report.stored_bytes < trine.inspect(original).stored_bytes / 2
    checked = trine.verify(packed)
    assert checked.is_packed and checked.nonfinite_weights == 0
    assert checked.num_tensors > 100


def test_a_plan_is_carried_out_to_the_byte(original, tmp_path):
    file = tmp_path / "plan.json"
    plan = trine.plan(original, output=file, preset="rtn-3bit", group_size=128)
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(plan.json)
    assert all(entry["bits"] == 3 for entry in plan.matrices.values())
    report = trine.compress(original, tmp_path / "packed", plan_file=file)
    assert report.stored_bytes == plan.stored_bytes
    assert report.bits_per_weight == pytest.approx(3.25)


def test_progress_counts_up_to_the_whole(original, tmp_path):
    steps = []
    trine.compress(
        original, tmp_path / "packed", preset="rtn-8bit", progress=lambda *step: steps.append(step)
    )
    names, done, totals = zip(*steps)
    assert list(done) == sorted(done) and done[-1] == totals[-1] and len(set(totals)) == 1
    assert any("experts" in name for name in names)


def test_what_progress_raises_ends_the_work_without_a_trace(original, tmp_path):
    def stop(name, done, total):
        raise ZeroDivisionError(name)

    with pytest.raises(ZeroDivisionError, match="self_attn"):
        trine.compress(original, tmp_path / "packed", preset="rtn-4bit", progress=stop)
    assert os.listdir(tmp_path) == []


def test_what_progress_raises_leaves_a_parallel_loop(original, tmp_path):
    def stop(name, done, total):
        raise ZeroDivisionError(name)

    table = tmp_path / "errors.json"
    with pytest.raises(ZeroDivisionError):
        trine.plan(original, bits_per_weight=3.0, error_table=table, threads=2, progress=stop)
    assert os.listdir(tmp_path) == []


def test_ctrl_c_ends_the_work_without_a_trace(original, tmp_path):
    steps = []

    def interrupt(*step):
        steps.append(step)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trine.compress(original, tmp_path / "packed", preset="rtn-4bit", progress=interrupt)
    assert len(steps) < 10  # of more than a hundred
    assert os.listdir(tmp_path) == []


def test_other_threads_run_meanwhile(original, sample):
    """A thread that counts comes to its turn between two steps of the work."""
    count, done = 0, threading.Event()

    def counting():
        nonlocal count
        while not done.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=counting)
    thread.start()
    seen = []
    trine.evaluate(original, text_files=[sample], window=64, progress=lambda *_: seen.append(count))
    done.set()
    thread.join()
    assert seen[-1] > 0


def test_evaluate_beside_the_original(original, packed, sample):
    report = trine.evaluate(packed, text_files=[sample], window=64, reference=original)
    assert report.protocol == "disjoint" and report.windows >= 4
    assert report.scored_tokens == report.windows * 63
    assert 1 < report.perplexity.value < 200
    assert 0 < report.kl_divergence.value < 0.1
    assert report.top1_agreement.value > 0.8
    assert report.top1_low < report.top1_agreement.value < report.top1_high
    assert report.kl_divergence.value < report.kl_divergence_99 <= report.largest_kl_divergence
    alone = trine.evaluate(original, text_files=[sample], window=64)
    assert alone.kl_divergence is None and alone.original_perplexity is None
    assert report.original_perplexity.value == pytest.approx(alone.perplexity.value)


def test_evaluate_beside_what_the_original_said(original, packed, sample, tmp_path):
    file = tmp_path / "original.reference"
    how = dict(text_files=[sample], window=64)
    trine.evaluate(original, save_reference=file, top_tokens=16, **how)
    report = trine.evaluate(packed, reference=file, split=True, **how)
    beside = trine.evaluate(packed, reference=original, **how)
    assert report.top_tokens == 16 and beside.top_tokens == 0
    assert 0 < report.kl_divergence.value < beside.kl_divergence.value
    assert report.top1_agreement == beside.top1_agreement
    assert report.expert_divergence.value + report.routing_divergence.value == pytest.approx(
        report.kl_divergence.value)
    (text,) = report.texts
    assert (text.text_file, text.kl_divergence) == (str(sample), report.kl_divergence)
    with pytest.raises(trine.Error, match="not both"):
        trine.evaluate(packed, reference=original, save_reference=file, **how)


def test_tasks_go_on_where_they_were_interrupted(original, tmp_path):
    assert {"piqa", "hellaswag", "lambada"} <= set(trine.task_names())
    data = ROOT / "tests/golden/tasks/data"
    whole = trine.evaluate_tasks(original, tasks=["piqa"], data_directory=data, limit=6)
    (piqa,) = whole.tasks
    assert (piqa.name, piqa.documents, piqa.metrics[0].name) == ("piqa", 6, "acc")
    assert 0 <= piqa.metrics[0].value <= 1

    def stop(name, done, total):
        raise ZeroDivisionError

    kept = tmp_path / "finished.jsonl"
    how = dict(tasks=["piqa"], data_directory=data, limit=6, finished_file=kept)
    with pytest.raises(ZeroDivisionError):
        trine.evaluate_tasks(original, **how, progress=stop)
    assert trine.evaluate_tasks(original, **how, resume=True).tasks == whole.tasks


def test_calibrate_writes_statistics_that_plan_reads(original, sample, tmp_path):
    file = tmp_path / "tiny.trinestats"
    report = trine.calibrate(original, text_files=[sample], output=file, window=64)
    assert report.windows >= 4 and report.tokens == report.windows * 64
    assert report.bytes_written == file.stat().st_size
    plan = trine.plan(original, preset="expert-mixed-2.5", score="frequency", statistics=file)
    assert plan.bits_per_weight < 3.5


def test_certify_holds(original, packed, sample):
    report = trine.certify(packed, reference=original, text_file=sample, window=32, tokens=64)
    assert report.violations == 0 and report.tokens == 64
    assert len(report.layers) == 4
    assert set(report.logits_full.mean_bound) == {"step", "norm", "probability", "block", "state"}
    assert report.logits_full.largest_observed <= report.logits_full.largest_bound["state"]


@pytest.mark.parametrize(
    ("code", "work"),
    [
        ("not_found", lambda path: trine.inspect(path / "nowhere")),
        ("not_found", lambda path: trine.verify(path / "nowhere")),
        ("not_found", lambda path: trine.Model.load(path / "nowhere")),
        ("not_found", lambda path: trine.compress(path / "nowhere", path / "out")),
    ],
)
def test_errors_of_the_world_have_a_code_and_a_sentence(tmp_path, code, work):
    with pytest.raises(trine.Error, match="nowhere") as caught:
        work(tmp_path)
    assert caught.value.code == code
    assert str(caught.value) == caught.value.message


def test_contradictions_are_refused(original, tmp_path):
    with pytest.raises(trine.Error) as caught:
        trine.plan(original, preset="rtn-4bit", bits_per_weight=3.0)
    assert caught.value.code == "invalid_argument"


@pytest.mark.parametrize(
    "options", [{"bits_per_weight": "three"}, {"threads": -(2**40)}, {"levels": [3.5]}]
)
def test_a_wrong_type_names_the_option(original, options):
    with pytest.raises(TypeError, match=next(iter(options))):
        trine.plan(original, **options)


def test_the_example_compresses_saves_loads_and_writes(original, tmp_path):
    done = subprocess.run(
        [
            sys.executable, ROOT / "examples/quantize_and_run.py",
            original, tmp_path / "saved", "The old house",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    sizes, text = done.stdout.split("\n", 1)
    assert sizes.startswith("30,953,984 bytes are now 10,")
    assert text.startswith("The old house ") and len(text) > 60
    assert trine.inspect(tmp_path / "saved").compression.preset == "milo-s1"
