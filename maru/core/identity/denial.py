"""The words of a denial, as kube-apiserver writes them, because people and scripts look for them.

Source: k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go.
"""

from __future__ import annotations

from maru.core.access import Attributes, Caller, Decision
from maru.core.errors import Denied


def denial(caller: Caller, attributes: Attributes, decision: Decision) -> Denied:
    """The error for a denied request. details: resource, group and name, for a Status."""
    subject = f'User "{caller.name}" cannot {attributes.verb}'
    if not attributes.is_resource:
        why = f'{subject} path "{attributes.path}"'
        what = "forbidden"
    else:
        resource = f"{attributes.resource}/{attributes.subresource}" if attributes.subresource else attributes.resource
        scope = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
        why = f'{subject} resource "{resource}" in API group "{attributes.group}" {scope}'
        named = f' "{attributes.name}"' if attributes.name else ""
        kind = f"{attributes.resource}.{attributes.group}" if attributes.group else attributes.resource
        what = f"{kind}{named} is forbidden"
    if decision.reason:
        why = f"{why}: {decision.reason}"
    return Denied(what=what, why=why, resource=attributes.resource, group=attributes.group, name=attributes.name)
