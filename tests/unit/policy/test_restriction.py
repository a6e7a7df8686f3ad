"""Restrictions misbehave on purpose: raise, hang, lie and tamper; none of them ever widens or gives away."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent_edit.errors import ArgumentRejected
from consent_edit.operator import Operator
from consent_edit.policy import restriction as module
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import Decision, decide, public_view, replay
from consent_edit.policy.facts import Facts
from consent_edit.policy.public import strangers
from consent_edit.policy.restriction import MAX_OVERDUE, MAX_RUNNING, Restriction, consult
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import ConsentStatus, Exposure, Operation, Stage

sys.path.append(str(Path(__file__).parents[2] / "floor"))
from facts_strategy import any_facts, let_through, near_facts, policies

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);'
PERMIT_ALL = PolicyBundle.from_text(PERMIT)
NO_HAIR = PolicyBundle.from_text(
    '@id("all") @reason("r") permit (principal, action, resource);'
    '@id("no-hair") @reason("No hair.") forbid (principal, action, resource) '
    'when { context.operations.contains(Operation::"hair") };'
)
FAILED = ("floor.checks-incomplete", "check.restriction-failed")
BOX = (1, 2, 3, 4)
NUDE = vary(benign(), {"persons.0.exposure": "nude"})


def made(refuses: Callable[[Facts], Any], name: str = "house", **more: Any) -> Restriction:
    return Restriction(name=name, refuses=refuses, reason="The house says no.", **more)


def said(*restrictions: Restriction, facts: Facts | None = None) -> Decision:
    return decide(facts or benign(), PERMIT_ALL, restrictions=restrictions)


def raising(error: BaseException) -> Callable[[Facts], Any]:
    def refuses(facts: Facts) -> Any:
        raise error

    return refuses


def test_a_restriction_refuses_for_whom_it_names() -> None:
    """Code, person, sentence and name are in the decision, whoever else is in the picture."""
    decision = decide(benign("output", 2), PERMIT_ALL, restrictions=[made(lambda facts: [1, 1])])
    assert decision.codes == ("policy.restriction-house",)
    assert [(found.code, found.person) for found in decision.findings] == [("policy.restriction-house", 1)]
    assert decision.reasons == ("The house says no.",)
    assert decision.restrictions == ("house",)
    assert replay(decision.to_record(), PERMIT_ALL) == decision


def test_no_objection_adds_nothing() -> None:
    """A restriction that names nobody leaves the decision as it was, but for its name."""
    decision = said(made(lambda facts: (), "one"), made(lambda facts: set(), "two"))
    assert decision.allowed
    assert replace(decision, restrictions=()) == decide(benign(), PERMIT_ALL)
    assert decision.restrictions == ("one", "two")


WRONG = {
    "empty-name": {"name": ""},
    "upper-case-name": {"name": "House"},
    "name-with-newline": {"name": "house\n"},
    "name-with-dot": {"name": "a.b"},
    "endless-name": {"name": "a" * 65},
    "name-that-is-no-text": {"name": 7},
    "no-reason": {"reason": " "},
    "reason-that-is-no-text": {"reason": None},
    "french-that-is-no-text": {"reason_fr": b"non"},
    "not-callable": {"refuses": (0,)},
    "no-deadline": {"deadline_s": 0},
    "deadline-never": {"deadline_s": float("inf")},
    "deadline-nan": {"deadline_s": float("nan")},
    "deadline-before": {"deadline_s": -1.0},
    "deadline-too-late": {"deadline_s": 10.001},
    "deadline-true": {"deadline_s": True},
    "deadline-text": {"deadline_s": "1"},
}


@pytest.mark.parametrize("wrong", sorted(WRONG))
def test_a_restriction_out_of_form_is_none(wrong: str) -> None:
    """It is refused when it is made, under a code of its own."""
    with pytest.raises(ArgumentRejected) as caught:
        Restriction(**({"name": "house", "refuses": lambda facts: (), "reason": "r"} | WRONG[wrong]))
    assert caught.value.code == "input.restriction"
    assert caught.value.remedy


def test_a_coroutine_is_no_restriction() -> None:
    """Its answer would be a promise, and a promise is no refusal."""

    async def refuses(facts: Facts) -> list[int]:
        return []

    with pytest.raises(ArgumentRejected):
        made(refuses)


@pytest.mark.parametrize("held", [(made(lambda facts: ()), made(lambda facts: (0,))), ("house",), 7])
def test_what_cannot_be_asked_refuses(held: Any) -> None:
    """Two of one name could stand in for each other, and something else is no restriction at all."""
    decision = decide(benign(), PERMIT_ALL, restrictions=held)
    assert not decision.allowed
    assert "floor.checks-incomplete" in decision.codes


def test_two_of_one_name_are_refused_by_type() -> None:
    """The caller who checks beforehand is told what is wrong."""
    with pytest.raises(ArgumentRejected):
        module.distinct([made(lambda facts: ()), made(lambda facts: (0,))])


class PanicException(BaseException):
    """As native code raises it."""


RAISED = [
    ValueError("Ada"),
    PanicException("native"),
    SystemExit(0),
    GeneratorExit(),
    KeyboardInterrupt(),
    StopIteration(),
    MemoryError(),
    RecursionError(),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_a_raising_restriction_refuses(error: BaseException) -> None:
    """Whatever it raises, exits and native panics included, is a failed check, and its words are not kept."""
    decision = said(made(raising(error)))
    assert decision.codes == FAILED
    assert decision.fault == type(error).__name__
    assert "Ada" not in str(decision.to_record())


@pytest.mark.parametrize("name", ["no identifier: Ada", "A" * 81])
def test_a_made_up_class_name_is_not_recorded(name: str) -> None:
    """A class can be called anything, a person's name included; only names of classes are kept."""
    decision = said(made(raising(type(name, (Exception,), {})())))
    assert (decision.codes, decision.fault) == (FAILED, "Exception")


