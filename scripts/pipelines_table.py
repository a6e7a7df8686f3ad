"""Writes docs/pipelines.md from the installed diffusers and the table of families.

python scripts/pipelines_table.py            writes the page
python scripts/pipelines_table.py --check    says what nobody has classified, and whether the page is stale
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import diffusers
from diffusers import DiffusionPipeline

from consent_edit.pipelines.families import FAMILIES, Family, Role
from consent_edit.pipelines.families.arguments import REFUSED
from consent_edit.pipelines.families.refused import MODULAR, REFUSED_CLASSES, UNKNOWN

PAGE = Path(__file__).resolve().parents[1] / "docs" / "pipelines.md"
PICTURES = re.compile(r"(image|images|mask|video|frames|conditions|controls|picture|reference)$")
"""How the names of arguments end that take pixels; only for what the page shows of refused classes."""

HEAD = """# Which pipelines run, and with which arguments

Written by `python scripts/pipelines_table.py` from diffusers {version} and the records in
`consent_edit/pipelines/families/`; a test fails when this page is not what the script writes, when a
class of diffusers stands in no list, or when an argument of a listed class is in no group.

A class is known by its exact identity: a subclass is refused. Every argument of a class is in one group:

- **pictures**, each with its role. All are taken in, looked at and judged alike: whoever is shown in a
  *control* picture, which steers the edit, or in a *reference*, which it draws from, must consent as whoever
  is shown in the picture *edited*, by a grant for that very photo. A reference may be left out. In an
  `EditRequest` both stand in `pictures`, by the argument's name. Where an argument takes a list that begins
  with the picture edited, those that follow it are references: `pictures={{"image": (one, two)}}`. Pictures
  are Pillow pictures or files, never tensors or arrays: a tensor may be latents.
- **words**: read before they are run. Markup of a text encoder, such as `[IMG]` or `<|im_end|>`, is refused
  in them.
- **allowed**: taken with a value of its range.
- **the wrapper's**: always given by it. `height`, `width` and the like are taken from the picture, so that a
  place means the same before and after; a caller may only ask for the same. Control and reference
  pictures may be of any size: the pipeline fits them.
- **refused**: see below. `None` stands for an argument left out.

Instead of diffusers' callbacks a run tells `progress(step, total)`, two numbers. The package's own
`GradingPipeline` runs too; it is no class of diffusers.

