"""What the tests of corpora of units share."""

from __future__ import annotations

from pathlib import Path

import pytest

import encoded_corpus


@pytest.fixture(scope="session")
def book(tmp_path_factory) -> Path:
    """The folder of a codebook of MFCC; no test changes it."""
    return encoded_corpus.make_book(tmp_path_factory.mktemp("book"))
