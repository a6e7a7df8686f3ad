"""The traps of the Cedar engine, each sprung on purpose: none of them ever allows."""

from __future__ import annotations

import re
import subprocess
import sys
from enum import StrEnum
from types import SimpleNamespace

import pytest

from consent_edit import vocabulary
from consent_edit.errors import CheckFailed, PolicyInvalid
from consent_edit.policy import engine
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.context import ENTITY_ENUMS, contexts
from consent_edit.policy.decision import decide
from consent_edit.policy.engine import authorise, compile_text, schema_text
from consent_edit.policy.testing import benign, vary

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);'
OVERFLOW = (
    '@id("errs") @reason("r") forbid (principal, action, resource) '
    "when { context.picture.persons + 9223372036854775807 > 0 };"
)
FAILED = ("floor.checks-incomplete", "check.policy-engine-failed")


def test_an_erring_forbid_denies() -> None:
    """A forbid that overflows would be skipped by the engine, which answers Allow; here it refuses."""
    bundle = PolicyBundle.from_text(PERMIT + OVERFLOW)
    raw = engine.cedarpy.is_authorized(
        {
            "principal": 'Requester::"r"',
            "action": 'Action::"edit"',
            "resource": 'Person::"p"',
            "context": contexts(benign())[0],
        },
        PERMIT + OVERFLOW,
        [],
        schema_text(),
    )
    assert raw.allowed, "the trap is gone: the engine no longer allows here"
    decision = decide(benign(), bundle)
    assert decision.codes == FAILED
    assert decision.fault == "CheckFailed"


def test_an_erring_permit_denies() -> None:
    """Any diagnostic error refuses, even beside a permit that holds."""
    bundle = PolicyBundle.from_text(PERMIT + OVERFLOW.replace("forbid", "permit"))
    assert decide(benign(), bundle).codes == FAILED


@pytest.mark.parametrize(
    "context",
    [
        "{}",
        "[]",
        "not json",
        contexts(benign())[0].replace('"verified"', '"verifed"'),
        contexts(benign())[0].replace('"stage"', '"phase"'),
        contexts(benign())[0].replace('"persons": 1', '"persons": "1"'),
    ],
)
def test_no_decision_is_no_permission(context: str) -> None:
    """A context that does not fit the schema comes to NoDecision, which raises and never allows."""
    with pytest.raises(CheckFailed):
        authorise(compile_text(PERMIT), context)


def _answer(**kwargs: object) -> object:
    answer = {
        "decision": engine.cedarpy.Decision.Allow,
        "allowed": True,
        "errors": [],
        "reasons": [],
    } | kwargs
    diagnostics = SimpleNamespace(errors=answer["errors"], reasons=answer["reasons"])
    return SimpleNamespace(decision=answer["decision"], allowed=answer["allowed"], diagnostics=diagnostics)


@pytest.mark.parametrize(
    "answer",
    [
        {"decision": engine.cedarpy.Decision.NoDecision},
        {"decision": "Allow"},
        {"errors": ["while evaluating policy0"]},
        {"reasons": ["policy7"]},
    ],
)
def test_only_a_clean_allow_allows(answer: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that says allowed but is not clean in every respect raises."""
    monkeypatch.setattr(engine.cedarpy, "is_authorized", lambda *_, **__: _answer(**answer))
    with pytest.raises(CheckFailed):
        authorise(compile_text(PERMIT), contexts(benign())[0])


def test_determining_rules_come_in_the_order_of_the_text() -> None:
    """The engine's own order changes from one compilation to the next; the codes do not."""
    names = [f"rule-{number}" for number in range(12)]
    text = "".join(f'@id("{n}") @reason("r") forbid (principal, action, resource);' for n in names)
    for _ in range(5):
        found = PolicyBundle.from_text(text).refusals(benign("output", 0))
        assert found == tuple((f"policy.{name}", 0) for name in names)


def test_a_truthy_allowed_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only True itself counts."""
    monkeypatch.setattr(engine.cedarpy, "is_authorized", lambda *_, **__: _answer(allowed="yes"))
    assert not authorise(compile_text(PERMIT), contexts(benign())[0]).allowed


def _panic() -> BaseException:
    return type("PanicException", (BaseException,), {})("native")


@pytest.mark.parametrize("error", [_panic(), RuntimeError(), MemoryError(), RecursionError()])
def test_a_raising_engine_refuses(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the engine raises, a native panic included, becomes a refusal."""
    bundle = PolicyBundle.from_text(PERMIT)

    def raises(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(engine.cedarpy, "is_authorized", raises)
    assert decide(benign(), bundle).codes == FAILED
    refused = decide(vary(benign(), {"persons.0.exposure": "nude"}), bundle)
    assert "floor.nudity-of-real-person" in refused.codes


def test_a_panicking_parser_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic while compiling does not cross the module's edge."""

    def raises(*_: object, **__: object) -> None:
        raise _panic()

    monkeypatch.setattr(engine.cedarpy, "validate_policies", raises)
    with pytest.raises(CheckFailed):
        compile_text(PERMIT)


def test_an_interrupt_stays_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping the program is not a decision."""

    def raises(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine.cedarpy, "is_authorized", raises)
    with pytest.raises(KeyboardInterrupt):
        authorise(compile_text(PERMIT), contexts(benign())[0])


def test_an_invalid_answer_without_errors_is_still_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation must say that it passed; silence is not enough."""
    silent = SimpleNamespace(validation_passed=False, errors=[])
    monkeypatch.setattr(engine.cedarpy, "validate_policies", lambda *_, **__: silent)
    with pytest.raises(PolicyInvalid):
        compile_text(PERMIT)


@pytest.mark.parametrize("stack_kib", [64, 128, 160, 256])
def test_a_small_stack_never_allows_what_the_floor_refuses(stack_kib: int) -> None:
    """In a thread with hardly any stack the engine skips rules; the floor refuses all the same."""
    script = f"""
import threading
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import decide
from consent_edit.policy.testing import benign, vary
condition = " || ".join(["context.picture.faces == 99"] * 30)
bundle = PolicyBundle.from_text('@id("p") @reason("r") permit (principal, action, resource);'
    '@id("f") @reason("r") forbid (principal, action, resource) when {{ ' + condition + ' }};')
banned = vary(benign(), {{"persons.0.exposure": "nude"}})
found = []
threading.stack_size({stack_kib} * 1024)
thread = threading.Thread(target=lambda: found.append(decide(banned, bundle)))
thread.start()
thread.join()
raise SystemExit(0 if found and "floor.nudity-of-real-person" in found[0].codes else 7)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("enum", ENTITY_ENUMS)
def test_the_schema_is_the_vocabulary(enum: type[StrEnum]) -> None:
    """Every enumerated entity of the schema has exactly the words of the enum of its name."""
    match = re.search(rf"entity {enum.__name__} enum \[([^\]]*)\];", schema_text())
    assert match is not None
    assert re.findall(r'"([^"]*)"', match[1]) == [member.value for member in enum]
    assert getattr(vocabulary, enum.__name__) is enum


def test_the_schema_has_no_other_enums() -> None:
    """Nothing is in the schema that the vocabulary lacks."""
    assert set(re.findall(r"entity (\w+) enum", schema_text())) == {enum.__name__ for enum in ENTITY_ENUMS}
