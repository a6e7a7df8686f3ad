"""Every defence against a trap of the engine is needed: cut it from the source, and the trap springs.

The rooms between a text and a decision are run afresh with the cut applied. Each trap is a question that the
whole house answers with no and the cut one with yes.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from consent_edit.errors import ConsentEditError
from consent_edit.policy import limits as whole_limits
from consent_edit.policy.public import public_view
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import ConsentStatus

ROOMS = ("limits", "terms", "engine", "outcome", "restriction", "bundle", "decision")
PERMIT = '@id("all") @reason("r") permit (principal, action, resource);\n'
NUDE = vary(benign(), {"persons.0.exposure": "nude"})
MINOR = vary(benign("input"), {"persons.0.age": "minor"})
WITHDRAWN = vary(benign(), {"persons.0.consent": "revoked"})
UNKNOWN = vary(benign(), {"persons.0.consent": "absent"})
BOX = (1, 2, 3, 4)


def forbid(condition: str, name: str = "no") -> str:
    return f'@id("{name}") @reason("r") forbid (principal, action, resource) when {{ {condition} }};\n'


ERRING = PERMIT + forbid("context.picture.persons + 9223372036854775807 > 0")
NO_MINORS = PERMIT + forbid('context.age == Age::"minor"')


class House:
    """The rooms, run afresh: ``house.engine`` and so on."""

    def __init__(self, cuts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        waiting = dict(cuts)
        for room in ROOMS:
            module = import_module(f"consent_edit.policy.{room}")
            text = Path(str(module.__file__)).read_text(encoding="utf-8")
            for cut, instead in cuts.items():
                place, _, old = cut.partition(": ")
                if place == room:
                    assert text.count(old) == 1, f"not one place in {room}: {old}"
                    text = text.replace(old, instead)
                    del waiting[cut]
            fresh = ModuleType(module.__name__)
            fresh.__file__ = module.__file__
            monkeypatch.setitem(sys.modules, module.__name__, fresh)
            exec(compile(text, str(module.__file__), "exec"), fresh.__dict__)
            setattr(self, room, fresh)
        assert not waiting

    def __getattr__(self, room: str) -> Any:
        raise AttributeError(room)

    def decide(self, facts: object, text: str = PERMIT, **more: object) -> Any:
        return self.decision.decide(facts, self.bundle.PolicyBundle.from_text(text), **more)

    def engine_says(self, **answer: object) -> None:
        """Have the native code give this answer from now on."""
        cedarpy = self.engine.cedarpy
        said = {"decision": cedarpy.Decision.Allow, "allowed": True, "errors": [], "reasons": []} | answer
        diagnostics = SimpleNamespace(errors=said["errors"], reasons=said["reasons"])
        result = SimpleNamespace(decision=said["decision"], allowed=said["allowed"], diagnostics=diagnostics)
        self.patch.setattr(cedarpy, "is_authorized", lambda *_, **__: result)

    def engine_raises(self, error: BaseException) -> None:
        def raises(*_: object, **__: object) -> None:
            raise error

        self.patch.setattr(self.engine.cedarpy, "is_authorized", raises)

    def takes(self, text: str) -> bool:
        """Whether the text becomes a bundle."""
        try:
            self.bundle.PolicyBundle.from_text(text)
        except ConsentEditError:
            return False
        return True


Trap = Callable[[House], bool]


def allows(facts: object, text: str) -> Trap:
    def springs(house: House) -> bool:
        try:
            return bool(house.decide(facts, text).allowed)
        except ConsentEditError:
            return False

    return springs


def takes(text: str) -> Trap:
    return lambda house: house.takes(text)


def allows_when_engine_says(**answer: object) -> Trap:
    def springs(house: House) -> bool:
        house.engine_says(**answer)
        return bool(house.decide(benign()).allowed)

    return springs


def lets_out(error: BaseException) -> Trap:
    """Whether what the engine raises leaves ``decide``."""

    def springs(house: House) -> bool:
        house.engine_raises(error)
        try:
            house.decide(benign())
        except BaseException as left:  # noqa: BLE001 - a panic is no Exception
            return left is error
        return False

    return springs


def allows_a_context_that_does_not_fit(house: House) -> bool:
    compiled = house.engine.compile_text(NO_MINORS)
    try:
        return bool(house.engine.authorise(compiled, "{}").allowed)
    except ConsentEditError:
        return False


def reads_rules_out_of_order(house: House) -> bool:
    text = "".join(forbid("true", f"rule-{number}") for number in range(12))
    codes = tuple(f"policy.rule-{number}" for number in range(12))
    found = {house.decide(benign("output", 0), text).codes for _ in range(4)}
    return found != {codes}


def takes_a_late_verdict(house: House) -> bool:
    ticks = iter(range(0, 1000, 2))
    house.engine.time = SimpleNamespace(thread_time=lambda: float(next(ticks)))
    return bool(house.decide(benign()).allowed)


def compiles_what_it_was_told_is_invalid(house: House) -> bool:
    silent = SimpleNamespace(validation_passed=False, errors=[])
    house.patch.setattr(house.engine.cedarpy, "validate_policies", lambda *_: silent)
    return house.takes(PERMIT)


def verdict_hangs_on_the_stack(house: House) -> bool:
    """Whether a text is taken whose rules err in a thread with 1 MiB of stack, and with more do not."""
    text = PERMIT + forbid("context.picture.persons" + "+1" * 420 + " == 0")
    if not house.takes(text):
        return False
    found: list[bool] = []
    before = threading.stack_size()
    for mib in (1, 64):
        threading.stack_size(mib << 20)
        thread = threading.Thread(target=lambda: found.append(house.decide(benign(), text).allowed))
        thread.start()
        thread.join()
    threading.stack_size(before)
    return found == [False, True]


def narrowing_is_swallowed(house: House) -> bool:
    base = house.bundle.PolicyBundle.from_text(PERMIT.strip() + " // everything")
    narrowing = house.bundle.Narrowing.from_text(forbid('context.age == Age::"minor"').strip(), name="eu")
    return bool(house.decision.decide(MINOR, base.narrowed([narrowing])).allowed)


def narrowing_widens(house: House) -> bool:
    base = house.bundle.PolicyBundle.from_text(forbid("false"))
    try:
        narrowing = house.bundle.Narrowing.from_text(PERMIT, name="eu")
    except ConsentEditError:
        return False
    return bool(house.decision.decide(benign(), base.narrowed([narrowing])).allowed)


def gives_the_withdrawn_away(house: House) -> bool:
    text = PERMIT + forbid('context.consent == ConsentStatus::"revoked"')
    return public_view(house.decide(WITHDRAWN, text), (BOX,)) != public_view(
        house.decide(UNKNOWN, text), (BOX,)
    )


def decides_under_an_altered_floor(house: House) -> bool:
    digests = import_module("consent_edit.policy.digests")
    house.patch.setattr(digests, "_PINS", {"floor": "sha256:00", "mirror": "sha256:00"})
    return bool(house.decide(benign()).allowed)


def restricted(refuses: Callable[[Any], object], **more: object) -> Trap:
    """Whether an edit is allowed that such a restriction was asked about."""

    def springs(house: House) -> bool:
        try:
            one = house.restriction.Restriction(name="house", reason="r", refuses=refuses, **more)
            return bool(house.decide(benign(), restrictions=(one,)).allowed)
        except ConsentEditError:
            return False

    return springs


def raises_panic(facts: object) -> None:
    raise type("PanicException", (BaseException,), {})


def true_is_a_person(house: House) -> bool:
    one = house.restriction.Restriction(name="house", reason="r", refuses=lambda facts: [True])
    return "check.restriction-failed" not in house.decide(benign(), restrictions=(one,)).codes


def facts_are_rewritten(house: House) -> bool:
    def rewrite(facts: Any) -> tuple[int, ...]:
        object.__setattr__(facts.persons[0], "consent", ConsentStatus.VERIFIED)
        return ()

    facts = vary(benign(), {"persons.0.consent": "revoked"})
    kept = replace(facts, persons=tuple(replace(person) for person in facts.persons))
    one = house.restriction.Restriction(name="house", reason="r", refuses=rewrite)
    return bool(house.decide(facts, restrictions=(one,)).facts != kept)


def threads_pile_up(house: House) -> bool:
    gate, asked = threading.Event(), []

    def hangs(facts: object) -> tuple[int, ...]:
        asked.append(1)
        gate.wait(60)
        return ()

    one = house.restriction.Restriction(name="house", reason="r", refuses=hangs, deadline_s=0.001)
    for _ in range(40):
        house.restriction.consult([one], benign())
    gate.set()
    return len(asked) > 20


def a_name_stands_twice(house: House) -> bool:
    two = [
        house.restriction.Restriction(name="house", reason="r", refuses=lambda facts: ()) for _ in range(2)
    ]
    return not house.restriction.consult(two, benign()).failed


@dataclass(frozen=True)
class Defence:
    """A defence, cut out.

    Attributes:
        name: Of the trap.
        springs: Whether it springs.
        cuts: ``room: source`` and what stands there afterwards; several when one stands behind the other.
    """

    name: str
    springs: Trap
    cuts: dict[str, str]


NOT_FELL = {"engine: if errors:": "if False:"}
ANY_DECISION = {"engine: if decided not in (cedarpy.Decision.Allow, cedarpy.Decision.Deny):": "if False:"}
NOT_DENY = {"engine: allowed=allowed is True,": "allowed=decided != cedarpy.Decision.Deny,"}
UNVALIDATED = {"engine: if not validation.validation_passed or validation.errors:": "if False:"}
NO_SCHEMA = {"engine: , schema=compiled._schema": ""}
NAMELESS = {"bundle: if NAME.fullmatch(name) is None or _reserved(policy_code(name)):": "if False:"}
NOTHING = "except () as error:"
UNCAUGHT = {
    "decision: except Exception as error:  # noqa: BLE001 - G4: no answer": f"{NOTHING}  #",
    "decision: except Exception as error:  # noqa: BLE001 - G4: a decision that cannot": f"{NOTHING}  #",
}
RAISED_ON = {
    "engine: except Exception as error:\n        raise CheckFailed": f"{NOTHING}\n        raise CheckFailed"
}
ANY_ORDER = {
    "engine: tuple(rule.key for rule in compiled.rules if rule.key in reasons)": "reasons",
}
TALLY = {"limits: if operators > MAX_OPERATORS:": "if False:"}

DEFENCES = [
    Defence("an-erring-forbid-is-skipped", allows(benign(), ERRING), NOT_FELL),
    Defence(
        "no-decision-is-not-a-denial",
        allows_a_context_that_does_not_fit,
        NOT_FELL | ANY_DECISION | NOT_DENY,
    ),
    Defence(
        "a-missing-fact-skips-the-forbid",
        allows_a_context_that_does_not_fit,
        NOT_FELL | NO_SCHEMA,
    ),
    Defence(
        "truthy-is-taken-for-true",
        allows_when_engine_says(allowed="yes"),
        {"engine: allowed=allowed is True,": "allowed=bool(allowed),"},
    ),
    Defence("an-odd-decision-allows", allows_when_engine_says(decision="Maybe"), ANY_DECISION),
    Defence(
        "an-unknown-rule-decided",
        allows_when_engine_says(reasons=["policy7"]),
        {"engine: if len(determining) != len(reasons):": "if False:"},
    ),
    Defence(
        "a-panic-is-no-exception",
        lets_out(type("PanicException", (BaseException,), {})()),
        {'engine: if type(error).__name__ == "PanicException":': "if False:"},
    ),
    Defence(
        "the-engine-s-error-leaves",
        lets_out(RuntimeError()),
        RAISED_ON | UNCAUGHT,
    ),
    Defence(
        "a-misspelt-value-never-matches", allows(MINOR, NO_MINORS.replace('"minor"', '"minr"')), UNVALIDATED
    ),
    Defence(
        "a-misspelt-fact-is-skipped",
        allows(MINOR, NO_MINORS.replace("context.age", "context.aeg")),
        UNVALIDATED | NOT_FELL,
    ),
    Defence("an-invalid-answer-without-errors", compiles_what_it_was_told_is_invalid, UNVALIDATED),
    Defence(
        "a-template-forbids-nothing",
        allows(MINOR, NO_MINORS.replace("forbid (principal,", "forbid (principal == ?principal,")),
        {'engine: if source["templates"] or source["templateLinks"]:': "if False:"},
    ),
    Defence(
        "determining-rules-come-in-any-order",
        reads_rules_out_of_order,
        ANY_ORDER,
    ),
    Defence(
        "policy-10-comes-before-policy-2",
        reads_rules_out_of_order,
        {"engine: key=lambda key: (len(key), key)": "key=lambda key: key"},
    ),
    Defence(
        "a-verdict-comes-late",
        takes_a_late_verdict,
        {"engine: if not 0 <= time.thread_time() - started <= EVALUATION_LIMIT_S:": "if False:"},
    ),
    Defence(
        "a-record-looks-like-an-access",
        allows(
            MINOR,
            PERMIT
            + forbid(
                '{left: context, attr: 1}.left has age && {left: context, attr: 1}.left.age == Age::"minor"'
            ),
        ),
        {'terms: isinstance(part.get("attr"), str)': '"attr" in part'},
    ),
    Defence(
        "the-whole-context-is-read-as-nothing",
        allows(MINOR, PERMIT + forbid('{a: context} has a.age && {a: context}.a.age == Age::"minor"')),
        {"terms: isinstance(term, Other) and term.whole_context": "False"},
    ),
    Defence("a-verdict-hangs-on-the-stack", verdict_hangs_on_the_stack, TALLY),
    Defence(
        "a-rule-of-great-length",
        takes(PERMIT.replace('"r"', '"' + "r" * 5000 + '"')),
        {"limits: if len(text[start : token.end()]": "if False and len(text[start : token.end()]"},
    ),
    Defence(
        "a-file-of-great-length",
        takes(PERMIT + "//" + "x" * 65536),
        {"limits: if len(text.encode": "if False and len(text.encode"},
    ),
    Defence(
        "a-text-without-a-rule",
        takes("// nothing"),
        {"bundle: if not check_limits(text):": "if check_limits(text) < 0:"},
    ),
    Defence(
        "a-rule-called-like-the-floor-s",
        takes(PERMIT.replace('"all"', '"floor.consent-required"')),
        NAMELESS | {"bundle: if name.partition": "if False and name.partition"},
    ),
    Defence(
        "a-rule-called-like-a-restriction",
        takes(PERMIT.replace('"all"', '"restriction-house"')),
        {"bundle:  or code.startswith(RESTRICTION_PREFIX)": ""},
    ),
    Defence(
        "a-rule-called-like-no-rule",
        takes(PERMIT.replace('"all"', '"not-permitted"')),
        {"bundle: code == NOT_PERMITTED or ": ""},
    ),
    Defence("a-rule-with-a-line-break-for-a-name", takes(PERMIT.replace('"all"', '"a\\nb"')), NAMELESS),
    Defence(
        "a-rule-without-a-name",
        takes(PERMIT.replace('@id("all")', "")),
        {"bundle: if not name:": "if False:"} | NAMELESS,
    ),
    Defence(
        "a-rule-without-a-reason",
        takes(PERMIT.replace('"r"', '" "')),
        {'bundle: if not notes.get("reason", "").strip():': "if False:"},
    ),
    Defence(
        "two-rules-of-one-name",
        takes(NO_MINORS + NO_MINORS.replace('"minor"', '"adult"').replace("all", "other")),
        {"bundle: if len({rule.code for rule in texts}) != len(texts):": "if False:"},
    ),
    Defence("a-comment-swallows-the-narrowing", narrowing_is_swallowed, {'bundle: "\\n".join(': '"".join('}),
    Defence(
        "a-narrowing-permits",
        narrowing_widens,
        {
            "bundle: if rule.term.effect is not Effect.FORBID:": "if False:",
            "bundle: if any(rule.effect is not Effect.FORBID for rule in laid_over):": "if False:",
        },
    ),
    Defence(
        "the-floor-is-not-asked",
        allows(NUDE, PERMIT),
        {
            "decision: house = _house_findings(facts)": "house = ()",
            "outcome: if not self.codes and judge(self.facts):": "if False:",
        },
    ),
    Defence(
        "the-requester-reads-the-real-decision",
        gives_the_withdrawn_away,
        {"decision: known = strangers(facts)\n        public = ": "known = facts\n        public = "},
    ),
    Defence("the-floor-was-altered", decides_under_an_altered_floor, {"decision:     check_pins()\n": ""}),
    Defence(
        "a-failed-restriction-objects-to-nothing",
        restricted(raises_panic),
        {"decision: if asked.failed else ()": "if False else ()"},
    ),
    Defence(
        "an-empty-text-objects-to-nothing",
        restricted(lambda facts: ""),
        {"restriction: isinstance(answer, str | bytes | bytearray | Mapping) or ": ""},
    ),
    Defence(
        "true-is-the-second-person",
        true_is_a_person,
        {"restriction: if not all(type(index) is int for index in given):": "if False:"},
    ),
    Defence(
        "facts-are-rewritten",
        facts_are_rewritten,
        {"restriction: replace(facts, persons=tuple(replace(person) for person in facts.persons))": "facts"},
    ),
    Defence(
        "threads-pile-up",
        threads_pile_up,
        {"restriction: if overdue >= MAX_OVERDUE or len(self._until) >= MAX_RUNNING:": "if False:"},
    ),
    Defence(
        "two-restrictions-of-one-name",
        a_name_stands_twice,
        {"restriction: if len({one.name for one in held}) != len(held):": "if False:"},
    ),
]


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: defence.name)
def test_without_its_defence_the_trap_springs(defence: Defence, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does with the defence cut out of the source, and does not with the source as it is."""
    with monkeypatch.context() as patch:
        assert not defence.springs(House({}, patch))
    with monkeypatch.context() as patch:
        assert defence.springs(House(defence.cuts, patch))


