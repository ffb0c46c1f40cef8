"""pods/proxy and services/proxy: a real HTTP request to the Pod, or to one endpoint of the Service.

The name may be SCHEME:NAME:PORT. Source: k8s.io/kubernetes/pkg/registry/core/pod/strategy.go and
core/service/storage (ResourceLocation); k8s.io/apimachinery/pkg/util/proxy.
"""

from __future__ import annotations

from urllib.parse import quote

from maru.components.apiserver.engine.passing import Passing, Place, is_upgrade
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.errors import bad_request, not_found
from maru.components.apiserver.model.path import Target
from maru.core.document import Value, key_of
from maru.core.errors import NotSupported, Unavailable
from maru.core.front.message import Answer, Request
from maru.kinds.resources import ENDPOINTSLICES, PODS, SERVICES

_SERVICE_LABEL = "kubernetes.io/service-name"


class Proxies:
    """Handlers of pods/proxy and services/proxy."""

    def __init__(self, house: House, passing: Passing) -> None:
        self._house = house
        self._passing = passing

    async def pod(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """Any method on pods/proxy."""
        name, port = _split(call.name)
        document = self._house.store.get(key_of(PODS, call.namespace, name))
        if document is None:
            raise not_found(PODS, name)
        pod = document.value
        address = (pod.get("status") or {}).get("podIP")
        if not address:
            raise bad_request("address not allowed")
        return await self._pass(request, target, Place(host=address, port=_pod_port(pod, port)))

    async def service(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """Any method on services/proxy."""
        name, port = _split(call.name)
        document = self._house.store.get(key_of(SERVICES, call.namespace, name))
        if document is None:
            raise not_found(SERVICES, name)
        place = self._endpoint(call.namespace, document.value, port)
        return await self._pass(request, target, place)

    async def _pass(self, request: Request, target: Target, place: Place) -> Answer:
        bare, _, query = request.raw_target.partition("?")
        is_bare = not target.rest and not target.path.endswith("/")
        if is_bare and request.method in ("GET", "HEAD") and not is_upgrade(request):
            return Answer(301, b"", {"Location": f"{bare}/" + (f"?{query}" if query else "")})
        path = "/" + quote(target.rest, safe="/:@!$&'()*+,;=-._~") + (f"?{query}" if query else "")
        return await self._passing.pass_on(request, place, path)

    def _endpoint(self, namespace: str, service: Value, port: str) -> Place:
        """A ready endpoint behind the Service's port. Raises Unavailable if there is none."""
        name = service["metadata"]["name"]
        ports = (service.get("spec") or {}).get("ports") or []
        chosen = next((one for one in ports if not port or port in (one.get("name"), str(one.get("port")))), None)
        if chosen is None and not (port.isdigit() and not ports):
            raise Unavailable(
                what=f'service "{name}"', why="", message=f'no service port {port!r} found for service "{name}"'
            )
        wanted = (chosen or {}).get("name") or ""
        found: list[Place] = []
        for document in self._house.store.list(ENDPOINTSLICES.storage, namespace).documents:
            labels = document.metadata.get("labels") or {}
            if labels.get(_SERVICE_LABEL) == name:
                found += _places(document.value, wanted)
        if not found:
            message = f'no endpoints available for service "{name}"'
            raise Unavailable(what=message, why="", message=message)
        return found[int(self._house.ids.fraction() * len(found))]


def _places(endpoints: Value, port_name: str) -> list[Place]:
    ports = [one["port"] for one in endpoints.get("ports") or () if (one.get("name") or "") == port_name]
    ready = [
        address
        for endpoint in endpoints.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready", True) is not False
        for address in (endpoint.get("addresses") or ())[:1]
    ]
    return [Place(host=address, port=port) for port in ports if port for address in ready]


def _split(text: str) -> tuple[str, str]:
    """NAME, NAME:PORT or SCHEME:NAME:PORT. Raises NotSupported for https."""
    parts = text.split(":")
    if len(parts) == 3:
        if parts[0] == "https":
            raise NotSupported(what="a proxy over https", why="only http is passed on so far", fix="use port-forward")
        return parts[1], parts[2]
    return parts[0], parts[1] if len(parts) == 2 else ""


def _pod_port(pod: Value, port: str) -> int:
    ports = [one for container in pod["spec"].get("containers") or () for one in container.get("ports") or ()]
    if not port:
        return int(ports[0]["containerPort"]) if ports else 80
    if port.isdigit():
        return int(port)
    named = next((one for one in ports if one.get("name") == port), None)
    if named is None:
        raise bad_request(f"no port named {port!r}")
    return int(named["containerPort"])
