"""What somebody who never saw the command line tries first: every mistake has an answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import typer.main
from PIL import Image
from typer.testing import CliRunner

from consent_edit.cli.main import app
from consent_edit.demo import steps
from consent_edit.demo.photos import astronaut
from consent_edit.errors import Unavailable
from consent_edit.evidence.keys import create_receipt_key
from consent_edit.perception.models import ModelStore

PROMPT = "make the picture warmer"


def command(*arguments, **environment):
    """Run one command in a fresh process; nothing is a terminal."""
    line = [sys.executable, "-m", "consent_edit", *map(str, arguments)]
    env = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, env=env)
    assert "Traceback" not in done.stdout + done.stderr
    return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)


def leaves(group, *words):
    for name, inner in group.commands.items():
        if hasattr(inner, "commands"):
            yield from leaves(inner, *words, name)
        else:
            yield (*words, name), inner


COMMANDS = dict(leaves(typer.main.get_command(app)))


def test_the_documented_commands_are_there():
    """The commands that this version promises exist, each under its documented name."""
    flat = {" ".join(words) for words in COMMANDS}
    assert flat >= {"demo", "edit", "assess", "verify", "bench guard", "bench prompts", "operator init"}
    assert flat >= {f"models {name}" for name in ("pull", "list", "verify", "export")}
    assert flat >= {f"issuer {name}" for name in ("init", "enrol", "revoke")}
    assert flat >= {f"wallet {name}" for name in ("init", "grant", "withdraw")}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_takes_json_and_says_what_it_does(words):
    """Every command has --json, a help of its own, a word on each option, and no docstring section in it."""
    found = COMMANDS[words]
    assert any("--json" in option.opts for option in found.params)
    assert found.help and "Raises:" not in found.help.split("\f")[0]
    assert all(option.help for option in found.params if "--help" not in option.opts)


@pytest.mark.parametrize("words", [("edit",), ("issuer", "init"), ("bogus",), ("verify", "--nonsense")])
def test_a_wrong_command_line_is_json_too(words):
    """A command line that does not fit exits 2, with one JSON object on stdout and the help to look at."""
    done = command(*words, "--json")
    assert done.code == 2
    error = json.loads(done.out)["error"]
    assert error["code"] == "input.usage" and error["remedy"].endswith("--help")


ASKED = ("--prompt", PROMPT, "--operator", "{gone}", "--grantee", "app:example")
MISTAKES = {
    "text as photo": ("demo", "--photo", "{text}", "--out", "{folder}/o"),
    "empty photo": ("demo", "--photo", "{empty}", "--out", "{folder}/o"),
    "folder as photo": ("demo", "--photo", "{folder}", "--out", "{folder}/o"),
    "no such operator": ("edit", "{text}", *ASKED, "--out", "{folder}/o.png"),
    "unknown output format": ("edit", "{text}", *ASKED, "--out", "{folder}/o.tiff"),
    "assess without operator": ("assess", "{text}", *ASKED),
    "no such receipt": ("verify", "{text}", "--receipt", "{gone}", "--key", "{key}"),
    "receipt that is a picture": ("verify", "{text}", "--receipt", "{empty}", "--key", "{key}"),
    "no such key": ("verify", "{text}", "--receipt", "{empty}", "--key", "{gone}"),
    "no such wallet": ("wallet", "withdraw", "{gone}", "x", "--out", "{folder}/w"),
    "no such issuer": ("issuer", "revoke", "{gone}", "3"),
    "no such prompts": ("bench", "prompts", "{gone}"),
    "text as trust list": (
        *("operator", "init", "{folder}/op", "--audience", "a"),
        *("--trust-list", "{text}", "--anchor", "{text}"),
    ),
    "export into a file": ("models", "export", "{text}/models"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_the_next_step(name, tmp_path):
    """A wrong file or folder exits with its code, one JSON object, and what to do about it."""
    places = {name: tmp_path / f"a {name}" for name in ("text", "empty", "gone")}
    places["text"].write_text("hello")
    places["empty"].touch()
    create_receipt_key(tmp_path)
    places |= {"folder": tmp_path, "key": tmp_path / "receipt-key.jwk.json"}
    done = command(*(word.format(**places) for word in MISTAKES[name]), "--json")
    assert done.code in {2, 4, 5}
    told = json.loads(done.out)
    error = told.get("error", told)
    assert error["code"] and error["message"] and error["remedy"]


@pytest.fixture
def weights(tmp_path):
    """A folder of one's own with every weight file, and the environment that makes it the only one."""
    folder = tmp_path / "my weights"
    folder.mkdir()
    store = ModelStore()
    for entry in store.lock.model:
        (folder / entry.file).symlink_to(store.find(entry.role).resolve())
    return SimpleNamespace(
        folder=folder,
        file={entry.role: folder / entry.file for entry in store.lock.model},
        environment={"CONSENT_EDIT_MODELS": folder, "XDG_CACHE_HOME": tmp_path / "cache"},
    )


@pytest.mark.parametrize("role", ["exposure", "face-detection"])
def test_a_demo_without_a_weight_file_says_so(weights, tmp_path, monkeypatch, role):
    """With a weight file gone even the consented step is refused; the demo exits 4 and names the check."""
    weights.file[role].unlink()
    for name, folder in weights.environment.items():
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(steps, "STEPS", {"consented": steps.consented})
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["demo", "--out", str(out), "--json"])
    told = done.stderr + str(done.exception)
    assert role in told and not list(out.glob("*.receipt.json"))
    assert done.exit_code == 4 or isinstance(done.exception, Unavailable)


def test_models_say_which_file_is_altered(weights):
    """An altered file is named by `models verify`, exit 4; an unaltered folder exits 0 and is silent."""
    good = command("models", "verify", "--json", **weights.environment)
    assert (good.code, good.err) == (0, "")
    weights.file["exposure"].unlink()
    weights.file["exposure"].write_text("other weights")
    bad = command("models", "verify", "--json", **weights.environment)
    states = {entry["role"]: entry["state"] for entry in json.loads(bad.out)["models"]}
    assert bad.code == 4 and "consent-edit models pull" in bad.err
    assert {role for role, state in states.items() if state != "verified"} == {"exposure"}


def test_a_photo_of_two_people_is_no_demo_photo(tmp_path):
    """A photo with two faces ends the demo with exit 2, says how many there are, and leaves no picture."""
    both = np.concatenate([astronaut().pixels, astronaut().pixels[:, ::-1]], axis=1)
    photo, out = tmp_path / "two people.png", tmp_path / "out"
    Image.fromarray(both).save(photo)
    done = command("demo", "--photo", photo, "--out", out, "--json")
    assert done.code == 2
    error = json.loads(done.out)["error"]
    assert error["code"] == "input.enrolment" and "2" in error["message"] and error["remedy"]
    assert not list(out.glob("*.png"))
