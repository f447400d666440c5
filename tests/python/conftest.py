"""Shared by the tests of the Python module: run with ./dev test, which installs it."""

from pathlib import Path

import pytest

import trine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def original() -> Path:
    return ROOT / "models/tiny-mixtral"


@pytest.fixture(scope="session")
def sample(original, tmp_path_factory) -> Path:
    """The beginning of the sample text: six windows of 64 tokens or so."""
    text = (original / "sample.txt").read_text(encoding="utf-8")[:1500]
    path = tmp_path_factory.mktemp("text") / "sample.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def packed(original, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "rtn-4bit"
    trine.compress(original, path, preset="rtn-4bit")
    return path


@pytest.fixture(scope="session")
def model(original) -> trine.Model:
    return trine.Model.load(original)
