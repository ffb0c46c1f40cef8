"""Persistent volumes and claims find each other; claims of the built-in class get a folder of their node.

Source: k8s.io/kubernetes/pkg/controller/volume/persistentvolume.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from maru.components.workloads.controllers.kit import NORMAL, WARNING, Controller, Kit
from maru.components.workloads.engine.folders import remove_folder_blocking
from maru.components.workloads.model.values import Place, annotations_of, place_of, uid_of, with_status
from maru.components.workloads.model.volumes import (
    DEFAULT_CLASS,
    NO_PROVISIONER,
    PROVISIONED_BY,
    PROVISIONER,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    bound_claim_status,
    choose,
    claim_for_volume,
    class_of,
    default_class,
    is_bound,
    node_of,
    provisioned,
    volume_for_claim,
    volume_phase,
)
from maru.core.client import DeleteOptions
from maru.core.document import Document, Value
from maru.core.errors import AlreadyExists, MaruError, NotFound, NotSupported
from maru.core.site import Site
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES

_CLASS: Place = ("", "storage class")

Remove = Callable[[Path, Path], Awaitable[None]]
"""Takes the folder of all volumes and the one in it to remove."""


async def remove_folder(below: Path, path: Path) -> None:
    """Remove a folder without holding up the loop."""
    await asyncio.to_thread(remove_folder_blocking, below, path)


class Volumes(Controller):
    """Binds, provisions, releases. Keys: a claim's place, or ("", name) of a volume."""

    name = "persistent-volume-binder"

    def __init__(self, kit: Kit, site: Site, remove: Remove = remove_folder) -> None:
        super().__init__(kit)
        self._remove = remove
        self._site = site
        self._folder = site.folder("volumes")
        self._classes = self.informer(STORAGECLASSES)
        self._volumes = self.watch_own(PERSISTENTVOLUMES)
        self._claims = self.watch_own(PERSISTENTVOLUMECLAIMS)
        self._volumes.on_change(self._volume_changed)
        self._claims.on_change(self._claim_changed)
        self._classes.on_change(self._class_changed)
        self.loop.add(_CLASS)

    def _volume_changed(self, new: Document | None, old: Document | None) -> None:
        document = new or old
        reference = document.value["spec"].get("claimRef") if document is not None else None
        if reference is not None:
            self.loop.add((reference.get("namespace") or "", reference["name"]))
        if old is None:
            self._add_waiting_claims()

    def _claim_changed(self, new: Document | None, old: Document | None) -> None:
        document = new or old
        if document is not None and document.value["spec"].get("volumeName"):
            self.loop.add(("", document.value["spec"]["volumeName"]))

    def _class_changed(self, new: Document | None, old: Document | None) -> None:
        self._add_waiting_claims()

    def _add_waiting_claims(self) -> None:
        for document in self._claims.list():
            if not is_bound(document.value):
                self.loop.add(place_of(document.head))

    async def bring_right(self, place: Place) -> float | None:
        if place == _CLASS:
            await self._ensure_class()
        elif not place[0]:
            document = self._volumes.get(*place)
            if document is not None:
                await self._sync_volume(document.value)
        else:
            document = self._claims.get(*place)
            if document is not None:
                await self._sync_claim(document.value)
        return None

    async def _ensure_class(self) -> None:
        if self._classes.get("", DEFAULT_CLASS) is None and not self._classes.list():
            try:
                await self.client.create(STORAGECLASSES, default_class())
            except AlreadyExists:
                return

    async def _sync_claim(self, claim: Value) -> None:
        if is_deleting(claim):
            return
        if is_bound(claim):
            await self._sync_bound_claim(claim)
            return
        storage_class = self._class(claim)
        waits = storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
        node = annotations_of(claim).get(SELECTED_NODE, "")
        if waits and not node and not claim["spec"].get("volumeName"):
            text = "waiting for first consumer to be created before binding"
            await self._hold(claim, "WaitForFirstConsumer", text)
            return
        volume = choose(claim, [each.value for each in self._volumes.list()])
        if volume is not None:
            await self._bind(claim, volume)
        elif storage_class is not None and storage_class["provisioner"] == PROVISIONER:
            await self._provision(claim, storage_class, node or self._site.node_name)
        else:
            await self._wait_for_others(claim, storage_class)

    async def _sync_bound_claim(self, claim: Value) -> None:
        document = self._volumes.get("", claim["spec"]["volumeName"])
        reference = document.value["spec"].get("claimRef") or {} if document is not None else {}
        if document is None or reference.get("uid") not in (None, "", uid_of(claim)):
            try:
                volume = await self.client.get(PERSISTENTVOLUMES, "", claim["spec"]["volumeName"])
            except NotFound:
                await self._lose(claim)
                return
            if (volume["spec"].get("claimRef") or {}).get("uid") not in (None, "", uid_of(claim)):
                await self._lose(claim)
            return
        await self._bind(claim, document.value)

    async def _lose(self, claim: Value) -> None:
        if claim.get("status", {}).get("phase") == "Lost":
            return
        text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        self.event(claim, WARNING, "ClaimLost", text)
        await self._write_claim_status(claim, {**claim.get("status", {}), "phase": "Lost"})

    async def _bind(self, claim: Value, volume: Value) -> None:
        fresh = volume_for_claim(volume, claim)
        if fresh is not None:
            volume = await self.client.update(PERSISTENTVOLUMES, fresh)
        if volume.get("status", {}).get("phase") != "Bound":
            status = {**volume.get("status", {}), "phase": "Bound"}
            volume = await self.client.update(PERSISTENTVOLUMES, with_status(volume, status), subresource="status")
        named = claim_for_volume(claim, volume)
        if named is not None:
            claim = await self.client.update(PERSISTENTVOLUMECLAIMS, named)
        await self._write_claim_status(claim, bound_claim_status(claim, volume))

    async def _provision(self, claim: Value, storage_class: Value, node: str) -> None:
        try:
            made = provisioned(claim, storage_class, str(self._folder), node)
            await self.client.create(PERSISTENTVOLUMES, made)
        except AlreadyExists:
            return
        except MaruError as error:
            self.event(claim, WARNING, "ProvisioningFailed", str(error))
            raise
        text = f"Successfully provisioned volume {made['metadata']['name']}"
        self.event(claim, NORMAL, "ProvisioningSucceeded", text)

    async def _wait_for_others(self, claim: Value, storage_class: Value | None) -> None:
        provisioner = storage_class["provisioner"] if storage_class is not None else ""
        if class_of(claim) and storage_class is None:
            await self._hold(claim, "ProvisioningFailed", f'storageclass.storage.k8s.io "{class_of(claim)}" not found')
        elif provisioner in ("", NO_PROVISIONER):
            text = "no persistent volumes available for this claim and no storage class is set"
            await self._hold(claim, "FailedBinding", text)
        else:
            if annotations_of(claim).get(STORAGE_PROVISIONER) != provisioner:
                namespace, name = place_of(claim)
                patch = {"metadata": {"annotations": {STORAGE_PROVISIONER: provisioner}}}
                claim = await self.client.patch(PERSISTENTVOLUMECLAIMS, namespace, name, patch)
            text = (
                f"Waiting for a volume to be created either by the external provisioner '{provisioner}' "
                "or manually by the system administrator."
            )
            await self._hold(claim, "ExternalProvisioning", text)

    async def _hold(self, claim: Value, reason: str, text: str) -> None:
        self.event(claim, WARNING if reason == "ProvisioningFailed" else NORMAL, reason, text)
        if not claim.get("status", {}).get("phase"):
            await self._write_claim_status(claim, {**claim.get("status", {}), "phase": "Pending"})

    async def _write_claim_status(self, claim: Value, status: Value) -> None:
        if status != claim.get("status"):
            await self.client.update(PERSISTENTVOLUMECLAIMS, with_status(claim, status), subresource="status")

    async def _sync_volume(self, volume: Value) -> None:
        reference = volume["spec"].get("claimRef") or {}
        namespace = reference.get("namespace") or ""
        document = self._claims.get(namespace, reference["name"]) if reference else None
        claim = document.value if document is not None else None
        phase = volume_phase(volume, claim)
        if phase == "Released" and not await self._is_released(volume):
            return
        if phase == "Bound" and volume.get("status", {}).get("phase") in ("Available", "Pending", None, ""):
            return  # the claim's own round completes it
        if volume.get("status", {}).get("phase") not in (phase, "Failed"):
            status = {**volume.get("status", {}), "phase": phase}
            volume = await self.client.update(PERSISTENTVOLUMES, with_status(volume, status), subresource="status")
        if phase == "Released" and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            await self._reclaim(volume)

    async def _is_released(self, volume: Value) -> bool:
        """Ask the API server: a lagging copy must never cost somebody's data."""
        reference = volume["spec"]["claimRef"]
        try:
            claim = await self.client.get(PERSISTENTVOLUMECLAIMS, reference["namespace"], reference["name"])
        except NotFound:
            return True
        return uid_of(claim) != str(reference["uid"])

    async def _reclaim(self, volume: Value) -> None:
        name = volume["metadata"]["name"]
        if is_deleting(volume) or annotations_of(volume).get(PROVISIONED_BY) != PROVISIONER:
            return
        try:
            if node_of(volume) != self._site.node_name:
                why = f"its folder is on node {node_of(volume)}"
                raise NotSupported(what=f"deletion of volume {name}", why=why, fix="remove folder and volume by hand")
            await self._remove(self._folder, Path(volume["spec"]["hostPath"]["path"]))
            await self.client.delete(PERSISTENTVOLUMES, "", name, DeleteOptions(uid=uid_of(volume)))
        except NotFound:
            return
        except MaruError as error:
            self.event(volume, WARNING, "VolumeFailedDelete", str(error))
            status = {**volume.get("status", {}), "phase": "Failed", "message": str(error)}
            if status != volume.get("status"):
                await self.client.update(PERSISTENTVOLUMES, with_status(volume, status), subresource="status")

    def _class(self, claim: Value) -> Value | None:
        document = self._classes.get("", class_of(claim)) if class_of(claim) else None
        return document.value if document is not None else None
