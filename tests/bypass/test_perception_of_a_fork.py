"""A host that forks with its perception running: neither process is given the other's answers."""

from __future__ import annotations

import os

import pytest
from forked_checks import NumberedChecks

from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.process import PerceptionProcess


@pytest.fixture
def perception():
    with PerceptionProcess(ModelStore([]), build=NumberedChecks) as running:
        yield running


def reader(perception) -> str:
    """Number of the process that reads the texts."""
    return perception.read_prompt(["warmer light"]).language


def in_a_fork(what) -> bool:
    """Whether it is true of a fork of this process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 7 if what() else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 7


def test_fork_asks_a_reader_of_its_own(perception):
    """Were both to ask one reader, each could be told how the other's words read."""
    first = reader(perception)
    assert first.isdigit()

    def asked():
        own, again = reader(perception), reader(perception)
        perception.close()
        return own.isdigit() and own == again != first

    assert in_a_fork(asked)
    assert reader(perception) == first
