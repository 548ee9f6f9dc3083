"""Tests read the shipped tables by their path from the repository's root, from wherever pytest is started."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def _at_the_root():
    os.chdir(ROOT)
