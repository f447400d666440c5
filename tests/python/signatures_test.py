"""Python's signatures and classes say what the C++ library has: names, defaults, documents."""

import dataclasses
import inspect
import os
import pydoc

import pytest

import trine
from trine import _native
from trine._signatures import wrap_signature

# Options of C++ that a Python function names among its first parameters or leaves out.
REQUIRED = {
    "calibrate": {"output"},
    "certify": {"reference", "text_file"},
    "evaluate": {"text_files"},
    "evaluate_tasks": {"tasks", "data_directory"},
}
FUNCTIONS = {
    "calibrate": trine.calibrate,
    "plan": trine.plan,
    "compress": trine.compress,
    "certify": trine.certify,
    "evaluate": trine.evaluate,
    "evaluate_tasks": trine.evaluate_tasks,
    "generate": trine.Model.generate,
    "load": trine.Model.load,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_have_the_names_and_defaults_of_the_library(name):
    theirs = _native.default_options()[name]
    parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    ours = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    for extra in ("progress", "on_text", "output" if name == "plan" else ""):
        ours.pop(extra, None)
    assert ours.keys() == theirs.keys()
    for option, default in ours.items():
        if option in REQUIRED.get(name, set()):
            assert default is inspect.Parameter.empty
        else:
            assert (list(default) if isinstance(default, tuple) else default) == theirs[option]


def test_help_reads_like_a_page():
    text = pydoc.plain(pydoc.render_doc(trine))
    lines = text.splitlines()
    assert len(lines) < 600
    assert max(len(line) for line in lines) <= 110
    assert "compress(\n        source: Path, target: Path, *, preset: str = ''," in text
    # Pages of what Python's own exceptions inherit.
    assert "BaseException" not in text
    assert trine.Error.__module__ == trine.InvariantError.__module__ == "trine"


def test_wrapped_signatures_say_what_python_says():
    def function(first: int, *rest: str, named: "float" = 1.0, **others: object) -> "int":
        """Types with and without quotes, every kind of parameter."""

    plain = inspect.signature(function)
    wrap_signature(function)
    assert inspect.signature(function) == plain
    assert str(inspect.signature(function)) == str(plain).replace("'", "")
    # help() of Python 3.13 asks differently.
    assert inspect.signature(function).format(max_width=20) == str(plain).replace("'", "")


def test_every_report_has_a_document():
    reports = [r for r in vars(trine.reports).values() if dataclasses.is_dataclass(r)]
    assert len(reports) > 15
    for report in reports:
        document = "".join(parent.__doc__ or "" for parent in report.__mro__)
        for field in dataclasses.fields(report):
            assert f"\n        {field.name}: " in document, f"{report.__name__}.{field.name}"


def test_stream_takes_what_generate_takes():
    stream = inspect.signature(trine.Model.stream).parameters
    generate = dict(inspect.signature(trine.Model.generate).parameters)
    del generate["on_text"]
    assert {n: p.default for n, p in stream.items()} == {n: p.default for n, p in generate.items()}


@pytest.mark.parametrize("name", [*trine.__all__, "Error", "InvariantError"])
def test_everything_public_has_a_document(name):
    thing = getattr(trine, name)
    assert inspect.getdoc(thing) and len(inspect.getdoc(thing).split()) > 3
    if inspect.isfunction(thing):
        assert "Raises:" in thing.__doc__ or name == "task_names"
        for parameter in inspect.signature(thing).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY:
                assert f"{parameter.name}:" in thing.__doc__, parameter.name


def test_reports_are_frozen_and_shortened(original):
    report = trine.inspect(original)
    assert dataclasses.is_dataclass(report)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.family = "other"
    assert "matrices=[118 of MatrixInspection]" in repr(report)
    assert len(repr(report)) < 2000


def test_types_travel_with_the_package():
    folder = os.path.dirname(trine.__file__)
    assert {"py.typed", "_native.pyi"} <= set(os.listdir(folder))
