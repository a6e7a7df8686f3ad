"""Shared by all tests: one CPU thread, no network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))  # tests import their helpers by name


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch on one thread: with busy cores two can be many times slower."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def eval_folder() -> Path:
    """The labelled photographs beside the checkout, read in place; skipped where they are absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "eval"
    if not folder.is_dir():
        pytest.skip("the labelled photographs (shared/eval beside the checkout) are not here")
    return folder
