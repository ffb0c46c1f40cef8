"""Which Services a Pod stands behind, and which Pods stand behind a Service. Local reads."""

from __future__ import annotations

from maru.components.workloads.model.values import Place, labels_of, place_of
from maru.core.document import Value
from maru.core.informer import Informer


def services_of_pod(services: Informer, pod: Value) -> list[Place]:
    """The places of the Services whose selector matches `pod`."""
    labels = labels_of(pod).items()
    namespace, _ = place_of(pod)
    found = []
    for document in services.list(namespace) if labels else ():
        selector = document.value["spec"].get("selector")
        if selector and selector.items() <= labels:
            found.append((namespace, document.key.name))
    return found


def pods_behind(pods: Informer, service: Value) -> list[Value]:
    """The Pods that the selector of `service` matches."""
    selector = service["spec"]["selector"].items()
    namespace, _ = place_of(service)
    return [each.value for each in pods.list(namespace) if selector <= labels_of(each.head).items()]
