"""Services as they are asked for: made, changed, rolled back, removed. What follows is the orchestrator's.

Source: Docker Engine API v1.50, "Service"; moby daemon/cluster/services.go; moby/swarmkit,
manager/controlapi/service.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.swarm.membership import Membership
from maru.components.docker.controllers.swarm.overlays import Overlays
from maru.components.docker.model.overlay import is_overlay
from maru.components.docker.model.swarm.endpoints import (
    allocated_addresses,
    allocated_ports,
    endpoint_mode,
    is_in_ingress,
)
from maru.components.docker.model.swarm.entries import Entry, new_id
from maru.components.docker.model.swarm.specs import (
    check_change,
    is_changed,
    mode_of,
    networks_of,
    read_spec,
    refused,
    template_of,
)
from maru.contracts.image_store import RegistryAuth
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.docker.names import name_for

AUTH = "registry credentials"


@dataclass(frozen=True, slots=True)
class Change:
    """An update. auth: None to keep what there is; auth_from_previous: that of the specification before."""

    index: int
    body: Value
    auth: RegistryAuth | None
    auth_from_previous: bool = False
    is_rollback: bool = False


class Services:
    """Writes their documents."""

    def __init__(self, dock: Dock, membership: Membership, overlays: Overlays) -> None:
        self._dock = dock
        self._membership = membership
        self._overlays = overlays

    def all(self) -> Sequence[Entry]:
        """Raises Unavailable outside of a swarm."""
        assert self._membership.cluster
        return self._membership.shelves.services.all()

    def find(self, reference: str) -> Entry:
        """Raises NotFound, Unavailable."""
        assert self._membership.cluster
        return self._membership.shelves.services.find(reference)

    async def create(self, body: Value, auth: RegistryAuth | None) -> Entry:
        """Raises Invalid, NotFound (a network, a secret), Unavailable."""
        shelf = self._membership.shelves.services
        assert self._membership.cluster
        if not body.get("Name"):
            body = {**body, "Name": name_for(self._dock.ids.fraction(), 0)}
        spec = self._resolved(read_spec(body))
        if any(entry.name.lower() == spec["Name"].lower() for entry in shelf.all()):
            words = f"name conflicts with an existing object: service {spec['Name']} already exists"
            raise refused(words, "AlreadyExists", 409)
        service_id = new_id(self._dock.ids.uid())
        status: Value = {"Endpoint": self._endpoint(spec, service_id, {})}
        if mode_of(spec).endswith("Job"):
            status["JobStatus"] = {"JobIteration": {"Index": 0}, "LastExecution": self._dock.now()}
        if auth is not None:
            status["registryAuth"] = self._sealed(auth)
        entry = await shelf.create(service_id, spec, status)
        self.tell(entry, "create")
        return entry

    async def update(self, reference: str, change: Change) -> Entry:
        """Raises Invalid, NotFound, Unavailable."""
        before = self.find(reference)
        if change.is_rollback:
            spec = before.status.get("PreviousSpec")
            if spec is None:
                raise refused(f"service {before.id} does not have a previous spec", "FailedPrecondition")
        else:
            spec = self._resolved(read_spec(change.body))
        check_change(before.spec, spec)
        status = {**before.status, "PreviousSpec": before.spec}
        status["Endpoint"] = self._endpoint(spec, before.id, before.status.get("Endpoint") or {})
        if change.auth is not None:
            status |= {"registryAuth": self._sealed(change.auth), "previousAuth": before.status.get("registryAuth")}
        elif change.auth_from_previous or change.is_rollback:
            status["registryAuth"] = before.status.get("previousAuth")
        now = self._dock.now()
        status |= {"UpdateStatus": None, "updateTotal": None}
        if change.is_rollback:
            words = "manually requested rollback"
            status["UpdateStatus"] = {"State": "rollback_started", "StartedAt": now, "Message": words}
        if _differ(before.spec, spec):
            status["updateBegun"] = now
            if mode_of(spec).endswith("Job"):
                iteration = int((before.status.get("JobStatus") or {}).get("JobIteration", {}).get("Index") or 0)
                status["JobStatus"] = {"JobIteration": {"Index": iteration + 1}, "LastExecution": now}
        entry = await self._membership.shelves.services.replace(before, spec, status, change.index)
        self.tell(entry, "update")
        return entry

    async def remove(self, reference: str) -> Entry:
        """Its tasks follow. Raises NotFound."""
        entry = self.find(reference)
        await self._membership.shelves.services.delete(entry.id)
        self.tell(entry, "remove")
        return entry

    async def completed(self, entry: Entry) -> Entry:
        """The same with what the API would have seen to, for a document that was written by hand.

        Raises Invalid, NotFound, NotSupported.
        """
        if entry.status.get("Endpoint") is not None:
            return replace(entry, spec=read_spec(entry.spec))
        name = entry.spec.get("Name") or entry.id
        spec = self._resolved(read_spec({**entry.spec, "Name": name}))
        if any(other.name == name and other.id != entry.id for other in self._membership.shelves.services.all()):
            raise refused(
                f"name conflicts with an existing object: service {name} already exists", "AlreadyExists", 409
            )
        status = {**entry.status, "Endpoint": self._endpoint(spec, entry.id, {}), "message": None}
        if mode_of(spec).endswith("Job"):
            status["JobStatus"] = {"JobIteration": {"Index": 0}, "LastExecution": self._dock.now()}
        made = await self._membership.shelves.services.replace(entry, spec, status)
        self.tell(made, "create")
        return made

    def auth_of(self, service_id: str) -> RegistryAuth | None:
        """What images of the service are pulled with."""
        entry = self._membership.shelves.services.get(service_id)
        sealed = entry.status.get("registryAuth") if entry is not None else None
        if not sealed:
            return None
        return msgspec.json.decode(self._membership.unseal(str(sealed), AUTH), type=RegistryAuth)

    def tell(self, entry: Entry, action: str, **more: str) -> None:
        """Publish an event of a service."""
        self._dock.events.publish("service", action, entry.id, {"name": entry.name, **more})

    def _sealed(self, auth: RegistryAuth) -> str:
        return self._membership.seal(msgspec.json.encode(auth), AUTH)

    def _resolved(self, spec: Value) -> Value:
        """Networks by id, secrets and configs there. Raises NotFound, Invalid."""
        for holder in (spec, spec["TaskTemplate"]):
            for entry in holder.get("Networks") or ():
                entry["Target"] = self._overlays.resolve(str(entry.get("Target") or "")).id
        container = spec["TaskTemplate"]["ContainerSpec"]
        for word, shelf in (("secret", self._membership.shelves.secrets), ("config", self._membership.shelves.configs)):
            for reference in container.get(f"{word.capitalize()}s") or ():
                wanted = str(reference.get(f"{word.capitalize()}ID") or "")
                if shelf.get(wanted) is None:
                    raise refused(f"{word} not found: {wanted}")
        return spec

    def _endpoint(self, spec: Value, service_id: str, before: Value) -> Value:
        services = self._membership.shelves.services.all()
        endpoint: Value = {"Spec": spec.get("EndpointSpec") or {}}
        ports = allocated_ports(spec, before.get("Ports") or (), service_id, services)
        if ports:
            endpoint["Ports"] = ports
        if endpoint_mode(spec) == "vip":
            addresses = self._addresses(spec, service_id, before)
            if addresses:
                endpoint["VirtualIPs"] = addresses
        return endpoint

    def _addresses(self, spec: Value, service_id: str, before: Value) -> list[Value]:
        networks = [self._overlays.find(str(each["Target"])) for each in networks_of(spec)]
        if is_in_ingress(spec):
            ingress = self._overlays.ingress()
            if ingress is None:
                raise Invalid(
                    what="rpc error: code = FailedPrecondition desc = service needs ingress network, but no "
                    "ingress network is present",
                    why="",
                    status=400,
                )
            networks.insert(0, ingress)
        subnets, busy = {}, {}
        for network in networks:
            if network is None or not is_overlay(network.spec) or not network.spec.pools:
                continue
            pool = network.spec.pools[0]
            subnets[network.id] = pool.subnet
            busy[network.id] = {pool.gateway, *pool.auxiliary.values()}
            busy[network.id] |= {each.ip for each in network.endpoints.values()} | self._virtual(network.id, service_id)
        return allocated_addresses(subnets, before.get("VirtualIPs") or (), busy)

    def _virtual(self, network_id: str, service_id: str) -> set[str]:
        """Addresses of other services on a network."""
        return {
            str(each["Addr"]).partition("/")[0]
            for entry in self._membership.shelves.services.all()
            if entry.id != service_id
            for each in (entry.status.get("Endpoint") or {}).get("VirtualIPs") or ()
            if each["NetworkID"] == network_id
        }


def _differ(before: Value, after: Value) -> bool:
    made = [{"template": template_of(each), "endpoint": each.get("EndpointSpec") or {}} for each in (before, after)]
    return is_changed(made[0], made[1])