def test_a_class_that_lies_about_its_name_is_not_asked() -> None:
    """The name is read past the class's own say."""

    class Lying(type):
        @property
        def __name__(cls) -> str:
            raise SystemExit

    decision = said(made(raising(Lying("Plain", (Exception,), {})())))
    assert (decision.codes, decision.fault) == (FAILED, "Plain")


class EvilInt(int):
    """Lies when compared."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __le__(self, other: object) -> bool:
        return True

    def __ge__(self, other: object) -> bool:
        return True


class EvilIter:
    """Raises when listed."""

    def __iter__(self) -> Iterator[int]:
        raise SystemExit


class EvilClass:
    """Lies about what it is."""

    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise PanicException


def endless() -> Iterator[int]:
    while True:
        yield 0


def half_way() -> Iterator[int]:
    yield 0
    raise ValueError


NONSENSE: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "true": lambda: True,
    "one-number": lambda: 0,
    "empty-text": lambda: "",
    "text": lambda: "0",
    "empty-bytes": lambda: b"",
    "bytes": lambda: b"\x00",
    "bytearray": lambda: bytearray(b"\x00"),
    "empty-dict": dict,
    "dict": lambda: {0: "no"},
    "bools": lambda: [True],
    "floats": lambda: [0.0],
    "words": lambda: ["0"],
    "beyond": lambda: [2],
    "negative": lambda: [-1],
    "astronomic": lambda: [10**10_000],
    "too-many": lambda: [0, 0, 0],
    "huge": lambda: range(10**9),
    "endless": endless,
    "half-way": half_way,
    "evil-int": lambda: [EvilInt(0)],
    "evil-iter": EvilIter,
    "evil-class": EvilClass,
}


@pytest.mark.parametrize("nonsense", sorted(NONSENSE))
def test_nonsense_refuses(nonsense: str) -> None:
    """An answer that lists no indices of persons is no answer; an empty one of the wrong kind neither."""
    decision = said(made(lambda facts: NONSENSE[nonsense]()))
    assert decision.codes == FAILED
    assert decision.fault.isidentifier()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


def test_a_hanging_restriction_refuses_at_its_deadline(gate: threading.Event) -> None:
    """Silence is a failed check."""
    decision = said(made(lambda facts: gate.wait(60) and (), deadline_s=0.02))
    assert (decision.codes, decision.fault) == (FAILED, "TimeoutError")


def test_an_answer_that_hangs_while_it_is_listed_refuses(gate: threading.Event) -> None:
    """The deadline is for the answer, not for the promise of one."""

    def slowly(facts: Facts) -> Iterator[int]:
        gate.wait(60)
        yield from ()

    assert said(made(slowly, deadline_s=0.02)).fault == "TimeoutError"


def test_hanging_calls_do_not_pile_up(gate: threading.Event) -> None:
    """Past a few overdue calls it refuses unasked, and is asked again once they return."""
    asked: list[int] = []

    def refuses(facts: Facts) -> tuple[int, ...]:
        asked.append(1)
        gate.wait(60)
        return ()

    hanging = made(refuses, deadline_s=0.01)
    for _ in range(MAX_OVERDUE + 10):
        assert consult([hanging], benign()).fault == "TimeoutError"
    assert len(asked) == MAX_OVERDUE
    gate.set()
    until = time.monotonic() + 30
    while consult([hanging], benign()).failed and time.monotonic() < until:
        time.sleep(0.01)
    assert not consult([hanging], benign()).failed


def test_a_restriction_that_decides_does_not_run_away() -> None:
    """One that asks for a decision from within, and so asks itself, comes to an end after some threads."""
    most: list[int] = []
    codes: list[tuple[str, ...]] = []

    def refuses(facts: Facts) -> tuple[int, ...]:
        most.append(threading.active_count())
        codes.append(decide(facts, PERMIT_ALL, restrictions=[again]).codes)
        return ()

    again = made(refuses, deadline_s=0.5)
    before = threading.active_count()
    decide(benign(), PERMIT_ALL, restrictions=[again])
    assert FAILED in codes
    assert max(most) <= before + MAX_RUNNING


def test_no_thread_to_be_had_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine out of threads gives no answer, and the call is not counted as under way."""

    def none_left(self: object) -> None:
        raise RuntimeError("can't start new thread")

    one = made(lambda facts: ())
    with monkeypatch.context() as patch:
        patch.setattr(module.threading.Thread, "start", none_left)
        for _ in range(MAX_RUNNING + 1):
            assert consult([one], benign()).fault == "RuntimeError"
    assert not consult([one], benign()).failed


