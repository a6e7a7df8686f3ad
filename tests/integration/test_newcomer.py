"""What somebody who never saw the command line tries first: every mistake has an answer."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer.main
from PIL import Image
from typer.testing import CliRunner

from consent_edit import operator_folder
from consent_edit.cli.main import app
from consent_edit.consent.issuing.folder import create_issuer, trust_list
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status import fetch as status_fetch
from consent_edit.consent.status.lists import StatusValue
from consent_edit.demo import steps
from consent_edit.demo.photos import astronaut
from consent_edit.errors import Unavailable
from consent_edit.evidence.keys import create_receipt_key
from consent_edit.operator import unix_now
from consent_edit.perception.models.store import ModelStore
from consent_edit.vocabulary import Environment

README = Path(__file__).resolve().parents[2] / "README.md"
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
    assert flat >= {"demo", "edit", "assess", "verify"}
    assert flat >= {f"bench {name}" for name in ("guard", "prompts", "consent")}
    assert flat >= {f"operator {name}" for name in ("init", "fetch-status", "rotate-vault-key")}
    assert flat >= {f"subject {name}" for name in ("export", "erase", "object")}
    assert flat >= {f"models {name}" for name in ("pull", "list", "verify", "export")}
    assert flat >= {
        f"issuer {name}" for name in ("init", "enrol", "renew", "revoke", "publish", "serve", "trust")
    }
    assert flat >= {f"issuer review {name}" for name in ("reviewer", "prepare", "decide")}
    assert flat >= {
        f"wallet {name}"
        for name in ("init", "receive", "grant", "self", "cosign", "show", "withdraw", "erase")
    }


def documented():
    """Every command line in a shell block of the README and of docs/."""
    for page in (README, *sorted((README.parent / "docs").rglob("*.md"))):
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["consent-edit"]:
                    yield words[1:]


@pytest.mark.parametrize("line", list(documented()), ids=" ".join)
def test_command_lines_of_the_readme_fit(line):
    """Each documented command line names a command that is there, with options that it takes."""
    words = tuple(itertools.takewhile(lambda word: not word.startswith("-"), line))
    depth = next(n for n in range(len(words), 0, -1) if words[:n] in COMMANDS)
    taken = {name for option in COMMANDS[words[:depth]].params for name in option.opts}
    assert {word for word in line if word.startswith("--")} <= taken


def test_the_server_of_the_readme_is_brought_status_lists(tmp_path, monkeypatch):
    """The README's server, as it stands there, has a verified list of its own process's at hand."""
    uri, asked = "https://issuer.example/status/1", threading.Event()
    issuer = create_issuer(tmp_path / "issuer", name="https://issuer.example", status_uri=uri)
    (idx,) = issuer.status.allot([Signatory(SigningKey.generate().public)])
    entries = [issuer.trust_entries(now=unix_now(), lifetime=900)]
    claims = trust_list(entries, environment=Environment.PRODUCTION, now=unix_now(), lifetime=900)
    anchor = SigningKey.generate()
    operator_folder.create(
        tmp_path / "operator",
        audience="https://service.example",
        trust_list=claims.sign(anchor),
        anchor=json.dumps(anchor.public.export()),
        status_uris=(uri,),
    )

    def get(_):
        asked.set()
        return issuer.status.token(unix_now())

    monkeypatch.setattr(status_fetch, "fetch_over_https", get)
    monkeypatch.chdir(tmp_path)
    example = re.search(r"## In a server.*?```python\n(.*?)```", README.read_text(), re.DOTALL)
    told = {
        "Path": Path,
        "operator_folder": operator_folder,
        "pipe": None,
        "guard": lambda _, operator: operator,
        "serve": lambda _: asked.wait(60),
    }
    exec(compile(example.group(1), "README.md", "exec"), told)
    operator = told["operator"]
    assert operator.statuses.read(uri, idx, unix_now(), operator.trust) is StatusValue.VALID
    operator.store.close()


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
    needed = [entry for entry in store.lock.model if not entry.optional]
    for entry in needed:
        (folder / entry.file).symlink_to(store.find(entry.role).resolve())
    return SimpleNamespace(
        folder=folder,
        file={entry.role: folder / entry.file for entry in needed},
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
    assert {role for role, state in states.items() if state not in {"verified", "absent"}} == {"exposure"}


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
