"""The guide's pages do what they say: every command, in order, prints what the page states."""

from __future__ import annotations

from pathlib import Path

import pytest
from guide_session import ROOT, Step, matches, renewed, run, steps_of

GUIDE = ROOT / "docs" / "guide"
PAGE = GUIDE / "your-first-policy.md"


def test_every_command_prints_what_the_page_says(tmp_path: Path) -> None:
    """From an empty folder to a policy in force; an exit code other than 0 is stated too."""
    steps = steps_of(PAGE.read_text(encoding="utf-8"))
    printed = run(steps, tmp_path)
    assert len(printed) == len(steps)
    for step, output in zip(steps, printed, strict=True):
        assert matches(step.output, output), f"$ {step.command}\n{output}"


def test_the_page_shows_every_command_an_author_needs() -> None:
    """new, check, fmt, test, explain, diff, prove, and the operator's folder."""
    text = PAGE.read_text(encoding="utf-8")
    for word in ("new", "check", "fmt", "test", "explain", "diff", "prove"):
        assert f"$ consent-edit policy {word} " in text
    assert "$ consent-edit operator init " in text


def test_every_page_is_in_the_index() -> None:
    """And the index names no page that is not there."""
    index = (GUIDE / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in GUIDE.glob("*.md")} - {"README.md"}
    assert pages
    assert all(f"({name})" in index for name in pages)
    assert index.count(".md)") == len(pages)


def test_a_page_is_read_as_written() -> None:
    """Commands, what goes on with them, and their output; Python is run too, another language is not."""
    page = "```console\n$ a <<'E'\n>\n> b\n> E\nout\n\n$ c\n```\n"
    page += "```sh\n$ d\n```\n```console\n$ e\n> not f\n```\n"
    console = [Step("a <<'E'\n\nb\nE", "out\n"), Step("c", ""), Step("e\nnot f", "")]
    assert steps_of(page) == console
    (python,) = steps_of("```python\ng()\n```\n")
    assert python.command.splitlines()[1:-1] == ["g()"]
    with pytest.raises(ValueError, match="begins with output"):
        steps_of("```console\nout\n```\n")


def test_outputs_are_compared_exactly() -> None:
    """Only digits and digests may be left open, and only where the page leaves them open."""
    assert matches("digest  sha256:…", "digest  sha256:" + "0a" * 32)
    assert matches("the floor holds (… s)", "the floor holds (12 s)")
    assert not matches("the floor … (… s)", "the floor falls (12 s)")
    assert not matches("8 passed", "8 passed\nrules without a case: x")
    assert not matches("8 passed, 0 failed", "18 passed, 0 failed")
    assert not matches("a.c", "abc")


def test_a_command_that_fails_unsaid_is_not_passed_over(tmp_path: Path) -> None:
    """An exit code that the page does not state fails; one that it states is compared."""
    with pytest.raises(ValueError, match="'false' exits 1"):
        run([Step("false", ""), Step("true", "")], tmp_path)
    (tmp_path / "again").mkdir()
    assert run([Step("(exit 7)", ""), Step("echo $?", "7")], tmp_path / "again") == ["", "7"]


def test_python_is_run_where_it_stands(tmp_path: Path) -> None:
    """It sees what the commands before it left, a later command sees what it left, and breaking is told."""
    page = "```console\n$ echo 7 > seven\n```\n```python\nopen('eight', 'w').write('8')\nopen('seven')\n```\n"
    assert run(steps_of(page + "```console\n$ cat eight\n8\n```\n"), tmp_path) == ["", "", "8"]
    (tmp_path / "again").mkdir()
    with pytest.raises(ValueError, match="NameError"):
        run(steps_of("```python\nnobody_wrote_this()\n```\n"), tmp_path / "again")


def test_a_page_written_anew_says_what_was_printed() -> None:
    """So that a page can follow the commands when they change, without a slip of the hand."""
    page = "text\n```console\n$ a\n> b\nold\n```\n```python\nd()\n```\n```console\n$ c\n```\n"
    assert renewed(page, [f"sha256:{'0' * 64} (3 s)", "", "new"]) == (
        "text\n```console\n$ a\n> b\nsha256:… (… s)\n```\n```python\nd()\n```\n```console\n$ c\nnew\n```\n"
    )
