"""What earlier runs left on the disk: Pods that the API no longer has, and the sandboxes there are."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence

from maru.components.node.engine.pod_folder import PodFolder, known_uids_blocking
from maru.core.document import Value
from maru.core.site import Site
from maru.linux.sandbox_namespaces import remove_blocking


def orphan_pods_blocking(site: Site, known: Collection[str]) -> dict[str, Value]:
    """By uid, the documents of Pods that left a sandbox here and are not among `known`.

    Logs of Pods that are neither are removed.
    """
    root = site.folder("node")
    found: dict[str, Value] = {}
    for uid in known_uids_blocking(site):
        folder = PodFolder(root / "state" / uid, root / "pods", site.run_dir / "sandboxes")
        if uid in known:
            continue
        sandbox = folder.load_sandbox()
        if sandbox is None:
            folder.remove_state_blocking()
        else:
            found[uid] = sandbox.pod
    logs = root / "pods"
    for entry in logs.iterdir() if logs.exists() else ():
        uid = entry.name.rpartition("_")[2]
        if uid not in known and uid not in found:
            shutil.rmtree(entry, ignore_errors=True)
    return found


def sandbox_ids_blocking(site: Site) -> Sequence[str]:
    """Every sandbox that some Pod's folder names; namespaces nobody names are let go."""
    root = site.folder("node")
    named = set()
    for uid in known_uids_blocking(site):
        folder = PodFolder(root / "state" / uid, root / "pods", site.run_dir / "sandboxes")
        sandbox = folder.load_sandbox()
        if sandbox is not None:
            named.add(sandbox.id)
    held = site.run_dir / "sandboxes"
    for entry in held.iterdir() if held.exists() else ():
        if entry.name not in named:
            remove_blocking(entry)
            entry.rmdir()
    return sorted(named)
