"""What is done to models on disk. Options have the names and defaults of the C++ library."""

from __future__ import annotations

import os
from typing import Callable, List, Optional, Sequence, Union

from . import _native
from .reports import (
    CalibrateReport,
    CertificateReport,
    CompressReport,
    ModelInspection,
    PerplexityReport,
    PlanReport,
    TaskReport,
    VerifyReport,
    from_native,
)

Path = Union[str, "os.PathLike[str]"]

# Receives (name of what was worked on, units done, units in all) after each step. What it raises
# ends the work: nothing half-written is left.
Progress = Callable[[str, int, int], None]


def inspect(model: Path) -> ModelInspection:
    """What is in a model directory, original or packed. Weights are not read.

        for matrix in trine.inspect("tiny-3bit").matrices:
            print(matrix.name, matrix.bits, matrix.weight_error)

    Raises:
        Error: the directory is no model, or not one that Trine knows.
    """
    return from_native(ModelInspection, _native.inspect(os.fspath(model)))


def verify(model: Path, *, progress: Optional[Progress] = None) -> VerifyReport:
    """Checks structure and finite values of a model; of a packed one also every checksum.

    Args:
        progress: called with (name, done, total), in bytes.

    Raises:
        Error: names the first tensor that is wrong.
    """
    return from_native(VerifyReport, _native.verify(os.fspath(model), progress))


def calibrate(
    model: Path,
    *,
    text_files: Sequence[Path] = (),
    output: Path,
    max_tokens: int = 0,
    window: Optional[int] = None,
    moments: Optional[str] = None,
    memory_bytes: int = 4 << 30,
    merge: Sequence[Path] = (),
    threads: int = 0,
    isa: str = "",
    progress: Optional[Progress] = None,
) -> CalibrateReport:
    """Runs text through the original `model` and writes its statistics to `output`.

        trine.calibrate("model", text_files=["sample.txt"], output="model.trinestats")

    Args:
        text_files: UTF-8, read one after the other; may be empty when there is something to
            merge.
        output: *.trinestats; a file of that name is replaced, whole or not at all.
        max_tokens: at most so many, in whole windows; 0: all.
        window: tokens that see each other; None: 2048, or the model's positions if fewer.
        moments: "diagonal" (E[x²] of every input), "blocks" (products within 128 inputs) or
            "full"; None: that of the first file merged, else "diagonal".
        memory_bytes: most the moments may take.
        merge: statistics of this model that are added.
        threads: 0: all processors. The file is the same for any number.
        isa: "scalar", "avx2", "avx512" or "avx512vnni"; empty: the best there is.
        progress: called with (name, done, total), in tokens.

    Raises:
        Error: a file is not there or not what it should be.
        KeyboardInterrupt: between two windows; nothing is written then.
    """
    options = {
        "text_files": [os.fspath(file) for file in text_files],
        "output": os.fspath(output),
        "max_tokens": max_tokens,
        "window": window,
        "moments": moments,
        "memory_bytes": memory_bytes,
        "merge": [os.fspath(file) for file in merge],
        "threads": threads,
        "isa": isa,
    }
    return from_native(CalibrateReport, _native.calibrate(os.fspath(model), options, progress))


