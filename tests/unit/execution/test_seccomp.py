from __future__ import annotations

import json
from typing import Any

import pytest

from cvimake.core.resources import docker_folder

PROFILE: dict[str, Any] = json.loads((docker_folder() / "seccomp.json").read_text(encoding="utf-8"))
ALLOWED = [rule for rule in PROFILE["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW"]
NAMES = {name for rule in ALLOWED for name in rule["names"]}

NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x80
ADDR_NO_RANDOMIZE = 0x0040000
ASK = 0xFFFFFFFF
AF_UNIX = 1
TIOCSTI = 0x5412
TIOCLINUX = 0x541C

FORBIDDEN = [
    "acct", "add_key", "bpf", "capset", "chown", "chroot", "clock_adjtime", "clock_settime",
    "create_module", "delete_module", "fanotify_init", "fchown", "fchownat", "finit_module", "fsconfig",
    "fsetxattr", "fsmount", "fsopen", "fspick", "get_kernel_syms", "init_module", "io_uring_enter",
    "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load",
    "keyctl", "landlock_create_ruleset", "lchown", "lookup_dcookie", "lsetxattr", "mbind", "memfd_secret",
    "migrate_pages", "mknod", "mknodat", "modify_ldt", "mount", "mount_setattr", "move_mount",
    "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open",
    "pidfd_getfd", "pivot_root", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace",
    "quotactl", "quotactl_fd", "reboot", "removexattr", "request_key", "seccomp", "setdomainname",
    "setfsgid", "setfsuid", "setgid", "setgroups", "sethostname", "setns", "setregid", "setresgid",
    "setresuid", "setreuid", "settimeofday", "setuid", "setxattr", "stime", "swapoff", "swapon", "syslog",
    "umount", "umount2", "unshare", "uselib", "userfaultfd", "vhangup", "vmsplice",
]  # fmt: skip


def rules_for(name: str) -> list[dict[str, Any]]:
    return [rule for rule in ALLOWED if name in rule["names"]]


def values_of(name: str) -> list[tuple[int, int]]:
    """The (argument, value) pairs with which a call is allowed."""
    rules = rules_for(name)
    assert all(len(rule["args"]) == 1 and rule["args"][0]["op"] == "SCMP_CMP_EQ" for rule in rules)
    return [(rule["args"][0]["index"], rule["args"][0]["value"]) for rule in rules]


def test_unlisted_system_calls_are_refused() -> None:
    assert PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"


def test_only_the_native_calls_of_x86_64_can_be_made() -> None:
    # 32-bit calls have other numbers, and x32 ones slip through a filter for x86-64.
    assert PROFILE["architectures"] == ["SCMP_ARCH_X86_64"]
    assert "archMap" not in PROFILE


def test_a_rule_allows_or_answers_with_an_error() -> None:
    assert {rule["action"] for rule in PROFILE["syscalls"]} == {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_rule_allows(name: str) -> None:
    assert name not in NAMES


def test_clone_makes_no_namespaces() -> None:
    (rule,) = rules_for("clone")
    assert rule["args"] == [{"index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]


def test_clone3_does_not_exist() -> None:
    (rule,) = [rule for rule in PROFILE["syscalls"] if "clone3" in rule["names"]]
    assert (rule["action"], rule["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_personality_turns_address_randomisation_off_and_nothing_else() -> None:
    assert sorted(values_of("personality")) == [(0, ADDR_NO_RANDOMIZE), (0, ASK)]


def test_prctl_reads_and_sets_the_threads_name_alone() -> None:
    assert sorted(values_of("prctl")) == [(0, 15), (0, 16)]


def test_ioctl_cannot_type_into_a_terminal() -> None:
    requests = {value for index, value in values_of("ioctl") if index == 1}
    assert requests
    assert len(requests) == len(rules_for("ioctl"))
    assert requests.isdisjoint({TIOCSTI, TIOCLINUX})


@pytest.mark.parametrize("name", ["socket", "socketpair"])
def test_sockets_stay_in_the_container(name: str) -> None:
    (rule,) = rules_for(name)
    assert {"index": 0, "value": AF_UNIX, "op": "SCMP_CMP_EQ"} in rule["args"]


def test_each_call_that_is_not_limited_is_named_once() -> None:
    names = [name for rule in ALLOWED if not rule.get("args") for name in rule["names"]]
    assert len(set(names)) == len(names)


def test_no_limited_call_is_also_allowed_without_limits() -> None:
    limited = {name for rule in ALLOWED if rule.get("args") for name in rule["names"]}
    assert limited.isdisjoint({name for rule in ALLOWED if not rule.get("args") for name in rule["names"]})


def test_every_rule_says_why() -> None:
    assert all(rule["comment"] for rule in PROFILE["syscalls"])
