from __future__ import annotations

import json

from cvimake.core.resources import docker_folder
from cvimake.execution.engine.interactive import with_terminal


def test_on_a_terminal_only_the_setting_of_it_is_allowed_in_addition() -> None:
    profile = (docker_folder() / "seccomp.json").read_text(encoding="utf-8")
    before, after = json.loads(profile), json.loads(with_terminal(profile))
    assert {**after, "syscalls": before["syscalls"]} == before
    added = after["syscalls"][len(before["syscalls"]) :]
    assert after["syscalls"][: len(before["syscalls"])] == before["syscalls"]
    assert {rule["names"][0] for rule in added} == {"ioctl"}
    # Not TIOCSTI (21522), with which a program types for its user.
    assert [rule["args"][0]["value"] for rule in added] == [
        21506, 21507, 21508, 0x402C542B, 0x402C542C, 0x402C542D,
    ]  # fmt: skip
