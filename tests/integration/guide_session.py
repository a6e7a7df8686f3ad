"""What a guide page has its reader run, run in order in one folder, beside what the page says is printed."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "END-OF-PYTHON"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Step:
    """One command with its continuation lines and the output stated below it; or Python, which has none."""

    command: str
    output: str


def steps_of(page: str) -> list[Step]:
    """What the page has run: in a console block `$ ` begins a command, `> ` goes on, the rest is output."""
    steps: list[Step] = []
    for language, block in _BLOCK.findall(page):
        if language == "python":
            steps.append(Step(f"python - <<'{_END}'\n{block}{_END}", ""))
            continue
        parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
        if parts[0]:
            raise ValueError(f"a console block begins with output: {parts[0]}")
        for part in parts[1:]:
            lines = part.splitlines()
            further = list(itertools.takewhile(lambda line: line == ">" or line.startswith("> "), lines[1:]))
            command = [lines[0], *(line[2:] for line in further)]
            steps.append(Step("\n".join(command), "\n".join(lines[1 + len(further) :])))
    return steps


def run(steps: list[Step], folder: Path) -> list[str]:
    """What each command prints on both streams, in a fresh folder; its exit code is the next one's ``$?``.

    A command that fails must be followed by ``echo $?``.
    """
    (folder / "bin").mkdir()
    for name, options in (("consent-edit", "-m consent_edit"), ("python", "")):
        command = folder / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {options} "$@"\n')
        command.chmod(0o755)
    (folder / "work").mkdir()
    mark = secrets.token_hex(8)
    script = "".join(
        f'(exit $previous)\n{step.command}\nprevious=$?; echo "{mark} $previous"\n' for step in steps
    )
    done = subprocess.run(
        ["/bin/bash", "-c", f"exec 2>&1; umask 022; previous=0\n{script}"],
        cwd=folder / "work",
        env={
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    outputs = re.split(rf"{mark} (\d+)\n", done.stdout)
    printed, codes = outputs[:-1:2], outputs[1::2]
    for index, code in enumerate(codes):
        told = index + 1 < len(steps) and steps[index + 1].command == "echo $?"
        if code != "0" and not told:
            said = f"{steps[index].command!r} exits {code}, and the page does not say so"
            raise ValueError(f"{said}:\n{printed[index]}")
    return [text.rstrip("\n") for text in printed]


def matches(stated: str, printed: str) -> bool:
    """Whether the output is as stated; ``…`` stands for digits, a digest or a key, cut short or not."""
    pattern = re.escape(stated).replace("…", r"[0-9a-fA-F.…]+")
    return re.fullmatch(pattern, printed) is not None


def renewed(page: str, printed: list[str]) -> str:
    """The page with what its commands print now, digests and seconds left open."""
    left = iter(zip(steps_of(page), printed, strict=True))

    def block(match: re.Match[str]) -> str:
        lines = []
        here = list(itertools.islice(left, len(steps_of(match[0]))))
        if match[1] == "python":
            return match[0]
        for step, output in here:
            first, *further = step.command.split("\n")
            lines += [f"$ {first}", *(f"> {line}".rstrip() for line in further), *output.splitlines()]
        return "\n".join(("```console", *lines, "```"))

    text = _BLOCK.sub(block, page)
    return re.sub(r"\(\d+ s\)", "(… s)", re.sub(r"sha256:[0-9a-f]{12,64}…?", "sha256:…", text))


if __name__ == "__main__":  # python tests/integration/guide_session.py docs/guide/PAGE.md writes it anew
    file = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        file.write_text(renewed(file.read_text(), run(steps_of(file.read_text()), Path(place))))
