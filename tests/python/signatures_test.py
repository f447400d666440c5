"""Python's signatures and classes say what the C++ library has: names, defaults, documents."""

import dataclasses
import inspect
import os
import pydoc

import pytest

import trine
from trine import _native

# Options of C++ that a Python function names among its first parameters or leaves out.
REQUIRED = {
    "calibrate": {"output"},
    "certify": {"reference", "text_file"},
    "evaluate": {"text_file"},
}
FUNCTIONS = {
    "calibrate": trine.calibrate,
    "plan": trine.plan,
    "compress": trine.compress,
    "certify": trine.certify,
    "evaluate": trine.evaluate,
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


def test_help_fits_on_some_pages():
    text = pydoc.plain(pydoc.render_doc(trine))
    assert "class Error(builtins.Exception)" in text and "trine.Model" in text
    assert len(text.splitlines()) < 600


def test_every_report_has_a_document():
    reports = [r for r in vars(trine.reports).values() if dataclasses.is_dataclass(r)]
    assert len(reports) > 15
    for report in reports:
        assert not report.__doc__.startswith(f"{report.__name__}(")


def test_stream_takes_what_generate_takes():
    stream = inspect.signature(trine.Model.stream).parameters
    generate = dict(inspect.signature(trine.Model.generate).parameters)
    del generate["on_text"]
    assert {n: p.default for n, p in stream.items()} == {n: p.default for n, p in generate.items()}


@pytest.mark.parametrize("name", trine.__all__)
def test_everything_public_has_a_document(name):
    thing = getattr(trine, name)
    assert inspect.getdoc(thing) and len(inspect.getdoc(thing).split()) > 3
    if inspect.isfunction(thing):
        assert "Raises:" in thing.__doc__
        for parameter in inspect.signature(thing).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and name != "verify":
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
