"""Cases of policy tests: run exactly, told apart rule by rule, and reproduced by a command."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_folder import BENIGN, FORBID, PERMIT, put

from consent_edit.errors import CheckFailed, InputError
from consent_edit.policy import bundle as bundles
from consent_edit.policy.authoring.cases.case_files import read
from consent_edit.policy.authoring.cases.case_runs import CaseResult, Report, run


def ran(folder: Path, cases: str, *, head: str = "", policy: str = PERMIT + FORBID) -> Report:
    return run([read(put(folder, f"{head}cases:\n{cases}", policy=policy))])


def only(report: Report) -> CaseResult:
    (result,) = report.results
    return result


def test_exact_codes_pass(tmp_path: Path) -> None:
    """The codes of the case and of the decision are the same, in whatever order they stand."""
    report = ran(
        tmp_path,
        "- name: two reasons\n"
        "  change: {persons.unseen.exposure_change: increased}\n"
        "  codes: [policy.increase, floor.sexualised-minor]\n",
    )
    assert report.failed == ()


@pytest.mark.parametrize(
    ("codes", "missing", "unexpected"),
    [
        ("[]", (), ("policy.increase",)),
        ("[policy.increase, floor.hands-off]", ("floor.hands-off",), ()),
        ("[policy.swap]", ("policy.swap",), ("policy.increase",)),
    ],
)
def test_one_code_too_many_or_too_few_fails(
    tmp_path: Path, codes: str, missing: tuple[str, ...], unexpected: tuple[str, ...]
) -> None:
    """Comparison is exact, and the difference says what was missing and what came instead."""
    result = only(
        ran(tmp_path, f"- {{name: n, change: {{persons.0.exposure_change: increased}}, codes: {codes}}}\n")
    )
    assert not result.passed
    assert result.missing == missing
    assert result.unexpected == unexpected


@pytest.mark.parametrize(("allowed", "passed"), [("yes", True), ("no", False)])
def test_allowed_alone_is_an_expectation(tmp_path: Path, allowed: str, passed: bool) -> None:
    """Where the codes do not matter, `allowed` does."""
    assert only(ran(tmp_path, f"- {{name: n, allowed: {allowed}}}\n")).passed is passed


@pytest.mark.parametrize(
    ("change", "determining", "passed"),
    [
        ("", "[all]", True),
        ("", "[]", False),
        ("", "[all, increase]", False),
        ("persons.0.exposure_change: increased", "[increase]", True),
        ("persons.0.exposure_change: increased", "[increase, all]", False),
        ("persons.0.exposure_change: increased", "[all]", False),
        ("persons.0.consent: absent", "[all]", True),
    ],
)
def test_determining_rules_are_exact(tmp_path: Path, change: str, determining: str, passed: bool) -> None:
    """The permits that allow, or the forbids that refuse: these, all of these and no others."""
    allowed = "no" if change else "yes"
    case = f"- {{name: n, change: {{{change}}}, allowed: {allowed}, determining: {determining}}}\n"
    assert only(ran(tmp_path, case)).passed is passed


def test_a_denial_that_nothing_determines_has_no_determining_rule(tmp_path: Path) -> None:
    """Nothing permitted: the code says so and the list is empty."""
    policy = PERMIT.replace(";", ' when { context.stage == Stage::"input" };')
    case = "- {name: n, codes: [policy.not-permitted], determining: []}\n"
    assert only(ran(tmp_path, case, policy=policy)).passed


def test_rules_without_a_case_are_named(tmp_path: Path) -> None:
    """What no case ever determined, permits included, is told with its policy."""
    report = ran(tmp_path, BENIGN)
    assert report.without_a_case == ((tmp_path.name, "increase"),)
    refused = "- {name: n, persons: 0, change: {persons.0.exposure_change: increased}, allowed: no}\n"
    assert ran(tmp_path, refused).without_a_case == ((tmp_path.name, "all"),)
    assert ran(tmp_path, BENIGN + refused).without_a_case == ()


def test_two_policies_of_one_name_are_counted_apart(tmp_path: Path) -> None:
    """A case of one policy says nothing about a rule of another that is called the same."""
    increased = "- {name: m, persons: 0, change: {persons.0.exposure_change: increased}, allowed: no}\n"
    suites = []
    for number, cases in enumerate((BENIGN + increased, BENIGN)):
        folder = tmp_path / str(number) / "same"
        folder.mkdir(parents=True)
        suites.append(read(put(folder, f"cases:\n{cases}", policy=PERMIT + FORBID + "// x\n" * number)))
    assert run(suites).without_a_case == ()
    other = tmp_path / "other" / "same"
    other.mkdir(parents=True)
    suites[1] = read(put(other, f"cases:\n{BENIGN}", policy=PERMIT + FORBID.replace('"r"', '"s"')))
    assert run(suites).without_a_case == (("same", "increase"),)


def test_jurisdictions_are_laid_over(tmp_path: Path) -> None:
    """A case's own and the file's; the file's are what the file tests."""
    change = "change: {persons.0.exposure_change: increased}"
    case = f"- {{name: n, {change}, codes: [policy.increase, policy.uk-no-increase]%s}}\n"
    assert only(ran(tmp_path, case % ", jurisdictions: [uk]")).passed
    assert ran(tmp_path, case % ", jurisdictions: [uk]").without_a_case == ((tmp_path.name, "all"),)
    report = ran(tmp_path, case % "", head="jurisdictions: [uk]\n")
    assert only(report).passed
    assert report.without_a_case == (("uk", "uk-suggestive-result"), ("uk", "uk-revealing-intent"))


