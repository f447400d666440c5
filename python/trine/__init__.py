"""Mixture-of-Experts language models in about three bits per weight, and an engine that runs them.

    import trine

    trine.compress("models/tiny-mixtral", "tiny-3bit", preset="hqq-3bit")
    model = trine.Model.load("tiny-3bit")
    print(model.generate("The old house", max_tokens=60, seed=7).text)

A model is a directory: an original as Hugging Face stores it, or a packed one that compress() wrote.

Models on disk
    inspect     what is in a model directory
    calibrate   what real text shows about a model: sizes of inputs, use of experts
    plan        bits, group sizes and ranks of all matrices within a budget
    compress    makes a packed model out of an original
    verify      structure and every checksum
    evaluate    perplexity, and how close a model is to its original
    certify     bounds on what packing may change, beside what is observed
    evaluate_tasks, task_names
                HellaSwag, MMLU, … as lm-evaluation-harness scores them, from local files

Models that run
    Model       load(), generate(), stream(), logits(), tokenize(), detokenize()

Results are dataclasses; help(trine.reports) lists them. Paths are strings or os.PathLike.

A file, an input or an option that is at fault raises trine.Error, with a `code` and a sentence that
says what was found and what was expected. A wrong type raises TypeError, a bug in Trine
trine.InvariantError.

Work that takes long calls `progress(name, done, total)` after each step if told to, lets other
Python threads run meanwhile, and ends on Ctrl-C with nothing half-written left behind.
"""

from . import errors, reports
from ._model import Model
from ._native import version
from ._signatures import wrap_signature
from ._stream import TextStream
from ._work import (
    calibrate,
    certify,
    compress,
    evaluate,
    evaluate_tasks,
    inspect,
    plan,
    task_names,
    verify,
)
from .errors import Error as Error
from .errors import InvariantError as InvariantError

__version__ = version()

# The exceptions are missing on purpose: help(trine) would print a page of Python's own methods for
# each. They are trine.Error and trine.InvariantError all the same.
__all__ = [
    "Model",
    "TextStream",
    "calibrate",
    "certify",
    "compress",
    "errors",
    "evaluate",
    "evaluate_tasks",
    "inspect",
    "plan",
    "reports",
    "task_names",
    "verify",
]

# As users write them, in help() and in tracebacks.
for _kind in (Model, TextStream):
    _kind.__module__ = "trine"
for _work in (calibrate, certify, compress, evaluate, evaluate_tasks, inspect, plan, verify):
    wrap_signature(_work)
for _kind in (Model, TextStream, Error, *(getattr(reports, _name) for _name in reports.__all__)):
    wrap_signature(_kind)
