"""docs/threat-model.md names its tests: each is there, every guarantee has some, and so has every door."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from consent_edit.pipelines.families.arguments import REFUSED

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.findall(r"`((?:\w+/)+test_\w+\.py)(?:::(\w+))?`", PAGE)


def defined_in(file):
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_tests_that_the_page_names(file):
    """A test that was renamed or taken away would leave the page promising what nobody checks."""
    there = defined_in(file)
    missing = {name for of, name in NAMED if of == file and name} - there
    assert there and not missing


@pytest.mark.parametrize("guarantee", [f"G{number}" for number in range(1, 11)])
def test_every_guarantee_has_tests(guarantee):
    """Each row of the table of guarantees names at least one."""
    (row,) = re.findall(rf"^\| {guarantee} \|.*$", PAGE, re.MULTILINE)
    assert re.search(r"`\w+/.*test_\w+\.py", row)


def test_every_door_has_a_test():
    """No row of the table of side doors, nor of the two ways to run, goes without a test."""
    doors = PAGE.split("## Side doors of diffusers")[1].split("\n## ")[0]
    rows = [line for line in doors.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25
    assert not [row for row in rows if "test_" not in row]


def test_places_that_the_page_names():
    """Each file or folder in which an attack is said to be stopped is there."""
    threats = PAGE.split("## Threats")[1].split("## Side doors")[0]
    cells = [line.split(" | ")[1] for line in threats.splitlines() if line.startswith("| ") and " | " in line]
    places = {place for cell in cells for place in re.findall(r"`([a-z_/]+(?:\.py)?)`", cell)}
    package = ROOT / "consent_edit"
    named = {place for place in places if "/" in place or place.endswith(".py")}
    assert len(named) > 15
    assert not [place for place in named if not (package / place).exists()]


def test_adapters_and_templates_are_in_the_page():
    """What in-process use cannot stop is named there, and so are the kinds of arguments that are refused."""
    for word in (
        "fuse",
        "in place",
        "prompt_template_encode",
        "system_message",
        "image_processor",
        "gc",
        "ctypes",
    ):
        assert word in PAGE, word
    assert REFUSED and "latents" in PAGE and "_embeds" in PAGE and "attention_kwargs" in PAGE
