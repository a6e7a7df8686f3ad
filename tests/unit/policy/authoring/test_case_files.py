"""Test files of policies: found, read as plain words within bounds, and refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_folder import BENIGN, PERMIT, put

from consent_edit.errors import InputError, PolicyInvalid
from consent_edit.policy.authoring.cases.case_files import MAX_FILE_BYTES, find, read

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
    "a policy that does not ship": ("policy: nobody\ncases:\n" + BENIGN, "there is no policy nobody"),
    "a jurisdiction for a policy": ("policy: eu\ncases:\n" + BENIGN, "eu is a jurisdiction"),
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


def test_the_policy_can_be_named_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a command takes it, from wherever one stands; a folder called like a shipped one is no name."""
    for name in ("studio", "strict"):
        (tmp_path / name).mkdir()
    studio, strict = (
        put(tmp_path / "studio", f"cases:\n{BENIGN}"),
        put(tmp_path / "strict", f"cases:\n{BENIGN}"),
    )
    monkeypatch.chdir(tmp_path)
    assert [read(file).place for file in (studio, strict)] == ["studio", "./strict"]
    assert [read(path).place for path in find(["strict"])] == ["strict"]
    assert read(find(["eu"])[0]).place in {"default", "try-on"}
    monkeypatch.chdir(tmp_path / "studio")
    assert read(studio).place == "."
    assert read(strict).place == str(tmp_path / "strict")


def test_files_folders_and_names_are_found(tmp_path: Path) -> None:
    """Each file once, in one order, whichever way it was named."""
    (tmp_path / "b").mkdir()
    one, two = put(tmp_path, ""), put(tmp_path / "b", "", name="second")
    assert find([str(tmp_path)]) == (two, one)
    assert find([str(one), str(tmp_path), str(two)]) == (one, two)
    assert [path.name for path in find(["strict", "uk"])][:1] == ["strict.test.yaml"]


@pytest.mark.parametrize("place", ["none", "..none", "jurisdictions", ""])
def test_a_place_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """In the words of every other command."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyInvalid, match="there is no policy") as caught:
        find(["default", place])
    assert "one of: default, newsroom, strict, try-on" in caught.value.remedy


@pytest.mark.parametrize("place", ["tests", "policy.cedar", "tests/missing.test.yaml"])
def test_a_place_without_a_test_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Nothing named is passed over in silence."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "policy.cedar").write_text(PERMIT)
    with pytest.raises(InputError, match="no test file"):
        find(["default", place])