def plan(
    source: Path,
    *,
    output: Path = "",
    preset: str = "",
    bits_per_weight: Optional[float] = None,
    memory_bytes: Optional[int] = None,
    allocator: str = "",
    statistics: Path = "",
    initial_routers: Path = "",
    error_table: Path = "",
    rank: str = "",
    rank_scale: float = 1.0,
    compensator: str = "",
    factor_bits: int = 3,
    group_size: int = 64,
    metadata_bits: int = 16,
    attention_bits: Optional[int] = None,
    unbiased: Optional[bool] = None,
    quantizer: str = "",
    score: str = "",
    levels: Sequence[int] = (),
    seed: int = 0,
    threads: int = 0,
    allow_nonfinite: bool = False,
    progress: Optional[Progress] = None,
) -> PlanReport:
    """Decides what is done to every matrix of the original `source`, before anything is written.

        plan = trine.plan("model", bits_per_weight=3.0, output="plan.json")
        print(plan.stored_bytes, *plan.explanation, sep="\\n")

    The options are those of compress(), which makes such a plan itself when it is given none.

    Args:
        output: file to write the plan to, for compress(plan_file=…); empty: none.
        preset: "<quantizer>-<bits>bit" (rtn, hqq, trine; 2, 3, 4, 5, 6 or 8 bits), "milo-s1",
            "milo-s2" or "expert-mixed-<average bits>".
        bits_per_weight: a budget instead: all stored bits of the compressed matrices.
        memory_bytes: a budget instead: tensor bytes of the whole packed model.
        allocator: "uniform", "dense-sparse", "expert-mixed" or "error"; empty: that of the
            preset, or "error" for a budget.
        statistics: a file of calibrate(); empty: weights alone decide.
        initial_routers: checkpoint or safetensors file from before training.
        error_table: measured errors: read when the file exists, else written.
        rank: ranks of compensators, for example "dense-64+sparse-16".
        rank_scale: every rank is multiplied by it.
        compensator: "milo", "milo-paper" or "whitened"; empty: that of the preset.
        factor_bits: of the compensators' factors: 3, 4, 8 or 16.
        group_size: 32, 64 or 128 inputs share a scale and a zero.
        metadata_bits: of scales and zeros: 16, or 8 with a second level per row.
        attention_bits: of attention, dense feed-forwards and shared experts.
        unbiased: scales every matrix back by what least squares shrank it; None: budgets only.
        quantizer: "rtn", "hqq", "trine", "gptq" or "gptq-compat"; empty: that of the preset.
        score: what expert-mixed ranks experts by; empty: "combined".
        levels: bits of expert-mixed, highest first; empty: 3, 2.
        seed: of the score "random".
        threads: 0: all processors. The result is the same for any number.
        allow_nonfinite: infinities and NaNs count as 0 instead of being refused.
        progress: called with (name, done, total) while errors are measured.

    Returns:
        PlanReport; its `stored_bytes` is exactly what compress() will report.

    Raises:
        Error: the budget is too small, or options contradict each other.
        KeyboardInterrupt: between two matrices; nothing is written then.
    """
    options = {
        "preset": preset,
        "bits_per_weight": bits_per_weight,
        "memory_bytes": memory_bytes,
        "allocator": allocator,
        "statistics": os.fspath(statistics),
        "initial_routers": os.fspath(initial_routers),
        "error_table": os.fspath(error_table),
        "rank": rank,
        "rank_scale": rank_scale,
        "compensator": compensator,
        "factor_bits": factor_bits,
        "group_size": group_size,
        "metadata_bits": metadata_bits,
        "attention_bits": attention_bits,
        "unbiased": unbiased,
        "quantizer": quantizer,
        "score": score,
        "levels": list(levels),
        "seed": seed,
        "threads": threads,
        "allow_nonfinite": allow_nonfinite,
    }
    report = _native.plan(os.fspath(source), options, os.fspath(output), progress)
    return from_native(PlanReport, report)


