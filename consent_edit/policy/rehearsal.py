"""Rehearsal: foreign policy text is compiled and evaluated once in a process of its own that can be killed."""

from __future__ import annotations


def rehearse(text: str) -> None:
    """Compile and evaluate a text in a child process first.

    Raises:
        PolicyInvalid: over a limit, not valid, or the child crashed, or took too long or too much memory.
        CheckFailed: no child could be started.
    """
