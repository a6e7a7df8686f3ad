"""The traps of the Cedar engine, each sprung on purpose: none of them ever allows."""

from __future__ import annotations

import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace

import pytest

from consent_edit import vocabulary
from consent_edit.errors import CheckFailed, PolicyInvalid
from consent_edit.policy import engine
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.context import ENTITY_ENUMS, contexts
from consent_edit.policy.decision import decide
from consent_edit.policy.engine import EVALUATION_LIMIT_S, authorise, compile_text, schema_text
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


READING = PERMIT + (
    '@id("no") @reason("r") forbid (principal, action, resource) when { '
    'context.stage == Stage::"input" && context.consent == ConsentStatus::"revoked" '
    "&& context.picture.persons > 5 };"
)
FITTING = contexts(benign(), compile_text(READING).reads)[0]


def test_a_context_that_fits_is_decided_on() -> None:
    """What the contexts below are variations of is allowed."""
    assert authorise(compile_text(READING), FITTING).allowed


@pytest.mark.parametrize(
    "context",
    [
        "{}",
        "[]",
        "not json",
        "",
        "null",
        FITTING.replace('"verified"', '"verifed"'),
        FITTING.replace('"ConsentStatus"', '"Age"'),
        FITTING.replace('"stage"', '"phase"'),
        FITTING.replace('"persons": 1', '"persons": "1"'),
        FITTING.replace('"persons": 1, ', ""),
        FITTING.replace("}}", "}", 1),
        FITTING[:-1],
        FITTING + FITTING,
        contexts(benign())[0],
        contexts(benign(), (*compile_text(READING).reads, "age"))[0],
    ],
)
def test_no_decision_is_no_permission(context: str) -> None:
    """A context with a fact too few, too many or out of form comes to no decision, and never to Allow."""
    assert context != FITTING
    with pytest.raises(CheckFailed):
        authorise(compile_text(READING), context)


def test_a_fact_too_many_is_no_permission_even_for_a_rule_that_reads_none() -> None:
    """A policy that permits everything is shown nothing, and will have nothing else."""
    assert authorise(compile_text(PERMIT), "{}").allowed
    with pytest.raises(CheckFailed):
        authorise(compile_text(PERMIT), FITTING)


REQUEST = {"principal": 'Requester::"r"', "action": 'Action::"edit"', "resource": 'Person::"p"'}


def test_a_forbid_that_misses_a_fact_is_no_permission() -> None:
    """Without a schema the engine skips a rule that misses a fact, and allows; here it must be there."""
    raw = engine.cedarpy.is_authorized(REQUEST | {"context": "{}"}, READING, [])
    assert raw.allowed, "the trap is gone: the engine no longer allows here"
    with pytest.raises(CheckFailed):
        authorise(compile_text(READING), "{}")


def test_a_forbid_on_an_absent_entity_is_no_policy() -> None:
    """An attribute of an entity that is not there errs and is skipped; so entities have none to read."""
    text = PERMIT + '@id("no") @reason("r") forbid (principal, action, resource) when { principal.banned };'
    schema = (
        "entity Requester = { banned: Bool }; entity Person; "
        "action edit appliesTo { principal: Requester, resource: Person };"
    )
    raw = engine.cedarpy.is_authorized(REQUEST | {"context": "{}"}, text, [], schema)
    assert raw.allowed, "the trap is gone: the engine no longer allows here"
    with pytest.raises(PolicyInvalid):
        compile_text(text)


