"""``consent-edit policy check`` and ``fmt``: what they print, what they write, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from consent_edit.cli import policy, policy_check
from consent_edit.errors import InputError, PolicyInvalid
from consent_edit.policy.bundle import PolicyBundle

UGLY = (
    '// first\n@id("all")@reason("r")   permit(principal,action,resource); // after\n'
    '// second\n@id("increase") @reason("r") forbid (principal, action, resource)\n'
    'when{context.exposure_change==ExposureChange::"increased"};\n// last\n'
)


def ran(*words: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(policy.app, [*words], input=stdin)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A valid policy, ugly and with warnings, in the current folder."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "policy.cedar"
    file.write_text(UGLY)
    return file


def test_check_of_a_valid_policy(file: Path) -> None:
    """Digest, rules, facts read, then every warning with its next step; exit 0."""
    done = ran("check", "policy.cedar")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[:5] == [
        f"{file.parent.name} is valid",
        f"  digest  {PolicyBundle.from_text(UGLY).digest}",
        "  permit  all",
        "  forbid  increase",
        "  reads   exposure_change",
    ]
    told = [line for line in lines[5:] if line.startswith("warning: ")]
    assert len(lines) == 5 + 2 * len(told)
    assert told == [
        "warning: there is no test file beside it",
        "warning: all, increase: it does not say everything in French",
        "warning: increase: it refuses without a next step",
        'warning: increase: it names a bad value, so ExposureChange::"undetermined" slips through',
    ]


def test_a_test_file_beside_it_is_seen(file: Path) -> None:
    """In the folder `tests`, by its ending."""
    (file.parent / "tests").mkdir()
    (file.parent / "tests" / "a.test.yaml").write_text("")
    assert "no test file" not in ran("check", ".").output


def test_strict_turns_warnings_into_an_exit_code(file: Path) -> None:
    """5 with warnings, 0 without."""
    assert ran("check", "--strict", ".").exit_code == 5
    assert ran("check", "--strict", "default").exit_code == 0
    assert ran("check", "--strict", "uk").exit_code == 0


def test_check_as_json(file: Path) -> None:
    """The same, for scripts."""
    told = json.loads(ran("check", ".", "--json").output)
    assert told["digest"] == PolicyBundle.from_text(UGLY).digest
    assert told["rules"] == [{"id": "all", "effect": "permit"}, {"id": "increase", "effect": "forbid"}]
    assert told["reads"] == ["exposure_change"]
    assert len(told["warnings"]) == 5
    assert set(told["warnings"][0]) == {"rule", "message", "remedy"}


def test_check_of_an_invalid_policy_shows_the_line(file: Path) -> None:
    """Every fault with file, line, column and the line itself; bad input, exit 2."""
    file.write_text(UGLY.replace("==", "=") + '@id("x") permit (principal, action, resource);')
    error = ran("check", "policy.cedar").exception
    assert isinstance(error, PolicyInvalid)
    assert error.exit_code == 2
    assert error.message.splitlines() == [
        "policy.cedar:5:29: '=' is not a valid operator in Cedar",
        '    when{context.exposure_change=ExposureChange::"increased"};',
        "policy.cedar:7:1: x: every rule needs a @reason",
        '    @id("x") permit (principal, action, resource);',
    ]
    assert error.remedy


def test_each_fault_has_its_next_step(file: Path) -> None:
    """A missing name, an open bracket, a word without its type."""
    scope = "permit (principal, action, resource)"
    file.write_text(
        f'@reason("r") {scope};\n@id("b") @reason("r") {scope} when {{ (context.picture.exposed }};\n'
        f'@id("c") @reason("r") {scope} when {{ context.age == "minor" }};\n'
    )
    error = ran("check", ".").exception
    assert isinstance(error, PolicyInvalid)
    assert error.message.splitlines()[2].startswith("policy.cedar:2:67: a policy ends inside a bracket")
    add, close, write = error.remedy.split("; ")
    assert add.startswith('add @id("…")')
    assert close == "close the bracket ( with )"
    assert write == 'write Age::"minor"'


def test_check_of_a_policy_without_rules(file: Path) -> None:
    """No rule has a place; the file is named all the same."""
    file.write_text("// nothing\n")
    error = ran("check", "policy.cedar").exception
    assert isinstance(error, PolicyInvalid)
    assert error.message.startswith("policy.cedar: the policy text holds no rule")


def test_fmt_lays_out_and_means_the_same(file: Path) -> None:
    """Comments stay, the digest stays, the file's mode stays; a second time changes nothing."""
    file.chmod(0o640)
    assert ran("fmt", ".").output == "policy.cedar: laid out\n"
    text = file.read_text()
    assert text != UGLY
    assert PolicyBundle.from_text(text).digest == PolicyBundle.from_text(UGLY).digest
    assert [line for line in text.splitlines() if line.startswith("//")] == [
        "// first",
        "// second",
        "// last",
    ]
    assert "// after" in text
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["policy.cedar"]
    assert ran("fmt", ".").output == "policy.cedar: nothing to change\n"
    assert file.read_text() == text