def test_a_case_can_be_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that its facts and its policy are made of stands in the command."""
    monkeypatch.chdir(tmp_path.parent)
    report = ran(
        tmp_path,
        "- {name: a, codes: []}\n"
        "- {name: b, stage: request, codes: [], jurisdictions: [eu, uk]}\n"
        "- {name: c, persons: 2, change: {operations: [hair, tone], checks: incomplete}, allowed: no}\n",
        head="jurisdictions: [uk]\n",
    )
    of = f"policy explain --policy {tmp_path.name} --jurisdiction uk"
    assert [" ".join(result.explain) for result in report.results] == [
        f"{of} --stage output --change checks=complete",
        f"{of} --jurisdiction eu --stage request --persons 0 --change checks=complete",
        f"{of} --stage output --persons 2 --change operations=hair,tone --change checks=incomplete",
    ]


def test_a_request_has_nobody_in_it_by_default(tmp_path: Path) -> None:
    """There are words and no picture yet: `persons.0` is already whoever is unseen."""
    case = "- {name: n, stage: request, change: {persons.0.kind: unseen}, codes: []}\n"
    assert only(ran(tmp_path, case)).passed


def test_words_stay_words(tmp_path: Path) -> None:
    """`no` and `yes` are words of the vocabulary, not booleans."""
    case = "- {name: no, change: {persons.0.recognisable: no, persons.0.consent: absent}, codes: []}\n"
    result = only(ran(tmp_path, case))
    assert result.name == "no"
    assert result.passed


def test_an_engine_that_fails_passes_no_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that expects an allow fails, with the code that says why."""
    suite = read(put(tmp_path, f"cases:\n{BENIGN}"))

    def failing(*_: object) -> None:
        raise CheckFailed("no")

    monkeypatch.setattr(bundles.PolicyBundle, "refusals_of", failing)
    result = only(run([suite]))
    assert not result.passed
    assert "check.policy-engine-failed" in result.codes


BAD_CASES = {
    "a fact that is none": ("change: {persons.0.mood: good}", "persons.0.mood: no such fact"),
    "a person who is not there": ("change: {persons.7.age: adult}", "persons.7.age: no such fact"),
    "a word that is none": ("change: {persons.0.consent: given}", "persons.0.consent: .*ConsentStatus"),
    "a list that is none": ("change: {persons.0.touched: face}", "persons.0.touched: "),
    "unseen as a face": ("change: {persons.unseen.kind: face}", "persons.unseen.kind: "),
    "a rule that is none": ("determining: [nobody]", "no rule 'nobody'"),
    "a jurisdiction that is none": ("jurisdictions: [mars]", "mars"),
    "a jurisdiction by path": ("jurisdictions: [../../etc]", "etc"),
}


@pytest.mark.parametrize("what", BAD_CASES)
def test_a_bad_case_is_refused_by_name(tmp_path: Path, what: str) -> None:
    """A case that speaks of something that does not exist is bad input, not a failure nor a pass."""
    said, why = BAD_CASES[what]
    file = put(tmp_path, f"cases:\n- {{name: that one, codes: [], {said}}}\n")
    with pytest.raises(InputError, match=why) as caught:
        run([read(file)])
    assert caught.value.message.startswith(f"{file}: case 'that one'")
    assert caught.value.remedy


def test_no_case_at_all_is_no_pass() -> None:
    """An empty run is bad input."""
    with pytest.raises(InputError, match="no case ran"):
        run([])
