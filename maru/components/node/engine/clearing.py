"""Taking a node's traces off the machine: sandboxes and mounts; volumes and logs on disk stay."""

from __future__ import annotations

from maru.components.node.engine.pod_folder import PodFolder, known_uids_blocking
from maru.core.site import Site
from maru.linux.mounts import mount_points, unmount_blocking
from maru.linux.sandbox_namespaces import remove_blocking


def clear_blocking(site: Site) -> None:
    """Let every sandbox go and unmount all that Pods had; idempotent. Containers must be gone."""
    root, sandboxes = site.folder("node"), site.run_dir / "sandboxes"
    first_pids = {}
    for uid in known_uids_blocking(site):
        sandbox = PodFolder(root / "state" / uid, root / "pods", sandboxes).load_sandbox()
        if sandbox is not None:
            first_pids[sandbox.id] = sandbox.first_pid
    for entry in sorted(sandboxes.iterdir()) if sandboxes.exists() else ():
        remove_blocking(entry, first_pids.get(entry.name, 0))
        entry.rmdir()
    for point in sorted(mount_points(str(root)), reverse=True):
        unmount_blocking(point)