def compress(
    source: Path,
    target: Path,
    *,
    preset: str = "",
    bits_per_weight: Optional[float] = None,
    memory_bytes: Optional[int] = None,
    allocator: str = "",
    statistics: Path = "",
    initial_routers: Path = "",
    error_table: Path = "",
    rank: str = "",
    rank_scale: float = 1.0,
    compensator: str = "",
    factor_bits: int = 3,
    group_size: int = 64,
    metadata_bits: int = 16,
    attention_bits: Optional[int] = None,
    unbiased: Optional[bool] = None,
    quantizer: str = "",
    score: str = "",
    levels: Sequence[int] = (),
    seed: int = 0,
    threads: int = 0,
    allow_nonfinite: bool = False,
    plan_file: Path = "",
    trace_file: Path = "",
    resume: bool = False,
    progress: Optional[Progress] = None,
) -> CompressReport:
    """Reads the original `source` and writes a packed model to `target`.

        trine.compress("model", "packed", preset="hqq-3bit")         # all matrices alike
        trine.compress("model", "packed", bits_per_weight=3.0)       # bits where they matter
        trine.compress("model", "packed", plan_file="plan.json")     # what plan() wrote

    One of preset, bits_per_weight, memory_bytes and plan_file says how; the other options change
    details. `target` must not exist; it appears whole or not at all.

    Args:
        preset: "<quantizer>-<bits>bit" (rtn, hqq, trine; 2, 3, 4, 5, 6 or 8 bits), "milo-s1",
            "milo-s2" or "expert-mixed-<average bits>".
        bits_per_weight: a budget instead: all stored bits of the compressed matrices.
        memory_bytes: a budget instead: tensor bytes of the whole packed model.
        allocator: "uniform", "dense-sparse", "expert-mixed" or "error"; empty: that of the
            preset, or "error" for a budget.
        statistics: a file of calibrate(); empty: weights alone decide.
        initial_routers: checkpoint or safetensors file from before training.
        error_table: measured errors: read when the file exists, else written.
        rank: ranks of compensators, for example "dense-64+sparse-16".
        rank_scale: every rank is multiplied by it.
        compensator: "milo", "milo-paper" or "whitened"; empty: that of the preset.
        factor_bits: of the compensators' factors: 3, 4, 8 or 16.
        group_size: 32, 64 or 128 inputs share a scale and a zero.
        metadata_bits: of scales and zeros: 16, or 8 with a second level per row.
        attention_bits: of attention, dense feed-forwards and shared experts.
        unbiased: scales every matrix back by what least squares shrank it; None: budgets only.
        quantizer: "rtn", "hqq", "trine", "gptq" or "gptq-compat"; empty: that of the preset.
        score: what expert-mixed ranks experts by; empty: "combined".
        levels: bits of expert-mixed, highest first; empty: 3, 2.
        seed: of the score "random".
        threads: 0: all processors. The result is the same for any number.
        allow_nonfinite: infinities and NaNs count as 0 instead of being refused.
        plan_file: a plan of plan(); takes the place of the options above.
        trace_file: CSV to write, "matrix,iteration,relative_error"; empty: none.
        resume: takes over what a run that was killed had finished; the bytes are the same.
        progress: called with (name, done, total), in weights.

    Raises:
        Error: the source is at fault, the target exists, the budget is too small.
        KeyboardInterrupt: between two matrices; nothing is written then.
    """
    options = {
        "preset": preset,
        "bits_per_weight": bits_per_weight,
        "memory_bytes": memory_bytes,
        "allocator": allocator,
        "statistics": os.fspath(statistics),
        "initial_routers": os.fspath(initial_routers),
        "error_table": os.fspath(error_table),
        "rank": rank,
        "rank_scale": rank_scale,
        "compensator": compensator,
        "factor_bits": factor_bits,
        "group_size": group_size,
        "metadata_bits": metadata_bits,
        "attention_bits": attention_bits,
        "unbiased": unbiased,
        "quantizer": quantizer,
        "score": score,
        "levels": list(levels),
        "seed": seed,
        "threads": threads,
        "allow_nonfinite": allow_nonfinite,
        "plan_file": os.fspath(plan_file),
        "trace_file": os.fspath(trace_file),
        "resume": resume,
    }
    report = _native.compress(os.fspath(source), os.fspath(target), options, progress)
    return from_native(CompressReport, report)


def certify(
    model: Path,
    *,
    reference: Path,
    text_file: Path,
    window: int = 256,
    probability: float = 0.01,
    tokens: int = 0,
    threads: int = 0,
    isa: str = "",
    progress: Optional[Progress] = None,
) -> CertificateReport:
    """Bounds on what packing changed, certain and probable, beside what is observed on a text.

        report = trine.certify("packed", reference="model", text_file="sample.txt")
        print(report.top1_agreement.at_least, "of tokens at least stay the most likely")

    Args:
        model: a packed model.
        reference: the original it was made from.
        text_file: UTF-8.
        window: tokens run together; windows are disjoint.
        probability: that a probable bound is broken.
        tokens: of the text; 0: all.
        threads: 0: all processors.
        isa: "scalar", "avx2", "avx512" or "avx512vnni"; empty: the best there is.
        progress: called with (name, done, total), in tokens.

    Raises:
        Error: a file is at fault, or the two models do not belong together.
        KeyboardInterrupt: between two windows.
    """
    options = {
        "reference": os.fspath(reference),
        "text_file": os.fspath(text_file),
        "window": window,
        "probability": probability,
        "tokens": tokens,
        "threads": threads,
        "isa": isa,
    }
    return from_native(CertificateReport, _native.certify(os.fspath(model), options, progress))


