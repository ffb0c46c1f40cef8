"""Where a Pod's files stand on the node, and what is remembered of its sandbox.

<node>/pods/<namespace>_<name>_<uid>/<container>/<attempt>.log     what kubectl logs reads
<node>/state/<uid>/sandbox.json, etc-hosts, resolv.conf, hostname, shm/, volumes/, messages/, subpaths/
<run>/sandboxes/<sandbox id>/net, ipc, uts, pid                    bound namespaces
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from maru.core.document import Value
from maru.core.site import Site
from maru.linux.bind_mounts import mounts_under_blocking
from maru.linux.mounts import unmount_blocking


class Sandbox(msgspec.Struct, frozen=True):
    """What a Pod's containers share. kinds: the namespaces it holds. pod: the document it was made for.

    runtime: the handler of its RuntimeClass, "" for the default.
    """

    id: str
    kinds: tuple[str, ...]
    ips: tuple[str, ...]
    pod: Value
    first_pid: int = 0  # of a shared PID namespace, 0 without one
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class PodFolder:
    """The paths of one Pod."""

    state: Path
    logs: Path
    sandboxes: Path

    def namespaces(self, sandbox_id: str) -> Path:
        return self.sandboxes / sandbox_id

    def volume(self, name: str, plugin: str) -> Path:
        """As the kubelet names it: volumes/kubernetes.io~empty-dir/NAME."""
        return self.state / "volumes" / f"kubernetes.io~{plugin}" / name

    def log(self, container: str, attempt: int) -> Path:
        return self.logs / container / f"{attempt}.log"

    def message(self, container: str, attempt: int) -> Path:
        return self.state / "messages" / container / str(attempt)

    def load_sandbox(self) -> Sandbox | None:
        """What was saved, None if nothing was or it cannot be read (then it is made anew)."""
        try:
            return msgspec.json.decode((self.state / "sandbox.json").read_bytes(), type=Sandbox)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def save_sandbox_blocking(self, sandbox: Sandbox) -> None:
        """Durable before it returns: what it names exists already."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o750)
        path = self.state / "sandbox.json"
        aside = path.with_suffix(".new")
        aside.write_bytes(msgspec.json.encode(sandbox))
        aside.replace(path)

    def remove_state_blocking(self) -> None:
        """Unmount what lies under the state folder, then remove it; what others mounted there is left alone.

        Raises OSError when something is still mounted: nothing behind a mount may be deleted.
        """
        if not self.state.exists():
            return
        for point in mounts_under_blocking(str(self.state)):
            unmount_blocking(point)
        if mounts_under_blocking(str(self.state)):
            raise OSError(f"something is still mounted under {self.state}")
        shutil.rmtree(self.state)

    def remove_logs_blocking(self) -> None:
        shutil.rmtree(self.logs, ignore_errors=True)


def pod_folder(site: Site, namespace: str, name: str, uid: str) -> PodFolder:
    """The paths of the Pod."""
    root = site.folder("node")
    return PodFolder(root / "state" / uid, root / "pods" / f"{namespace}_{name}_{uid}", site.run_dir / "sandboxes")


def known_uids_blocking(site: Site) -> Sequence[str]:
    """Every Pod that left a state folder."""
    root = site.folder("node") / "state"
    return sorted(os.listdir(root)) if root.exists() else []  # noqa: PTH208 - names only
