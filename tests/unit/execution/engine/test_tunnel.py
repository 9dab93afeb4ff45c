from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

import pytest

from cvimake.core.errors import EngineError
from cvimake.execution.engine import tunnel

# An ssh that makes the socket it is asked for, notes its arguments, and stays until its input ends.
WORKS = """#!/bin/sh
printf '%s\\n' "$@" >{arguments}
while [ "$1" != -L ]; do shift; done
touch "${{2%%:*}}"
exec cat
"""
FAILS = """#!/bin/sh
echo 'ssh: connect to host nowhere port 22: Connection refused' >&2
exit 255
"""


def put_ssh(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    (folder / "bin").mkdir()
    ssh = folder / "bin" / "ssh"
    ssh.write_text(script.format(arguments=shlex.quote(str(folder / "arguments"))), encoding="utf-8")
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("ssh://server", ":/var/run/docker.sock server cat"),
        ("ssh://me@server:2222", ":/var/run/docker.sock -p 2222 -l me server cat"),
        ("ssh://server/run/user/1000/docker.sock", ":/run/user/1000/docker.sock server cat"),
    ],
)
def test_the_engines_socket_is_forwarded_to_one_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: str, said: str
) -> None:
    put_ssh(monkeypatch, tmp_path, WORKS)
    address = tunnel.open_to(endpoint, os.environ)
    arguments = (tmp_path / "arguments").read_text(encoding="utf-8").splitlines()
    assert " ".join(arguments).endswith(f"{address.removeprefix('unix://')}{said}")
    assert tunnel.open_to(endpoint, os.environ) != address, "each client has a tunnel of its own"


def test_a_host_that_is_not_reached_is_an_error_in_sshs_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_ssh(monkeypatch, tmp_path, FAILS)
    with pytest.raises(EngineError, match="ssh does not reach ssh://nowhere") as caught:
        tunnel.open_to("ssh://nowhere", os.environ)
    assert "Connection refused" in caught.value.remedy


def test_without_ssh_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="needs ssh, which is not installed"):
        tunnel.open_to("ssh://server", os.environ)


@pytest.mark.parametrize("endpoint", ["ssh://", "ssh://-oProxyCommand=evil", "ssh:///path"])
def test_an_address_without_a_host_is_refused(endpoint: str) -> None:
    with pytest.raises(EngineError, match="names no host"):
        tunnel.open_to(endpoint, os.environ)


@pytest.mark.parametrize("endpoint", ["ssh://server:abc", "ssh://server:99999", "ssh://[::1"])
def test_an_invalid_address_is_refused(endpoint: str) -> None:
    with pytest.raises(EngineError, match="is no address"):
        tunnel.open_to(endpoint, os.environ)