def evaluate(
    model: Path,
    *,
    text_files: Sequence[Path],
    window: int = 2048,
    stride: Optional[int] = None,
    reference: Path = "",
    split: bool = False,
    save_reference: Path = "",
    top_tokens: int = 128,
    threads: int = 0,
    isa: str = "",
    progress: Optional[Progress] = None,
) -> PerplexityReport:
    """Perplexity of a model on texts and, with a reference, how close it is to that.

        report = trine.evaluate("packed", reference="model", text_files=["sample.txt"], window=256)
        print(report.perplexity.value, "±", report.perplexity.standard_error)

    Args:
        text_files: UTF-8; each is tokenized as one sequence, BOS first if the tokenizer adds it.
        window: tokens run together.
        stride: new tokens of each window (sliding protocol); None: disjoint windows.
        reference: the original model, or a file of save_reference; empty: perplexity only.
        split: with a reference, tell the error of experts from that of routing (one more pass).
        save_reference: file to keep what this model says of the texts in, to be the reference of
            others later; empty: nowhere.
        top_tokens: most likely tokens that save_reference keeps of a prediction.
        threads: 0: all processors.
        isa: "scalar", "avx2", "avx512" or "avx512vnni"; empty: the best there is.
        progress: called with (name, done, total), in tokens.

    Raises:
        Error: a file is at fault, or the text is shorter than a window.
        KeyboardInterrupt: between two batches of windows.
    """
    options = {
        "text_files": [os.fspath(file) for file in text_files],
        "window": window,
        "stride": stride,
        "reference": os.fspath(reference),
        "split": split,
        "save_reference": os.fspath(save_reference),
        "top_tokens": top_tokens,
        "threads": threads,
        "isa": isa,
    }
    return from_native(PerplexityReport, _native.evaluate(os.fspath(model), options, progress))


def evaluate_tasks(
    model: Path,
    *,
    tasks: Sequence[str],
    data_directory: Path,
    few_shot: Optional[int] = None,
    limit: int = 0,
    max_length: int = 0,
    max_generated_tokens: int = 256,
    finished_file: Path = "",
    resume: bool = False,
    threads: int = 0,
    isa: str = "",
    progress: Optional[Progress] = None,
) -> TaskReport:
    """Scores of a model on the data sets models are compared by, as lm-evaluation-harness makes them.

        report = trine.evaluate_tasks("packed", tasks=["piqa"], data_directory="data")
        print({metric.name: metric.value for metric in report.tasks[0].metrics})

    Args:
        tasks: names of task_names().
        data_directory: holds <task>/<split>.jsonl; docs/evaluation.md says which fields.
        few_shot: examples per question; None: the task's own number.
        limit: only so many documents per task or subject; 0: all.
        max_length: tokens given at most; 0: what config.json says.
        max_generated_tokens: of tasks that have the model write.
        finished_file: keeps the answers to finished documents; empty: none.
        resume: goes on where finished_file ends.
        threads: 0: all processors. The scores are the same for any number.
        isa: "scalar", "avx2", "avx512" or "avx512vnni"; empty: the best there is.
        progress: called with (name, done, total), in documents of the task at work.

    Raises:
        Error: there is no such task, or a file is missing or wrong; it names the line.
        KeyboardInterrupt: between two batches; finished_file keeps what was done.
    """
    options = {
        "tasks": list(tasks),
        "data_directory": os.fspath(data_directory),
        "few_shot": few_shot,
        "limit": limit,
        "max_length": max_length,
        "max_generated_tokens": max_generated_tokens,
        "finished_file": os.fspath(finished_file),
        "resume": resume,
        "threads": threads,
        "isa": isa,
    }
    report = _native.evaluate_tasks(os.fspath(model), options, progress)
    return from_native(TaskReport, report)


def task_names() -> List[str]:
    """Every name that evaluate_tasks() knows, in alphabetical order."""
    return _native.task_names()
