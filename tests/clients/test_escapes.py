"""What a container tries against the machine fails, in the way it fails under Debian's dockerd.

The same attempts are made in a container of Maru's and, where it is installed, in one of a dockerd of the
test's own: what each printed, and the confinement that the kernel reports, must agree.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.platform import Platform, wait_until

NONE = ("--network", "none")
CONFINEMENT = {"CapBnd": "00000000a80425fb", "CapEff": "00000000a80425fb", "NoNewPrivs": "0", "Seccomp": "2"}
EPERM = 1

# syscall number and its first two arguments, by what it is. Source: asm/unistd_64.h
CALLS = {
    "bpf": (321, 0, 0),
    "keyctl": (250, 0, 0),
    "add_key": (248, 0, 0),
    "perf_event_open": (298, 0, 0),
    "init_module": (175, 0, 0),
    "kexec_load": (246, 0, 0),
    "swapon": (167, 0, 0),
    "userfaultfd": (323, 0, 0),
    "clone in a user namespace": (56, 0x10000000 | 17, 0),
}

# name: (command, whether its exit code must be other than 0)
ATTEMPTS = {
    "mount": ("mount -t tmpfs none /mnt", True),
    "mount proc": ("mount -t proc proc /mnt", True),
    "remount": ("mount -o remount,rw /proc/sys", True),
    "block device": ("mknod /tmp/disk b 254 0 && head -c 16 /tmp/disk", True),
    "memory device": ("mknod /tmp/mem c 1 1 && head -c 16 /tmp/mem", True),
    "sysrq": ("echo h > /proc/sysrq-trigger", True),
    "core pattern": ("echo '|/x' > /proc/sys/kernel/core_pattern", True),
    "user namespace": ("unshare -U true", True),
    "mount namespace": ("unshare -m true", True),
    "first process": ("nsenter -t 1 -m true", True),
    "kernel log": ("dmesg", True),
    "network device": ("ip link add d0 type dummy", True),
    "host name": ("hostname other", True),
    "clock": ("date -s 2001-01-01 >/dev/null", False),
    "reboot": ("reboot -f", True),
    "keys": ("cat /proc/keys", False),
    "memory of the kernel": ("head -c 4 /proc/kcore | wc -c", False),
    "firmware": ("ls /sys/firmware", False),
    "cgroups": ("mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x", True),
}


class Engine:
    """The docker command line on one engine."""

    def __init__(self, socket: Path) -> None:
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}"}

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["docker", *arguments], input=stdin, capture_output=True, timeout=60, check=False, env=self.environment
        )

    def __call__(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout!r}{done.stderr!r}"
        return done.stdout.decode()


@pytest.fixture
def engine(platform: Platform) -> Engine:
    if shutil.which("docker") is None:
        pytest.skip("the docker command line is not installed")
    return Engine(platform.data_dir / "run" / "docker.sock")


@pytest.fixture
def dockerd(engine: Engine, tmp_path: Path) -> Iterator[Engine]:
    """Debian's own engine, with the busybox image of ours in it."""
    if shutil.which("dockerd") is None:
        pytest.skip("dockerd is not installed: apt-get install docker.io")
    folder = Path(f"/tmp/dockerd-{os.getpid()}")
    folder.mkdir()
    socket = folder / "sock"
    options = [f"--data-root={folder}/root", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    with (tmp_path / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", *options, f"--host=unix://{socket}", "--bridge=none", "--iptables=false"],
            stdout=log,
            stderr=log,
        )
    try:
        other = Engine(socket)
        wait_until(lambda: socket.exists() and other.run("version").returncode == 0, "dockerd answers", 30)
        archive = engine.run("save", "busybox").stdout
        assert other.run("load", stdin=archive).returncode == 0
        yield other
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if line.split()[1].startswith(str(folder)):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        shutil.rmtree(folder)


def confinement(engine: Engine, *options: str) -> dict[str, str]:
    """What the kernel says of a process in a container."""
    status = engine("run", "--rm", *NONE, *options, "busybox", "cat", "/proc/self/status")
    found = dict(re.findall(r"^(\w+):\s*(\w+)$", status, re.MULTILINE))
    return {name: found[name] for name in CONFINEMENT}


def attempts(engine: Engine) -> dict[str, tuple[bool, str]]:
    """Each attempt's name to whether it failed and what it said."""
    script = "".join(
        f'printf "=%s\\n" "{name}"; ({command}) 2>&1; echo "#$?"\n' for name, (command, _) in ATTEMPTS.items()
    )
    said = engine("run", "--rm", *NONE, "--tmpfs", "/tmp:dev", "busybox", "sh", "-c", script)
    parts = re.findall(r"^=(.+?)\n(.*?)#(\d+)$", said, re.MULTILINE | re.DOTALL)
    return {name: (code != "0", output) for name, output, code in parts}


def calls(engine: Engine, folder: Path) -> dict[str, int]:
    """Each system call's name to the error number it gave in a container, 0 for none."""
    for number, values in enumerate(CALLS.values()):
        (folder / f"call{number}").write_bytes(program(*values))
        (folder / f"call{number}").chmod(0o755)
    script = "".join(f"/calls/call{number}; echo $?\n" for number in range(len(CALLS)))
    said = engine("run", "--rm", *NONE, "-v", f"{folder}:/calls:ro", "busybox", "sh", "-c", script)
    return dict(zip(CALLS, map(int, said.split()), strict=True))


def program(call: int, first: int, second: int) -> bytes:
    """A static program for x86-64 that makes one system call and exits with its error number."""
    code = b"\xb8" + struct.pack("<I", call)  # mov eax, call
    code += b"\xbf" + struct.pack("<I", first)  # mov edi, first
    code += b"\xbe" + struct.pack("<I", second)  # mov esi, second
    code += b"\x31\xd2\x4d\x31\xd2\x4d\x31\xc0\x0f\x05"  # edx, r10, r8 = 0; syscall
    code += b"\x48\x85\xc0\x79\x05\xf7\xd8\x89\xc7\xeb\x02\x31\xff"  # edi = rax < 0 ? -eax : 0
    code += b"\x90" * 2 + b"\xb8\x3c\x00\x00\x00\x0f\x05"  # exit(edi)
    base = 0x400000
    size = 64 + 56 + len(code)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code


def test_container_is_confined_as_dockerd_confines_it(engine: Engine) -> None:
    assert confinement(engine) == CONFINEMENT
    assert confinement(engine, "--security-opt", "no-new-privileges")["NoNewPrivs"] == "1"
    assert confinement(engine, "--cap-drop", "ALL")["CapBnd"] == "0" * 16
    assert confinement(engine, "--security-opt", "seccomp=unconfined")["Seccomp"] == "0"
    for name, (has_failed, said) in attempts(engine).items():
        assert has_failed is ATTEMPTS[name][1], f"{name}: {said}"


def test_calls_that_reach_the_kernel_are_refused(engine: Engine, tmp_path: Path) -> None:
    found = calls(engine, tmp_path)
    assert found == dict.fromkeys(CALLS, EPERM)


def test_symlink_in_a_volume_or_image_does_not_lead_out(engine: Engine, tmp_path: Path) -> None:
    secret = tmp_path / "outside"
    secret.mkdir()
    volume = engine("volume", "create").strip()
    try:
        # A link in the container's own file system, at the place where a volume is to be mounted.
        made = engine("create", *NONE, "-v", f"{volume}:/link/inner", "busybox", "touch", "/link/inner/mark").strip()
        archive = subprocess.run(
            ["tar", "-c", "--owner=0", "-C", str(_linked(tmp_path, secret)), "link"], capture_output=True, check=True
        ).stdout
        engine.run("cp", "-", f"{made}:/", stdin=archive)
        engine.run("start", "-a", made)
        engine("rm", "-f", made)
        assert list(secret.iterdir()) == []
        # A link inside the volume, under which another volume's path lies.
        engine("run", "--rm", *NONE, "-v", f"{volume}:/v", "busybox", "ln", "-s", str(secret), "/v/way")
        nested = ("-v", f"{volume}:/v", "--mount", f"type=volume,src={volume},dst=/v/way/in")
        engine.run("run", "--rm", *NONE, *nested, "busybox", "touch", "/v/way/in/mark")
        assert list(secret.iterdir()) == []
    finally:
        engine("volume", "rm", "-f", volume)


def _linked(folder: Path, target: Path) -> Path:
    source = folder / "source"
    source.mkdir()
    (source / "link").symlink_to(target)
    return source


@pytest.mark.slow
def test_attempts_end_as_under_debians_dockerd(engine: Engine, dockerd: Engine, tmp_path: Path) -> None:
    assert confinement(engine) == confinement(dockerd)
    ours, theirs = attempts(engine), attempts(dockerd)
    assert ours == theirs
    assert calls(engine, tmp_path) == calls(dockerd, tmp_path)