def test_an_interrupt_of_the_one_who_waits_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping the program is not a decision."""

    def interrupted(self: object, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    one = made(lambda facts: ())
    with monkeypatch.context() as patch:
        patch.setattr(module.threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            one._calls.begin(0.0)
            consult([one], benign())


def mutate_everything(facts: Facts) -> tuple[int, ...]:
    """Rewrite what was handed in, however frozen."""
    for person in facts.persons:
        object.__setattr__(person, "consent", ConsentStatus.VERIFIED)
        object.__setattr__(person, "exposure", Exposure.NONE)
        object.__setattr__(person, "touched", frozenset())
    object.__setattr__(facts, "operations", frozenset({Operation.TONE}))
    object.__setattr__(facts, "persons", facts.persons[-1:])
    object.__setattr__(facts, "stage", Stage.REQUEST)
    return ()


@pytest.mark.parametrize(
    "facts",
    [
        NUDE,
        vary(benign(), {"persons.0.consent": "absent"}),
        vary(benign("input"), {"operations": ["hair"]}),
        vary(benign(), {"checks": "incomplete"}),
    ],
)
def test_facts_mutated_past_their_freeze_change_nothing(facts: Facts) -> None:
    """Every code, finding and fact is as without the restriction, and the record too."""
    before, kept = decide(facts, NO_HAIR), replace(facts)
    after = decide(facts, NO_HAIR, restrictions=[made(mutate_everything)])
    assert replace(after, restrictions=()) == before
    assert facts == kept
    assert not after.allowed


def test_each_restriction_has_a_copy_of_its_own() -> None:
    """What one does to its facts the next one does not see, not even when they share a person's object."""
    seen: list[Facts] = []
    first = made(mutate_everything, "first")
    second = made(lambda facts: seen.append(facts) or (0,), "second")
    facts = benign("input", 2)
    decision = decide(facts, PERMIT_ALL, restrictions=[first, second])
    assert decision.codes == ("policy.restriction-second",)
    assert seen == [facts, strangers(facts)]
    assert seen[0] is not facts
    assert not {id(person) for person in seen[0].persons} & {id(person) for person in facts.persons}


