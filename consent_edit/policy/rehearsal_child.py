"""The rehearsal's child: compiles one foreign text and evaluates it, under limits that the kernel keeps.

It announces that it is up before it reads the text, so that a text is blamed only for what came after.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from consent_edit.errors import CheckFailed, PolicyInvalid
from consent_edit.policy.context import contexts
from consent_edit.policy.engine import Compiled, authorise, compile_text
from consent_edit.policy.limits import MAX_FILE_BYTES, check_limits
from consent_edit.policy.testing import benign, vary

READY: Final = b"ready\n"
MAX_MESSAGE: Final = 8 * 1024

STACK_BYTES: Final = 2 * 1024 * 1024
"""A quarter of the usual 8 MiB. Within the limits, 60 nested brackets kill the process under 768 KiB and
compile with 1 MiB; a sum of 250 terms is evaluated with 1.5 MiB, where 1.25 are too little."""
MEMORY_BYTES: Final = 512 * 1024 * 1024
"""Address space. The hungriest text within the limits, 64 KiB of record literals, takes 122 MiB in all."""
CPU_S: Final = 5
"""The slowest text within the limits, 64 KiB of sums, takes 0.6 s to compile."""
EVALUATION_CPU_S: Final = 0.05
"""For one person, the best of three. Shipped policies take 0.05 ms; the slowest text within the limits,
64 KiB of ``like`` with an unlucky pattern, takes 15 ms."""
_TRIES: Final = 3


def main() -> None:
    """Serve one text: standard input to one line on standard output; exit status 0 only with an answer."""
    _keep_limits()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    source = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    answers: list[dict[str, str]] = []
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=lambda: answers.append(_answer(source)))
    thread.start()
    thread.join()
    if answers:
        sys.stdout.buffer.write(json.dumps(answers[0]).encode("ascii") + b"\n")
        sys.stdout.buffer.flush()
    os._exit(0 if answers else 1)


def _keep_limits() -> None:
    """Processor time, memory, files: nothing of the text's can raise these again."""
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
    ):
        _, hard = resource.getrlimit(kind)
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except ValueError:  # macOS keeps no limit on address space
            if kind != resource.RLIMIT_AS:
                raise


def _answer(source: bytes) -> dict[str, str]:
    try:
        rehearse_here(source.decode("utf-8"))
    except PolicyInvalid as error:
        return {"verdict": "invalid", "message": error.message[:MAX_MESSAGE], "remedy": error.remedy}
    return {"verdict": "good", "message": "", "remedy": ""}


def rehearse_here(text: str, clock: Callable[[], float] = time.thread_time) -> None:
    """Compile a text and evaluate it for a few persons.

    Raises:
        PolicyInvalid: over a limit, not valid, too slow, or a rule errs for an ordinary picture.
        CheckFailed: the engine panicked.
    """
    check_limits(text)
    compiled = compile_text(text)
    for context in dict.fromkeys(_contexts(compiled)):
        slow = min(_seconds(compiled, context, clock) for _ in range(_TRIES))
        if slow > EVALUATION_CPU_S:
            raise PolicyInvalid(
                f"judging one person takes over {EVALUATION_CPU_S * 1000:.0f} ms",
                remedy="drop long like patterns and long lists, or split the text",
            )


def _seconds(compiled: Compiled, context: str, clock: Callable[[], float]) -> float:
    started = clock()
    try:
        authorise(compiled, context)
    except CheckFailed as error:
        raise PolicyInvalid(
            "a rule cannot be evaluated for an ordinary picture, so every edit would be refused",
            remedy="look for arithmetic that overflows",
        ) from error
    return clock() - started


_DIFFERENCES: Final = (
    {"persons.0.consent": "absent", "persons.0.assurance": "none", "persons.0.age": "undetermined"},
    {"persons.0.consent": "revoked", "persons.0.photo": "none", "operations": ["hair", "clothing"]},
    {"persons.0.age": "minor", "persons.0.intent": "revealing", "persons.0.recognisable": "no"},
    {"persons.0.kind": "body", "persons.0.touched": ["body"], "operations": ["body", "face_swap"]},
    {"persons.0.exposure": "suggestive", "persons.0.exposure_change": "increased", "operations": []},
    {"persons.0.identity_kept": "foreign", "persons.0.named_person": "uncovered", "environment": "demo"},
    {"checks": "incomplete", "persons.0.exposure": "undetermined", "persons.0.intent": "sexual"},
)


def _contexts(compiled: Compiled) -> list[str]:
    """Ordinary pictures and what may be wrong with one, over the facts that the text reads."""
    ordinary = [benign(stage, 1) for stage in ("request", "input", "preview", "output")]
    pictures = [
        *ordinary,
        benign("output", 0),
        benign("input", 3),
        *(vary(facts, change) for facts in ordinary[1::2] for change in _DIFFERENCES),
    ]
    return [context for facts in pictures for context in contexts(facts, compiled.reads)]