def test_what_is_validated_is_what_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation takes the text, not the parsed set: one and the same text goes to every door."""
    seen: list[object] = []
    for name in ("validate_policies", "policies_to_json_str"):
        real = getattr(engine.cedarpy, name)
        monkeypatch.setattr(
            engine.cedarpy, name, lambda text, *rest, real=real: seen.append(text) or real(text, *rest)
        )
    parsed = engine.cedarpy.PolicySet
    stand_in = SimpleNamespace(from_str=lambda text: seen.append(text) or parsed.from_str(text))
    monkeypatch.setattr(engine.cedarpy, "PolicySet", stand_in)
    compile_text(READING)
    assert seen == [READING] * 3


def test_reasons_are_read_from_the_parsed_text() -> None:
    """Escapes, comments and the tenth rule and on: each rule keeps its own words."""
    rules = [
        f'// @id("sham") @reason("sham")\n@reason("no \\"bare\\" \\u{{e9}} // @reason(x) {n}")'
        f' @id("rule-{n}") forbid (principal, action, resource);'
        for n in range(25)
    ]
    bundle = PolicyBundle.from_text("\n".join(rules))
    assert [rule.code for rule in bundle.texts] == [f"policy.rule-{n}" for n in range(25)]
    assert [rule.reason for rule in bundle.texts] == [f'no "bare" é // @reason(x) {n}' for n in range(25)]


BASE = (
    PERMIT + '@id("base") @reason("r") forbid (principal, action, resource) when { context.picture.exposed };'
)
NARROW = '@id("more") @reason("r") forbid (principal, action, resource) when { context.picture.revealing };'
REVEALING = vary(benign("input"), {"persons.0.intent": "revealing"})
EXPOSED = vary(benign("input"), {"persons.0.exposure": "suggestive"})


@pytest.mark.parametrize("tail", ["", "// end", "//", "// \r", " \t\n", '// "', "// {", "// \u2028"])
def test_sets_are_never_merged_by_position(tail: str) -> None:
    """Both texts name their rules policy0, policy1 and on; laid over each other, every rule is in force."""
    narrowing = Narrowing.from_text(NARROW + tail, name="eu")
    bundle = PolicyBundle.from_text(BASE + tail).narrowed([narrowing])
    assert [rule.code for rule in bundle.texts] == ["policy.all", "policy.base", "policy.more"]
    assert decide(REVEALING, bundle).codes == ("policy.more",)
    assert decide(EXPOSED, bundle).codes == ("policy.base",)
    assert decide(benign(), bundle).allowed


SWALLOWING = {
    "open-string": NARROW + '@id("',
    "open-brace": NARROW.replace("};", ""),
    "open-when": NARROW.replace(";", " when {"),
    "open-clause": NARROW.replace(";", ""),
    "closing-first": "}; " + NARROW,
    "half-a-rule-first": " when { false };" + NARROW,
    "open-annotation": NARROW + "@id(",
    "comment-that-hides-its-end": NARROW.replace("};", "// };"),
    "no-rule-at-all": "// nothing",
    "byte-order-mark": "\ufeff" + NARROW,
    "a-permit": NARROW + PERMIT.replace("all", "also"),
}


@pytest.mark.parametrize("swallowing", sorted(SWALLOWING))
def test_a_narrowing_that_would_swallow_its_neighbour_is_none(swallowing: str) -> None:
    """Each text is whole by itself, or it is refused; none can reach into the one beside it."""
    with pytest.raises(PolicyInvalid):
        Narrowing.from_text(SWALLOWING[swallowing], name="eu")


def test_nobody_asks_in_batches() -> None:
    """It saves nothing and holds the interpreter; nothing here uses it."""
    package = Path(engine.__file__).parent.parent
    assert not [p for p in package.rglob("*.py") if "is_authorized_batch" in p.read_text(encoding="utf-8")]


@pytest.mark.parametrize("times", [(0.0, EVALUATION_LIMIT_S + 0.01), (5.0, 4.0)])
def test_an_answer_that_took_too_long_is_none(
    times: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Native code cannot be stopped, but a verdict a second late is not taken; nor if the clock ran back."""
    compiled = compile_text(PERMIT)
    ticks = iter(times)
    monkeypatch.setattr(engine, "time", SimpleNamespace(thread_time=lambda: next(ticks)))
    with pytest.raises(CheckFailed):
        authorise(compiled, "{}")


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
    with pytest.raises(CheckFailed, match="policy") as caught:
        authorise(compile_text(PERMIT), "{}")
    assert caught.value.code == "check.policy-engine-failed"


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
    assert not authorise(compile_text(PERMIT), "{}").allowed


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
        authorise(compile_text(PERMIT), "{}")


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