NESTED = PERMIT + forbid("(" * 240 + "true" + ")" * 240)
BOMB = """
import sys, threading
from pathlib import Path
text, source = sys.stdin.read().split("\\0")
limits = {"__name__": "cut_limits"}
exec(compile(source, "limits.py", "exec"), limits)
from consent_edit.errors import PolicyInvalid
from consent_edit.policy.engine import compile_text
def go():
    try:
        limits["check_limits"](text)
        compile_text(text)
    except PolicyInvalid:
        print("refused")
threading.stack_size(1 << 20)
thread = threading.Thread(target=go)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="stack sizes and exit signals are those of Linux")
def test_without_the_limit_on_nesting_the_process_dies() -> None:
    """240 brackets, well within the other limits, kill a process whose threads have 1 MiB of stack."""
    source = Path(str(whole_limits.__file__)).read_text(encoding="utf-8")
    cut = source.replace("if depth > MAX_NESTING:", "if False:")
    assert cut != source
    ended = [
        subprocess.run(
            [sys.executable, "-c", BOMB],
            input=f"{NESTED}\0{limits}".encode(),
            capture_output=True,
            check=False,
            timeout=120,
        )
        for limits in (source, cut)
    ]
    assert (ended[0].returncode, ended[0].stdout) == (0, b"refused\n"), ended[0].stderr.decode()
    assert ended[1].returncode < 0, ended[1].stdout