def test_fmt_check_writes_nothing(file: Path) -> None:
    """Exit 5 when it would change something, 0 when not."""
    done = ran("fmt", "--check", "policy.cedar")
    assert (done.exit_code, done.output) == (5, "policy.cedar: would change\n")
    assert file.read_text() == UGLY
    assert json.loads(ran("fmt", "--check", "--json", ".").output) == {
        "file": "policy.cedar",
        "changed": True,
    }


def test_fmt_never_touches_what_ships(file: Path) -> None:
    """A name is no path: the installed policies are nobody's to lay out."""
    done = ran("fmt", "strict")
    assert isinstance(done.exception, PolicyInvalid)
    assert "strict ships" in done.exception.message
    missing = ran("fmt", "nowhere").exception
    assert isinstance(missing, PolicyInvalid)
    assert (missing.message, missing.remedy) == (
        "there is no policy nowhere",
        "name a policy file or its folder",
    )


def test_check_prints_no_control_characters(file: Path) -> None:
    """A policy from somebody else cannot steer the terminal, whether it is valid or not."""
    file.write_text('@id("a") @reason("\x1b[2J") permit (principal, action, resource) when { context.no };')
    error = ran("check", ".").exception
    assert isinstance(error, PolicyInvalid)
    assert "context.no" in error.message
    assert "\x1b" not in error.message


def test_fmt_through_a_link_writes_what_it_points_to(file: Path) -> None:
    """The link stays one."""
    link = file.parent / "link.cedar"
    link.symlink_to(file.name)
    assert ran("fmt", "link.cedar").exit_code == 0
    assert link.is_symlink()
    assert file.read_text() != UGLY


def test_fmt_of_stdin(file: Path) -> None:
    """The text comes out on stdout, and nothing else."""
    ran("fmt", ".")
    assert ran("fmt", "-", stdin=UGLY).output == file.read_text()
    assert ran("fmt", "-", "--check", stdin=UGLY).exit_code == 5
    assert json.loads(ran("fmt", "-", "--json", stdin=UGLY).output)["text"] == file.read_text()


@pytest.mark.parametrize("stdin", [b"\xff", b"permit", b"", b"/" * 70_000])
def test_fmt_of_a_stdin_that_is_no_policy(stdin: bytes) -> None:
    """Bad input, and nothing on stdout."""
    done = ran("fmt", "-", stdin=stdin)
    assert isinstance(done.exception, PolicyInvalid)
    assert done.stdout == ""


def test_fmt_of_an_invalid_policy_writes_nothing(file: Path) -> None:
    """Its faults are shown as by check."""
    file.write_text(UGLY.replace("==", "="))
    done = ran("fmt", ".")
    assert isinstance(done.exception, PolicyInvalid)
    assert "policy.cedar:5:29" in done.exception.message
    assert file.read_text() == UGLY.replace("==", "=")


@pytest.mark.parametrize(
    "spoilt",
    [
        UGLY.replace("increased", "none"),
        UGLY.replace("// second", ""),
        UGLY.replace('@reason("r")', '@reason("s")', 1),
        UGLY.replace("increased", "nobody"),
    ],
    ids=["another meaning", "a comment lost", "another sentence", "invalid"],
)
def test_fmt_with_a_formatter_that_lies_writes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    """A text that no longer means or says the same is not written, whoever laid it out."""
    monkeypatch.setattr(policy_check, "format_text", lambda text: spoilt)
    done = ran("fmt", ".")
    assert isinstance(done.exception, InputError)
    assert file.read_text() == UGLY


def test_fmt_that_cannot_write_leaves_the_file_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half written, and nothing left beside it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(policy_check.os, "fsync", full)
    done = ran("fmt", ".")
    assert isinstance(done.exception, InputError)
    assert "No space left" in done.exception.message
    assert file.read_text() == UGLY
    assert [path.name for path in file.parent.iterdir()] == ["policy.cedar"]
