"""Trine: Mixture-of-Experts models in about three bits per weight, and an engine that runs them.

    import trine

    trine.compress("models/tiny-mixtral", "tiny-3bit", preset="hqq-3bit")
    model = trine.Model.load("tiny-3bit")
    print(model.generate("The old house", max_tokens=60, seed=7).text)

Models on disk
    inspect     what is in a model directory
    calibrate   what real text shows about a model: sizes of inputs, use of experts
    plan        bits, group sizes and ranks of all matrices within a budget
    compress    makes a packed model out of a checkpoint
    verify      structure and every checksum
    evaluate    perplexity, and how close a model is to its original
    certify     bounds on what packing may change, beside what is observed

Models that run
    Model       load(), generate(), stream(), logits(), tokenize(), detokenize()

Functions return dataclasses of trine.reports. Paths are strings or os.PathLike. What is wrong with
the world raises trine.Error with a `code` and a sentence; a wrong type raises TypeError; our bugs
raise trine.InvariantError. Long work lets other Python threads run, calls
`progress(name, done, total)` after each step, and ends on Ctrl-C with nothing half-written left
behind.
"""

from . import reports
from ._errors import Error
from ._model import Model
from ._native import InvariantError, version
from ._stream import TextStream
from ._work import calibrate, certify, compress, evaluate, inspect, plan, verify

__version__ = version()

__all__ = [
    "Error",
    "InvariantError",
    "Model",
    "TextStream",
    "calibrate",
    "certify",
    "compress",
    "evaluate",
    "inspect",
    "plan",
    "reports",
    "verify",
]

# As users write them, in help() and in tracebacks.
for _thing in (Error, Model, TextStream):
    _thing.__module__ = "trine"
