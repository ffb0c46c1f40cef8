"""log, exec, attach, portforward and nodes/proxy: passed on to the node that runs the Pod.

Source: k8s.io/kubernetes/pkg/registry/core/pod/strategy.go (LogLocation, streamLocation),
pkg/registry/core/pod/rest; the kubelet's paths in pkg/kubelet/server.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

from maru.components.apiserver.api import answers
from maru.components.apiserver.engine.passing import Passing, Place
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.connect import connect
from maru.components.apiserver.errors import bad_request, method_not_allowed, not_found
from maru.components.apiserver.model.path import Target
from maru.core.document import Value
from maru.core.errors import NotSupported
from maru.core.front.message import Answer, Request
from maru.kinds.resources import NODES, PODS

_TRUE = frozenset({"1", "true", "True", "TRUE", "t", "T"})
_LOG_PARAMETERS = (
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
    "stream",
)
_STREAM_NAMES = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}


class NodeStreams:
    """Handlers of the subresources that a node answers. local_node: the node behind `socket`."""

    def __init__(self, house: House, passing: Passing, local_node: str, socket: Path) -> None:
        self._house = house
        self._passing = passing
        self._local_node = local_node
        self._socket = socket

    async def log(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """GET pods/log; streams with follow=true."""
        if verb != "get":
            raise method_not_allowed()
        pod = self._pod(call)
        container = choose_container(pod, request.query_get("container"))
        _check_log(request)
        node = pod["spec"].get("nodeName")
        if not node:
            return answers.of_text("")
        parameters = [(name, request.query_get(name)) for name in _LOG_PARAMETERS if request.query_get(name)]
        path = _path("containerLogs", call.namespace, call.name, container)
        return await self._passing.pass_on(request, self._place(node), _with(path, parameters))

    async def exec(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """GET or POST pods/exec."""
        return await self._stream(call, request, verb, "exec")

    async def attach(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """GET or POST pods/attach."""
        return await self._stream(call, request, verb, "attach")

    async def port_forward(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """GET or POST pods/portforward."""
        if verb not in ("get", "create"):
            raise method_not_allowed()
        pod = self._pod(call)
        ports = [("port", value) for name, value in request.query if name == "ports"]
        given = [int(one) for _, value in ports for one in value.split(",") if one.isdigit()]
        await connect(self._house, call, "PodPortForwardOptions", {"ports": given} if given else {})
        path = _path("portForward", call.namespace, call.name)
        return await self._passing.pass_on(request, self._place(_node_of(pod, call.name)), _with(path, ports))

    async def node_proxy(self, call: Call, request: Request, target: Target, verb: str) -> Answer:
        """Any method on nodes/proxy. The name may be NODE:PORT."""
        name = call.name.partition(":")[0]
        if self._house.store.get(Call(call.caller, call.served, "", name).key) is None:
            raise not_found(NODES, name)
        query = request.raw_target.partition("?")[2]
        path = "/" + quote(target.rest) + (f"?{query}" if query else "")
        return await self._passing.pass_on(request, self._place(name), path)

    async def _stream(self, call: Call, request: Request, verb: str, what: str) -> Answer:
        if verb not in ("get", "create"):
            raise method_not_allowed()
        pod = self._pod(call)
        container = choose_container(pod, request.query_get("container"), ephemeral=True)
        parameters = [("command", value) for name, value in request.query if name == "command"]
        parameters += [(short, "1") for name, short in _STREAM_NAMES.items() if request.query_get(name) in _TRUE]
        if not any(name in ("input", "output", "error") for name, _ in parameters):
            raise bad_request("you must specify at least one of stdin, stdout, stderr")
        if what == "exec" and not any(name == "command" for name, _ in parameters):
            raise bad_request("you must specify at least one command for the container")
        await connect(self._house, call, f"Pod{what.capitalize()}Options", {"container": container})
        path = _path(what, call.namespace, call.name, container)
        return await self._passing.pass_on(request, self._place(_node_of(pod, call.name)), _with(path, parameters))

    def _pod(self, call: Call) -> Value:
        document = self._house.store.get(call.key)
        if document is None:
            raise not_found(PODS, call.name)
        return document.value

    def _place(self, node: str) -> Place:
        if node == self._local_node:
            return Place(socket=self._socket)
        raise NotSupported(
            what=f"streams of node {node}", why="only the node beside this API server can be reached so far"
        )


def choose_container(pod: Value, wanted: str, *, ephemeral: bool = True) -> str:
    """The container meant. Raises 400 if that is not clear or it is not there."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    plain = _names(spec.get("containers"))
    initial = _names(spec.get("initContainers"))
    if wanted:
        if wanted in plain or wanted in initial or (ephemeral and wanted in _names(spec.get("ephemeralContainers"))):
            return wanted
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    if len(plain) == 1:
        return plain[0]
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if default in plain:
        return str(default)
    message = f"a container name must be specified for pod {name}"
    if plain:
        message += f", choose one of: [{' '.join(plain)}]"
    if initial:
        message += f" or one of the init containers: [{' '.join(initial)}]"
    raise bad_request(message)


def _check_log(request: Request) -> None:
    for name in ("sinceSeconds", "tailLines", "limitBytes"):
        text = request.query_get(name)
        if not text:
            continue
        least = 0 if name == "tailLines" else 1
        if not text.lstrip("-").isdigit():
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        if int(text) < least:
            raise bad_request(f"{name}: Invalid value: {text}: must be greater than or equal to {least}")
    if request.query_get("sinceSeconds") and request.query_get("sinceTime"):
        raise bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")


def _node_of(pod: Value, name: str) -> str:
    node = pod["spec"].get("nodeName")
    if not node:
        raise bad_request(f"pod {name} does not have a host assigned")
    return str(node)


def _names(containers: Sequence[Value] | None) -> list[str]:
    return [one["name"] for one in containers or ()]


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _with(path: str, parameters: Sequence[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path
