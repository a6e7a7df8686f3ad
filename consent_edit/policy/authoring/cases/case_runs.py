"""Suites of policy tests, run: what each case expected and got, and which rules no case ever determined."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consent_edit.errors import ArgumentRejected, CheckFailed, InputError
from consent_edit.policy.authoring.cases.case_files import Case, Suite, bad
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import RuleText
from consent_edit.policy.context import contexts
from consent_edit.policy.decision import decide
from consent_edit.policy.facts import Facts
from consent_edit.policy.testing import benign, vary
from consent_edit.vocabulary import Checks

_REMEDY: Final = "facts and their words are listed in consent_edit/policy/consent_edit.cedarschema"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case, run.

    Attributes:
        path: The test file.
        name: The case.
        policy: What it was decided with; after a ``+`` what was laid over it.
        explain: The words after ``consent-edit`` that decide the case anew and say why.
        expected: Codes that were expected; none at all where only ``allowed`` was said.
        expected_allowed: Whether the edit was expected to be allowed.
        allowed: Whether the edit was allowed.
        codes: What came of it.
        missing: Codes that were expected and did not come.
        unexpected: Codes that came and were not expected.
        determining: Rules that decided.
        not_determining: Rules that were expected to decide and did not.
        determining_too: Rules that decided and were not expected to.
        texts: What the policy's rules say.
        passed: Whether it came as expected.
    """

    path: Path
    name: str
    policy: str
    explain: tuple[str, ...]
    expected: tuple[str, ...] | None
    expected_allowed: bool
    allowed: bool
    codes: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    determining: tuple[str, ...]
    not_determining: tuple[str, ...]
    determining_too: tuple[str, ...]
    texts: tuple[RuleText, ...]
    passed: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Suites, run.

    Attributes:
        results: Every case, in the order of the files.
        without_a_case: Policy and id of each rule that no case determined.
    """

    results: tuple[CaseResult, ...]
    without_a_case: tuple[tuple[str, str], ...]

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases that did not come as expected."""
        return tuple(result for result in self.results if not result.passed)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule that a suite is there to test."""

    of: str
    digest: str
    id: str


def determining(facts: Facts, bundle: PolicyBundle) -> tuple[str, ...]:
    """Ids of the operator's rules that decide on some facts, in the order of the policy.

    Returns:
        The rules that refuse somebody; where none does, those that permit. Empty: nothing permitted.

    Raises:
        CheckFailed: the engine gave no clean answer for somebody.
    """
    everybody = contexts(facts, bundle.reads)
    refused = [context for context in everybody if bundle.refusals_of(context)]
    found = {code for context in refused or everybody for code in bundle.determining(context)}
    return tuple(_id(rule) for rule in bundle.texts if rule.code in found)


def _id(rule: RuleText) -> str:
    return rule.code.removeprefix("policy.")


def run(suites: Iterable[Suite]) -> Report:
    """Run every case of every suite.

    Raises:
        InputError: a case names a fact, a word, a rule or a jurisdiction that does not exist; or there was
            no case at all.
    """
    results: list[CaseResult] = []
    rules: dict[_Rule, None] = {}
    seen: set[_Rule] = set()
    for suite in suites:
        for case in suite.cases:
            bundle = suite.narrowed(case)
            result = _run(suite, case, bundle)
            own = _own_rules(suite, bundle)
            results.append(result)
            rules |= dict.fromkeys(own)
            seen |= {rule for rule in own if rule.id in result.determining}
    if not results:
        raise InputError("no case ran", code="input.policy-test", remedy="name a test file with cases")
    return Report(tuple(results), tuple((rule.of, rule.id) for rule in rules if rule not in seen))


def _own_rules(suite: Suite, bundle: PolicyBundle) -> tuple[_Rule, ...]:
    """Those of the suite's policy; or, where it lays jurisdictions over every case, those of theirs."""
    if not suite.jurisdictions:
        return tuple(_Rule(suite.policy.name, suite.policy.digest, _id(rule)) for rule in suite.policy.texts)
    laid_over = bundle.texts[len(suite.policy.texts) :]
    name = "+".join(suite.jurisdictions)
    return tuple(_Rule(name, "", _id(rule)) for rule in laid_over)


def _run(suite: Suite, case: Case, bundle: PolicyBundle) -> CaseResult:
    facts = _facts(suite, case)
    known = {_id(rule) for rule in bundle.texts}
    if strange := set(case.determining or ()) - known:
        raise bad(suite.path, f"determining: the policy has no rule {min(strange)!r}", case.name)
    decision = decide(facts, bundle)
    try:
        came = determining(facts, bundle)
    except CheckFailed:
        came = ()  # the codes say that the engine failed
    expected = decision.codes if case.codes is None else case.codes
    deciding = came if case.determining is None else case.determining
    return CaseResult(
        path=suite.path,
        name=case.name,
        policy=bundle.name,
        explain=_explain(suite, case),
        expected=case.codes,
        expected_allowed=bool(case.allowed) if case.codes is None else not case.codes,
        allowed=decision.allowed,
        codes=decision.codes,
        missing=_without(expected, decision.codes),
        unexpected=_without(decision.codes, expected),
        determining=came,
        not_determining=_without(deciding, came),
        determining_too=_without(came, deciding),
        texts=bundle.texts,
        passed=set(expected) == set(decision.codes)
        and set(deciding) == set(came)
        and case.allowed in (None, decision.allowed),
    )


def _facts(suite: Suite, case: Case) -> Facts:
    """The case's facts, its differences applied one by one so that an error can name the one."""
    facts = benign(case.stage, case.persons)
    for path, word in case.change.items():
        try:
            facts = vary(facts, {path: word})
        except ArgumentRejected as error:
            raise bad(suite.path, error.message, case.name, remedy=_REMEDY) from error
        except InputError as error:
            why = error.message.rpartition(": ")[2]
            raise bad(suite.path, f"{path}: {why}", case.name, remedy=_REMEDY) from error
    return facts


def _explain(suite: Suite, case: Case) -> tuple[str, ...]:
    """What reproduces a case on the command line."""
    words = ["policy", "explain", "--policy", suite.place]
    for code in suite.over(case):
        words += ["--jurisdiction", code]
    words += ["--stage", case.stage.value]
    if (persons := len(benign(case.stage, case.persons).persons) - 1) != 1:
        words += ["--persons", str(persons)]
    for path, word in case.change.items():
        words += ["--change", f"{path}={word if isinstance(word, str) else ','.join(word)}"]
    if not case.change:
        words += ["--change", f"checks={Checks.COMPLETE.value}"]
    return tuple(words)


def _without(words: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    known = set(others)
    return tuple(word for word in words if word not in known)
