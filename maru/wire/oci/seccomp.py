"""The default seccomp profile: what is not listed is refused with EPERM.

The calls of system_calls.py are always allowed; those that a capability pays for only to containers that
have it; a few depend on their arguments. Source: Docker's documentation, "Seccomp security profiles for
Docker", the table of blocked calls; OCI runtime specification, "Seccomp"; personality(2), socket(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maru.wire.oci.system_calls import ALLOWED

Value = dict[str, Any]

EPERM = 1
ENOSYS = 38
CLONE_NAMESPACES = 0x7E020000  # CLONE_NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET
AF_VSOCK = 40  # talks to the hypervisor past every network namespace
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # Linux, 32 bit, their UNAME26 forms, "tell me"

# capability: the calls it pays for
_BY_CAPABILITY = {
    "CAP_SYS_ADMIN": (
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount "
        "open_tree perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns syslog umount "
        "umount2 unshare"
    ),
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module init_module finit_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node move_pages migrate_pages",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev",
    "CAP_SYS_RAWIO": "iopl ioperm",
    "CAP_SYS_TIME": "settimeofday stime clock_settime clock_settime64 clock_adjtime64",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYSLOG": "syslog",
}


def default_profile(capabilities: Sequence[str]) -> Value:
    """OCI linux.seccomp for a container with `capabilities`."""
    names = set(ALLOWED)
    for capability in capabilities:
        names.update(_BY_CAPABILITY.get(capability, "").split())
    rules: list[Value] = [{"names": sorted(names), "action": "SCMP_ACT_ALLOW"}]
    rules += [_allow("personality", {"index": 0, "value": value, "op": "SCMP_CMP_EQ"}) for value in PERSONALITIES]
    rules.append(_allow("socket", {"index": 0, "value": AF_VSOCK, "op": "SCMP_CMP_NE"}))
    if "clone" not in names:
        condition = {"index": 0, "value": CLONE_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
        rules.append(_allow("clone", condition))
        # clone3 hides its flags from seccomp; ENOSYS makes libc fall back to clone.
        rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }


def _allow(name: str, condition: Value) -> Value:
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [condition]}
