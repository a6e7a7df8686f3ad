"""The perception child keeps the memory of one look for the next, where the allocator can be told so."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from consent_edit.perception import worker


def test_the_allocator_is_told_to_keep_what_is_freed(monkeypatch):
    """Both limits of malloc.h are raised, and stay far below what the child may hold."""
    told = {}
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=told.__setitem__))
    worker._keep_freed_memory()
    assert set(told) == {-1, -3}
    assert all(1 << 20 < bytes_ <= 1 << 28 for bytes_ in told.values())


@pytest.mark.parametrize("library", [SimpleNamespace(), None])
def test_another_libc_is_no_error(monkeypatch, library):
    """Without such an allocator the child runs as it is."""

    def opened(name):
        if library is None:
            raise OSError("no such library")
        return library

    monkeypatch.setattr(ctypes, "CDLL", opened)
    worker._keep_freed_memory()
