"""Runs inside the sandbox: makes system calls that the profile must refuse, and some that it allows.

Writes `{"checks": NUMBER, "wrong": [WHAT, …]}` to the JSON file that its argument names. Calls are made with
arguments that the kernel itself refuses: it would answer EBADF, EINVAL, EFAULT … where the profile does not
refuse, and nothing happens.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import sys
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

# Numbers of x86-64.
REFUSED = {
    "io_uring": {
        "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    },
    "aio": {
        "io_setup": 206, "io_destroy": 207, "io_getevents": 208, "io_submit": 209, "io_cancel": 210,
        "io_pgetevents": 333,
    },
    "mounts": {
        "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "mount_setattr": 442, "open_tree_attr": 467, "statmount": 457, "listmount": 458,
    },
    "namespaces": {
        "unshare": 272, "setns": 308,
    },
    "other processes": {
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "process_madvise": 440,
        "process_mrelease": 448, "kcmp": 312, "pidfd_open": 434, "pidfd_getfd": 438,
        "pidfd_send_signal": 424, "tkill": 200, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
        "move_pages": 279, "migrate_pages": 256, "get_robust_list": 274, "perf_event_open": 298,
    },
    "kernel": {
        "bpf": 321, "init_module": 175, "finit_module": 313, "delete_module": 176, "create_module": 174,
        "query_module": 178, "get_kernel_syms": 177, "kexec_load": 246, "kexec_file_load": 320,
        "reboot": 169, "syslog": 103, "swapon": 167, "swapoff": 168, "acct": 163, "quotactl": 179,
        "quotactl_fd": 443, "nfsservctl": 180, "uselib": 134, "_sysctl": 156, "ustat": 136, "sysfs": 139,
        "lookup_dcookie": 212, "vhangup": 153, "iopl": 172, "ioperm": 173, "modify_ldt": 154,
        "seccomp": 317, "landlock_create_ruleset": 444, "landlock_add_rule": 445,
        "landlock_restrict_self": 446, "lsm_get_self_attr": 459, "lsm_set_self_attr": 460,
        "lsm_list_modules": 461,
    },
    "clocks": {
        "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305,
        "timer_create": 222, "timerfd_create": 283,
    },
    "keys": {
        "add_key": 248, "request_key": 249, "keyctl": 250,
    },
    "handles and watches": {
        "name_to_handle_at": 303, "open_by_handle_at": 304, "fanotify_init": 300, "fanotify_mark": 301,
        "inotify_init": 253, "inotify_init1": 294, "inotify_add_watch": 254, "userfaultfd": 323,
        "eventfd": 284, "eventfd2": 290, "signalfd": 282, "signalfd4": 289, "memfd_create": 319,
        "memfd_secret": 447,
    },
    "memory policy": {
        "mbind": 237, "set_mempolicy": 238, "get_mempolicy": 239, "set_mempolicy_home_node": 450,
        "remap_file_pages": 216, "mlock": 149, "mlock2": 325, "mlockall": 151, "pkey_alloc": 330,
        "pkey_mprotect": 329, "membarrier": 324, "mincore": 27,
    },
    "pipes by reference": {
        "vmsplice": 278, "splice": 275, "tee": 276,
    },
    "identity": {
        "setuid": 105, "setgid": 106, "setreuid": 113, "setregid": 114, "setgroups": 116, "setresuid": 117,
        "setresgid": 119, "setfsuid": 122, "setfsgid": 123, "capget": 125, "capset": 126,
    },
    "files": {
        "mknod": 133, "mknodat": 259, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198,
        "fremovexattr": 199, "execveat": 322,
    },
    "System V and POSIX queues": {
        "shmget": 29, "shmat": 30, "shmctl": 31, "shmdt": 67, "semget": 64, "semop": 65, "semctl": 66,
        "semtimedop": 220, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "mq_open": 240,
        "mq_unlink": 241, "mq_notify": 244,
    },
    "host names and scheduling": {
        "sethostname": 170, "setdomainname": 171, "setpriority": 141, "ioprio_set": 251,
        "sched_setscheduler": 144, "sched_setattr": 314, "sched_setparam": 142,
    },
    "obsolete or never built": {
        "afs_syscall": 183, "tuxcall": 184, "security": 185, "vserver": 236,
    },
    "newer than the profile": {
        "clone3": 435, "futex_waitv": 449, "cachestat": 451, "fchmodat2": 452, "map_shadow_stack": 453,
        "setxattrat": 463, "mseal": 462, "not_a_syscall": 999,
    },
}  # fmt: skip
CLONE = 56
CLONE3 = 435
SOCKET = 41
SOCKETPAIR = 53
PERSONALITY = 135
PRCTL = 157
IOCTL = 16
FORK = 57
GETPID = 39

# Sharing signal handlers without memory is always invalid: what the profile lets through gets EINVAL.
CLONE_SIGHAND = 0x800
NAMESPACES = {
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
    "CLONE_NEWTIME": 0x00000080,
}
PERSONALITY_QUERY = 0xFFFFFFFF
ADDR_NO_RANDOMIZE = 0x40000
PERSONALITIES = (
    0, 0x8, 0x40000 | 0x8, 0x20000, 0x20008, 0x0400000, 0x440000, 0x0100000, 0x4000000, 0x200000, 1, -1,
    0x1_0004_0000, 0xFFFFFFFE,
)  # fmt: skip
FAMILIES = (
    "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG", "AF_BLUETOOTH", "AF_CAN",
    "AF_TIPC", "AF_KEY",
)  # fmt: skip
AF_KEY = 15  # The one that Python does not name.
LAST_FAMILY = 64
PR_SET_NAME = 15
PRCTL_OPTIONS = {
    "PR_SET_PDEATHSIG": 1,
    "PR_SET_DUMPABLE": 4,
    "PR_SET_KEEPCAPS": 8,
    "PR_SET_SECCOMP": 22,
    "PR_CAPBSET_DROP": 24,
    "PR_SET_SECUREBITS": 28,
    "PR_SET_MM": 35,
    "PR_SET_CHILD_SUBREAPER": 36,
    "PR_SET_NO_NEW_PRIVS": 38,
    "PR_CAP_AMBIENT": 47,
    "PR_SET_SYSCALL_USER_DISPATCH": 59,
    "PR_SCHED_CORE": 62,
    "PR_SET_PTRACER": 0x59616D61,
}
TCGETS = 0x5401
IOCTL_REQUESTS = {
    "TIOCSTI": 0x5412,
    "TIOCLINUX": 0x541C,
    "TIOCSCTTY": 0x540E,
    "TIOCCONS": 0x541D,
    "TIOCSETD": 0x5423,
    "TCSETS": 0x5402,
    "FICLONE": 0x40049409,
    "FS_IOC_SETFLAGS": 0x40086602,
    "SIOCGIFCONF": 0x8912,
    "TUNSETIFF": 0x400454CA,
    "KVM_CREATE_VM": 0xAE01,
}
X32 = 0x40000000
# mov eax, 20 (getpid); int 0x80; ret
I386_GETPID = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
DEADLY = {signal.SIGSYS, signal.SIGSEGV}


def call(number: int, *arguments: int) -> tuple[int, str]:
    """Makes a system call: its result and the name of its error."""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    error = ctypes.get_errno()
    return result, errno.errorcode.get(error, str(error))


class Checks:
    """What was checked and what was wrong."""

    def __init__(self) -> None:
        self.number = 0
        self.wrong: list[str] = []

    def check(self, name: str, *, good: bool, seen: object) -> None:
        self.number += 1
        if not good:
            self.wrong.append(f"{name}: {seen}")

    def refused(self, name: str, number: int, *arguments: int, only: tuple[str, ...] = ("EPERM",)) -> None:
        result, error = call(number, *arguments)
        self.check(name, good=result == -1 and error in only, seen=error if result == -1 else result)

    def answers(self, name: str, number: int, *arguments: int, error: str) -> None:
        """The profile lets it through and the kernel refuses it."""
        seen = call(number, *arguments)
        self.check(name, good=seen == (-1, error), seen=seen)


def calls(checks: Checks) -> None:
    for group, members in REFUSED.items():
        for name, number in members.items():
            # An unknown call is ENOSYS, which the C library takes for an old kernel; clone3 must be.
            only = ("ENOSYS",) if number == CLONE3 else ("EPERM", "ENOSYS")
            checks.refused(f"{group}: {name}", number, *(-1,) * 6, only=only)
    # It has no arguments that could be wrong.
    result, error = call(FORK)
    if result == 0:
        os._exit(0)
    checks.check("fork", good=(result, error) == (-1, "EPERM"), seen=error if result == -1 else result)


def clones(checks: Checks) -> None:
    for name, flag in NAMESPACES.items():
        checks.refused(f"clone({name})", CLONE, flag | CLONE_SIGHAND)
    checks.answers("clone without a namespace", CLONE, CLONE_SIGHAND, error="EINVAL")


def personalities(checks: Checks) -> None:
    before, _ = call(PERSONALITY, PERSONALITY_QUERY)
    checks.check("personality(query)", good=before >= 0, seen=before)
    for value in PERSONALITIES:
        checks.refused(f"personality({value:#x})", PERSONALITY, value)
    after, _ = call(PERSONALITY, PERSONALITY_QUERY)
    checks.check("personality is as before", good=after == before, seen=after)
    result, error = call(PERSONALITY, ADDR_NO_RANDOMIZE)
    checks.check("personality(ADDR_NO_RANDOMIZE)", good=result == before, seen=error)


def sockets(checks: Checks) -> None:
    for name in FAMILIES:
        family = int(getattr(socket, name, AF_KEY))
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            checks.refused(f"socket({name}, {kind})", SOCKET, family, int(kind), 0)
    for family in range(socket.AF_UNIX + 1, LAST_FAMILY):
        checks.refused(f"socket(family {family})", SOCKET, family, int(socket.SOCK_STREAM), 0)
    for family in (socket.AF_INET, socket.AF_TIPC):
        checks.refused(f"socketpair({family})", SOCKETPAIR, int(family), int(socket.SOCK_STREAM), 0, -1)
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        checks.refused(f"socket(AF_UNIX, {kind})", SOCKET, int(socket.AF_UNIX), int(kind), 0)
    left, right = socket.socketpair()
    left.send(b"x")
    seen = right.recv(1)
    checks.check("socketpair(AF_UNIX, SOCK_STREAM)", good=seen == b"x", seen=seen)


def options(checks: Checks) -> None:
    for name, option in PRCTL_OPTIONS.items():
        checks.refused(f"prctl({name})", PRCTL, option, -1, -1, -1, -1)
    result = libc.prctl(PR_SET_NAME, b"worker", 0, 0, 0)
    checks.check("prctl(PR_SET_NAME)", good=result == 0, seen=result)
    for name, request in IOCTL_REQUESTS.items():
        checks.refused(f"ioctl({name})", IOCTL, -1, request, 0)
    checks.answers("ioctl(TCGETS)", IOCTL, -1, TCGETS, 0, error="EBADF")


def other_interfaces(checks: Checks) -> None:
    """Calls by another interface than x86-64's end the process, or are not known."""
    _in_child(checks, "x32 getpid", _x32_getpid)
    _in_child(checks, "i386 getpid", _i386_getpid)


def _x32_getpid() -> bool:
    return call(X32 | GETPID)[1] == "ENOSYS"


def _i386_getpid() -> bool:
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(I386_GETPID)
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    return int(function()) == -errno.ENOSYS


def _in_child(checks: Checks, name: str, is_unknown: object) -> None:
    process = os.fork()
    if process == 0:
        os._exit(0 if callable(is_unknown) and is_unknown() else 1)
    _, status = os.waitpid(process, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in DEADLY
    checks.check(name, good=status == 0 or killed, seen="it was answered")


def main(output: str) -> None:
    checks = Checks()
    for group in (calls, clones, personalities, sockets, options, other_interfaces):
        group(checks)
    result = {"checks": checks.number, "wrong": checks.wrong}
    Path(output).write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
