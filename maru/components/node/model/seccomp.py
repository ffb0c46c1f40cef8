"""The RuntimeDefault seccomp profile: every system call but those that reach out of the container.

It lists what is refused rather than what is allowed, so that new harmless calls work; the calls that
a capability pays for are allowed to containers that have it. Source: Docker's documentation, "Seccomp
security profiles for Docker", the table of blocked calls; OCI runtime specification, "Seccomp".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value

EPERM = 1
ENOSYS = 38
CLONE_NAMESPACES = 0x7E020000  # CLONE_NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET

_ALWAYS = [
    "add_key",
    "create_module",
    "get_kernel_syms",
    "keyctl",
    "nfsservctl",
    "query_module",
    "request_key",
    "sysfs",
    "_sysctl",
    "uselib",
    "userfaultfd",
    "ustat",
    "vm86",
    "vm86old",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
]

# capability: the calls it pays for
_BY_CAPABILITY = {
    "CAP_SYS_ADMIN": [
        "fsconfig",
        "fsmount",
        "fsopen",
        "fspick",
        "lookup_dcookie",
        "mount",
        "mount_setattr",
        "move_mount",
        "open_tree",
        "pivot_root",
        "quotactl",
        "quotactl_fd",
        "setdomainname",
        "sethostname",
        "setns",
        "swapoff",
        "swapon",
        "umount",
        "umount2",
        "unshare",
    ],
    "CAP_SYS_BOOT": ["reboot", "kexec_load", "kexec_file_load"],
    "CAP_SYS_MODULE": ["delete_module", "init_module", "finit_module"],
    "CAP_SYS_PACCT": ["acct"],
    "CAP_SYS_RAWIO": ["iopl", "ioperm"],
    "CAP_SYS_TIME": ["settimeofday", "stime", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64"],
    "CAP_DAC_READ_SEARCH": ["open_by_handle_at"],
    "CAP_SYS_PTRACE": ["kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev"],
    "CAP_SYS_NICE": [
        "get_mempolicy",
        "mbind",
        "set_mempolicy",
        "move_pages",
        "migrate_pages",
        "set_mempolicy_home_node",
    ],
    "CAP_BPF": ["bpf"],
    "CAP_PERFMON": ["perf_event_open"],
}


def default_profile(capabilities: Sequence[str]) -> Value:
    """OCI linux.seccomp for a container with `capabilities`."""
    refused = list(_ALWAYS)
    for capability, names in _BY_CAPABILITY.items():
        pays = {capability, "CAP_SYS_ADMIN"} if capability in ("CAP_BPF", "CAP_PERFMON") else {capability}
        if not pays & set(capabilities):
            refused += names
    rules: list[Value] = [{"names": refused, "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM}]
    if "CAP_SYS_ADMIN" not in capabilities:
        rules += _clone_rules()
        # clone3 hides its flags from seccomp; ENOSYS makes libc fall back to clone.
        rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS})
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }


def _clone_rules() -> list[Value]:
    """One rule per namespace flag: clone with any of them set is refused."""
    rules = []
    for bit in range(32):
        flag = 1 << bit
        if flag & CLONE_NAMESPACES:
            condition = {"index": 0, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ"}
            rules.append({"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM, "args": [condition]})
    return rules