def test_facts_are_not_copied_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without restrictions nothing is copied and no thread starts."""
    monkeypatch.setattr(module, "replace", raising(AssertionError()))
    monkeypatch.setattr(module.threading, "Thread", raising(AssertionError()))
    assert decide(benign(), PERMIT_ALL).allowed
    assert not consult([], benign()).failed


def test_a_failed_restriction_does_not_silence_the_others() -> None:
    """Those that object are still in the decision, before and after it."""
    held = [
        made(lambda facts: (0,), "first"),
        made(raising(OSError()), "second"),
        made(raising(ValueError()), "third"),
        made(lambda facts: (1,), "fourth"),
    ]
    decision = said(*held)
    assert set(decision.codes) == {*FAILED, "policy.restriction-first", "policy.restriction-fourth"}
    assert decision.fault == "OSError"


def test_a_list_emptied_from_within_still_asks_everybody() -> None:
    """A restriction that takes the others off the caller's list cannot keep them from being asked."""
    held: list[Restriction] = []
    held.append(made(lambda facts: held.clear() or (), "sly"))
    held.append(made(lambda facts: (0,), "house"))
    assert consult(held, benign()).refusals == (("policy.restriction-house", 0),)


def test_an_answer_changed_after_it_was_given_is_not_read_again() -> None:
    """The list it keeps hold of is not the one that is read."""
    answer = [0]
    said_first = consult([made(lambda facts: answer)], benign())
    answer.clear()
    assert said_first.refusals == (("policy.restriction-house", 0),)


UNKNOWN = vary(benign(), {"persons.0.consent": "absent", "persons.0.age": "undetermined"})
WITHDRAWN = vary(benign(), {"persons.0.consent": "revoked"})


def withdrew(facts: Facts) -> bool:
    return facts.persons[0].consent is ConsentStatus.REVOKED


def hang(gate: threading.Event) -> tuple[int, ...]:
    gate.wait(60)
    return ()


def break_down() -> tuple[int, ...]:
    raise ValueError


@pytest.mark.parametrize("how", ["refuses", "raises", "hangs"])
def test_a_restriction_on_the_withdrawn_gives_nobody_away(how: str, gate: threading.Event) -> None:
    """One that refuses, breaks or hangs for the withdrawn alone reads as for somebody unknown (G7)."""
    acts = {"refuses": lambda: (0,), "raises": break_down, "hangs": lambda: hang(gate)}
    one = made(lambda facts: acts[how]() if withdrew(facts) else (), deadline_s=0.05)
    told = decide(WITHDRAWN, PERMIT_ALL, restrictions=[one])
    plain = decide(UNKNOWN, PERMIT_ALL, restrictions=[one])
    assert {"policy.restriction-house", "check.restriction-failed"} & set(told.codes)
    assert public_view(told, (BOX,)) == public_view(plain, (BOX,))
    assert "restriction" not in str(public_view(told, (BOX,)))


def test_a_restriction_that_fails_for_strangers_only_still_refuses_no_more() -> None:
    """What the requester reads does not leak back into what is decided."""
    one = made(lambda facts: () if withdrew(facts) else break_down())
    decision = decide(WITHDRAWN, PERMIT_ALL, restrictions=[one])
    assert "check.restriction-failed" not in decision.codes
    assert "check.restriction-failed" in decision.public_codes


