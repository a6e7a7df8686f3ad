"""``consent-edit policy``: write, test, compare, explain and prove policies."""

from __future__ import annotations

import typer

from consent_edit.cli import (
    policy_check,
    policy_diff,
    policy_explain,
    policy_new,
    policy_prove,
    policy_replay,
    policy_test,
)

app = typer.Typer(no_args_is_help=True)
app.command("new")(policy_new.new)
app.command("check")(policy_check.check)
app.command("fmt")(policy_check.fmt)
app.command("test")(policy_test.test)
app.command("explain")(policy_explain.explain)
app.command("diff")(policy_diff.diff)
app.command("replay")(policy_replay.replay)
app.command("prove")(policy_prove.prove)
