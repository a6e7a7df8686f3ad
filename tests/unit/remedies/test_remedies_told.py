"""Remedies on their way in and out: command line, engine wire, receipt, and what a refusal proposes."""

from __future__ import annotations

import pytest
import typer
from consent_world import GRANTEE
from fake_perception import picture
from typer.testing import CliRunner

from consent_edit.cli import edit as command
from consent_edit.errors import Unavailable
from consent_edit.pipelines.engine.translation import asked, request_of
from consent_edit.remedies.kinds import Remedy
from consent_edit.request import EditRequest

ASKED = {"anonymise": "bystanders", "preserve": "bystanders"}


def test_the_engine_is_asked_for_the_same():
    """What a host asks of the engine arrives there, word for word, and proves to the same digest."""
    for words in ({}, ASKED, {"crop": "bystanders"}):
        request = EditRequest(image=picture(1), prompt="warmer", grantee=GRANTEE, **words)
        head, parts = asked(request)
        came = request_of(head, [bytes(part) for part in parts])
        assert {name: getattr(came, name) for name in ("anonymise", "crop", "preserve")} == {
            "anonymise": "",
            "crop": "",
            "preserve": "",
            **words,
        }
        assert came.digest() == request.digest()


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What the command asks the editor for, by its options."""
    photo = tmp_path / "photo.png"
    from PIL import Image

    Image.fromarray(picture(1).pixels).save(photo)
    came: list[EditRequest] = []

    class Editor:
        class operator:
            audience = "https://editor.example"
            policy = None

        def edit(self, request):
            came.append(request)
            raise Unavailable("not here")

        def close(self):
            pass

    monkeypatch.setattr(command, "built_in_editor", lambda folder: Editor())
    app = typer.Typer()
    app.command()(command.edit)

    def run(*options: str):
        fixed = ["--picture", str(photo)] if "--picture" in CliRunner().invoke(app, ["--help"]).output else [
            str(photo)
        ]  # fmt: skip
        place = ["--prompt", "warmer", "--operator", str(tmp_path), "--out", str(tmp_path / "out.png")]
        return CliRunner().invoke(app, [*fixed, *place, *options]), came

    return run


def test_the_command_line_asks_for_them(told):
    """Each option is the request's field; without any nothing is asked."""
    _, came = told("--anonymise", "bystanders", "--preserve", "bystanders")
    _, came = told("--crop", "bystanders")
    _, came = told()
    assert [(one.anonymise, one.crop, one.preserve) for one in came] == [
        ("bystanders", "", "bystanders"),
        ("", "bystanders", ""),
        ("", "", ""),
    ]


def test_the_command_line_knows_one_word(told):
    """Anything but bystanders is a usage error, before anything is loaded."""
    result, came = told("--anonymise", "everybody")
    assert result.exit_code == 2
    assert came == []


def test_the_words_are_stable():
    """Receipts, records and scripts rely on them."""
    assert [remedy.value for remedy in Remedy] == ["anonymise", "crop", "preserve"]
