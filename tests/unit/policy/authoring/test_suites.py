"""Test files of policies: read as plain words within bounds, run exactly, and told apart rule by rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_edit.errors import CheckFailed, InputError
from consent_edit.policy import bundle as bundles
from consent_edit.policy.authoring.cases.case_files import MAX_FILE_BYTES, find, read
from consent_edit.policy.authoring.cases.case_runs import CaseResult, Report, run

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);\n'
FORBID = (
    '@id("increase") @reason("r") forbid (principal, action, resource)\n'
    'unless { context.exposure_change == ExposureChange::"none" };\n'
)
BENIGN = "- {name: benign, codes: []}\n"


def put(folder: Path, text: str, *, policy: str = PERMIT + FORBID, name: str = "mine") -> Path:
    """A policy's folder with one test file; the file."""
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "policy.cedar").write_text(policy)
    file = folder / "tests" / f"{name}.test.yaml"
    file.write_text(text)
    return file


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


BAD = {
    "no cases": ("cases: []\n", "at least 1 item"),
    "nothing at all": ("", "valid dictionary"),
    "a list": ("- cases\n", "valid dictionary"),
    "no yaml": ("cases: [\n", "line"),
    "an unknown key": ("cases:\n- {name: n, codes: [], colour: x}\n", "case 'n': colour: an unknown key"),
    "an unknown key above": ("case: x\ncases:\n" + BENIGN, "case: an unknown key"),
    "an unknown stage": ("cases:\n- {name: n, codes: [], stage: end}\n", "case 'n': stage: .*'output'"),
    "a case without a name": ("cases:\n- {codes: []}\n", "case 'number 1': name"),
    "a case that expects nothing": ("cases:\n- {name: n}\n", "case 'n': .*codes or allowed"),
    "a case against itself": ("cases:\n- {name: n, codes: [], allowed: no}\n", "contradict"),
    "a code twice": ("cases:\n- {name: n, codes: [policy.a, policy.a]}\n", "stands twice"),
    "two cases of one name": (f"cases:\n{BENIGN}{BENIGN}", "two cases are called 'benign'"),
    "a doubled key": (
        "cases:\n- {name: n, codes: [], codes: [policy.a]}\n",
        "line 2: the key 'codes' stands twice",
    ),
    "a doubled change": (
        "cases:\n- {name: n, codes: [], change: {checks: complete, checks: incomplete}}\n",
        "the key 'checks' stands twice",
    ),
    "an unknown key that steers the terminal": (
        'cases:\n- {name: n, codes: [], "\\e[2J": x}\n',
        "case 'n':  .2J",
    ),
    "too many people": ("cases:\n- {name: n, codes: [], persons: 17}\n", "case 'n': persons"),
    "an alias": ("cases:\n- &a {name: n, codes: []}\n- *a\n", "line 3: aliases are not used"),
    "a merge": ("cases:\n- {name: n, codes: [], <<: {stage: input}}\n", "<<: an unknown key"),
    "a key that is a list": ("cases:\n- {name: n, [a]: b}\n", "a key must be a word"),
    "an object": ("cases: !!python/object/apply:os.system [true]\n", "case 'number 1'"),
    "two documents": (f"cases:\n{BENIGN}---\ncases:\n{BENIGN}", "line 3: a second document"),
    "half a character": ('cases:\n- {name: "\\ud800", codes: [\x00]}\n', "not YAML"),
    "a policy elsewhere": ("policy: /etc/passwd\ncases:\n" + BENIGN, "relative to the test file"),
    "a policy that is not there": ("policy: ./none.cedar\ncases:\n" + BENIGN, "not a readable"),
    "a policy that does not ship": ("policy: nobody\ncases:\n" + BENIGN, "nobody"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, what: str) -> None:
    """Each is bad input, with the file named, and the case where there is one."""
    text, said = BAD[what]
    file = put(tmp_path, text)
    with pytest.raises(InputError, match=said) as caught:
        read(file)
    assert caught.value.message.startswith(str(file))
    assert caught.value.remedy


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


def test_a_bomb_of_aliases_is_not_unfolded(tmp_path: Path) -> None:
    """Ten lines that stand for a billion words are refused at the first alias."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(InputError, match="aliases are not used"):
        read(put(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize("deep", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "? " * 100_000])
def test_a_bomb_of_brackets_is_not_climbed_into(tmp_path: Path, deep: str) -> None:
    """Nesting is refused where it begins, however deep it goes."""
    with pytest.raises(InputError, match=r"line 1: (nested too deeply|a key must be a word)"):
        read(put(tmp_path, f"cases: {deep}" if deep[0] in "[{" else deep))


def test_a_file_over_a_mebibyte_is_refused_unread(tmp_path: Path) -> None:
    """Whatever it holds."""
    file = put(tmp_path, f"cases:\n{BENIGN}")
    file.write_text(file.read_text() + "#" * MAX_FILE_BYTES)
    with pytest.raises(InputError, match=f"over {MAX_FILE_BYTES} bytes"):
        read(file)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """Not UTF-8, or no file at all."""
    file = put(tmp_path, "")
    file.write_bytes(b"cases: \xff")
    with pytest.raises(InputError, match="UTF-8"):
        read(file)
    with pytest.raises(InputError, match="readable"):
        read(tmp_path / "none.test.yaml")


def test_a_policy_is_named_by_name_or_by_path(tmp_path: Path) -> None:
    """The parent folder's by default; `.`, `..` and files go from the test file."""
    file = put(tmp_path, f"cases:\n{BENIGN}")
    assert read(file).policy.name == tmp_path.name
    (tmp_path / "tests" / "policy.cedar").write_text(PERMIT)
    (tmp_path / "tests" / "other.cedar").write_text(PERMIT)
    for named, name in {
        "..": tmp_path.name,
        "../policy.cedar": tmp_path.name,
        ".": "tests",
        "./other.cedar": "other",
        "strict": "strict",
    }.items():
        file.write_text(f"policy: {named}\ncases:\n{BENIGN}")
        assert read(file).policy.name == name


def test_files_folders_and_names_are_found(tmp_path: Path) -> None:
    """Each file once, in one order, whichever way it was named."""
    (tmp_path / "b").mkdir()
    one, two = put(tmp_path, ""), put(tmp_path / "b", "", name="second")
    assert find([str(tmp_path)]) == (two, one)
    assert find([str(one), str(tmp_path), str(two)]) == (one, two)
    assert [path.name for path in find(["strict", "uk"])][:1] == ["strict.test.yaml"]


@pytest.mark.parametrize("place", ["none", "..none", "tests", "policy.cedar", "jurisdictions"])
def test_a_place_without_a_test_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Nothing named is passed over in silence."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "policy.cedar").write_text(PERMIT)
    with pytest.raises(InputError, match="no test file"):
        find(["default", place])


def test_no_case_at_all_is_no_pass() -> None:
    """An empty run is bad input."""
    with pytest.raises(InputError, match="no case ran"):
        run([])