## Tier 1: watched step by step
"""


def installed() -> list[type]:
    """Every pipeline class of the installed diffusers, by name."""
    logging.disable(logging.WARNING)
    for module in pkgutil.walk_packages(diffusers.pipelines.__path__, "diffusers.pipelines."):
        with contextlib.suppress(ImportError):  # modules that need a package nobody asked for
            importlib.import_module(module.name)
    logging.disable(logging.NOTSET)
    found = {one for one in _below(DiffusionPipeline) if one.__module__.startswith("diffusers.")}
    return sorted(found, key=lambda one: one.__name__)


def _below(base: type) -> Iterator[type]:
    for one in base.__subclasses__():
        yield one
        yield from _below(one)


def unclassified(classes: list[type]) -> list[str]:
    """What stands in no list, or in more than one: classes, and arguments of the covered ones."""
    covered = {family.class_path: family for family in FAMILIES}
    problems = []
    for one in classes:
        path = f"{one.__module__}:{one.__qualname__}"
        lists = [group.reason for group in REFUSED_CLASSES if one.__name__ in group.classes]
        if len(lists) + (path in covered) != 1:
            problems.append(f"class {path} is in {len(lists) + (path in covered)} lists")
        if path in covered:
            problems += [f"{one.__name__}: {said}" for said in unsorted_arguments(covered[path], one)]
    return problems


def unsorted_arguments(family: Family, kind: type) -> list[str]:
    """Arguments of a class that its record does not put into exactly one group, and ones it does not have."""
    has = set(_arguments(kind))
    groups = groups_of(family, has)
    problems = []
    for name in sorted(has):
        within = [group for group, names in groups.items() if name in names]
        if len(within) != 1:
            problems.append(f"argument {name} is in {len(within)} groups {within}")
    named = {
        *family.pictures,
        *family.text_arguments,
        *family.allowed,
        *family.fixed,
        *family.sizing.arguments,
    }
    return problems + [f"there is no argument {name}" for name in sorted(named - has)]


def groups_of(family: Family, has: set[str]) -> dict[str, set[str]]:
    """Group -> arguments, of those that a class has."""
    return {
        "pictures": set(family.pictures),
        "words": set(family.text_arguments),
        "allowed": set(family.allowed),
        "the wrapper's": {*family.fixed, *family.sizing.arguments},
        **{reason: set(names) & has for reason, names in REFUSED.items()},
    }


def _arguments(kind: type) -> list[str]:
    return list(inspect.signature(kind.__call__).parameters)[1:]


def page(classes: list[type]) -> str:
    """The whole page."""
    by_path = {f"{one.__module__}:{one.__qualname__}": one for one in classes}
    parts = [HEAD.format(version=diffusers.__version__)]
    for family in FAMILIES:
        kind = by_path.get(family.class_path)
        if kind is not None:
            parts.append(_section(family, kind))
    parts.append("## Arguments refused everywhere\n\n| why | arguments |\n|---|---|")
    parts += [f"| {reason} | {_code(sorted(names))} |" for reason, names in REFUSED.items()]
    parts.append("\n## Classes refused\n")
    parts.append(f"Modular pipelines: {MODULAR}. A class in no list: {UNKNOWN}.")
    by_name = {one.__name__: one for one in classes}
    for group in REFUSED_CLASSES:
        tier = f"Tier {group.tier}: " if group.tier else ""
        parts.append(f"\n### {tier}{group.reason}\n")
        parts += [_refused(by_name[name]) for name in sorted(group.classes & by_name.keys())]
    return "\n".join(parts) + "\n"


def _section(family: Family, kind: type) -> str:
    sizing = family.sizing
    has = set(_arguments(kind))
    fixed = [f"`{name}` = {value}" for name, value in family.fixed.items()]
    fixed += [f"`{name}` = the picture's {measure.value}" for name, measure in sizing.arguments.items()]
    area = f" ({sizing.area:,} pixels)" if sizing.area else ""
    refused = [name for names in REFUSED.values() for name in sorted(names & has)]
    rows = [
        ("class", f"`{kind.__name__}`"),
        ("pictures", ", ".join(f"`{name}` ({_role(family, name)})" for name in family.pictures)),
        ("words", _code(family.text_arguments)),
        ("allowed", ", ".join(f"`{name}` ({check.says})" for name, check in sorted(family.allowed.items()))),
        ("the wrapper's", ", ".join(fixed)),
        ("refused", _code(refused) or "none"),
        ("size", f"sides cut to multiples of {sizing.multiple}; worked on at {sizing.works.value}{area}"),
        ("watched at", _code(hook.value for hook in family.hooks)),
    ]
    return f"\n### {family.name}\n\n| | |\n|---|---|\n" + "\n".join(f"| {a} | {b} |" for a, b in rows) + "\n"


def _role(family: Family, name: str) -> str:
    role = family.pictures[name]
    listed = "a list, the others references" if role is Role.EDITED else "one, or a list"
    return f"{role.value}; {listed}" if name in family.several else role.value


def _refused(kind: type) -> str:
    pixels = [name for name in _arguments(kind) if PICTURES.search(name)]
    return f"- `{kind.__name__}`" + (f": takes {_code(pixels)}" if pixels else "")


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main() -> int:
    """Write the page, or check it."""
    classes = installed()
    problems = unclassified(classes)
    text = page(classes)
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        problems.append(f"{PAGE.name} is stale: run this script without --check")
    print("\n".join(problems) or f"{len(classes)} classes, every one of them classified")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