def test_many_threads_ask_at_once() -> None:
    """Every caller gets the answer to the facts that he asked about."""
    one = made(lambda facts: (0,) if facts.stage is Stage.INPUT else (), deadline_s=10)
    pictures = [benign(stage) for stage in ("input", "output")] * 40
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda facts: decide(facts, PERMIT_ALL, restrictions=[one]), pictures))
    assert [decision.allowed for decision in found] == [facts.stage is Stage.OUTPUT for facts in pictures]


anything = st.one_of(
    st.none(),
    st.integers(-1, 4),
    st.text(max_size=2),
    st.lists(st.integers(-1, 4), max_size=4),
    st.sets(st.integers(0, 3)),
    st.sampled_from(sorted(NONSENSE)).map(lambda name: NONSENSE[name]),
    st.sampled_from(RAISED),
    st.just(mutate_everything),
)


def acting(act: Any) -> Callable[[Facts], Any]:
    if isinstance(act, BaseException):
        return raising(act)
    if act is mutate_everything:
        return mutate_everything
    return lambda facts: act() if callable(act) else act


FACTS = st.one_of(
    let_through, near_facts, any_facts, st.sampled_from([benign("input", 2), NUDE, UNKNOWN, WITHDRAWN])
)


@settings(max_examples=90, deadline=None)
@given(FACTS, st.sampled_from(["", PERMIT]), policies, st.lists(anything, max_size=3))
@example(vary(benign(), {"operations": ["hair"]}), "", NO_HAIR.text, [()])
@example(vary(benign(), {"operations": ["hair"]}), "", NO_HAIR.text, [ValueError()])
@example(vary(benign("input", 2), {"persons.0.consent": "revoked"}), "", NO_HAIR.text, [[1]])
def test_no_restriction_ever_widens(facts: Facts, base: str, text: str, acts: list[Any]) -> None:
    """Whatever any number of restrictions do, every code and finding there was is there still."""
    bundle = PolicyBundle.from_text(base + text)
    before = decide(facts, bundle)
    held = [made(acting(act), f"r-{number}") for number, act in enumerate(acts)]
    after = decide(facts, bundle, restrictions=held)
    assert set(before.codes) <= set(after.codes)
    assert set(before.findings) <= set(after.findings)
    assert before.allowed or not after.allowed
    assert after.facts == facts


@pytest.fixture
def operator() -> Operator:
    """One with a restriction; of the rest of it nothing is asked here."""
    rest: dict[str, Any] = dict.fromkeys(("trust", "statuses", "store", "receipt_key"))
    first = made(lambda facts: (), "first")
    return Operator(audience="https://a.example", policy=PERMIT_ALL, restrictions=(first,), **rest)


def test_restrictions_are_replaced_in_force(operator: Operator) -> None:
    """All of them at once; none named leaves them, an empty set takes them away."""
    second = made(lambda facts: (), "second")
    operator.replace(restrictions=iter([second]))
    assert operator.snapshot().restrictions == (second,)
    operator.replace(policy=NO_HAIR)
    assert (operator.snapshot().restrictions, operator.snapshot().policy) == ((second,), NO_HAIR)
    operator.replace(restrictions=())
    assert operator.snapshot().restrictions == ()


@pytest.mark.parametrize("wrong", [[made(lambda facts: ()), made(lambda facts: ())], ["house"]])
def test_restrictions_that_cannot_be_asked_are_not_put_in_force(operator: Operator, wrong: Any) -> None:
    """It is told at once, and nothing that was handed in beside them is taken either."""
    before = operator.snapshot()
    with pytest.raises(ArgumentRejected):
        operator.replace(restrictions=wrong, policy=NO_HAIR)
    assert operator.snapshot() == before


def test_restrictions_do_not_change_within_a_snapshot(operator: Operator) -> None:
    """Whoever replaces them waits until what is in force has been read."""
    with operator._lock:
        late = threading.Thread(target=lambda: operator.replace(restrictions=()))
        late.start()
        late.join(0.1)
        assert operator.restrictions
    late.join(30)
    assert operator.restrictions == ()
