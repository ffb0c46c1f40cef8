"""The rules of a Pod's specification as a whole, for Pods and for templates.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidatePodSpec, ValidatePodTemplateSpec.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.rules.network import check_ip
from maru.kinds.rules.pods.containers import Surroundings, check_containers
from maru.kinds.rules.pods.resources import check_amount, check_pod_resources
from maru.kinds.rules.pods.scheduling import check_affinity, check_spread, check_tolerations
from maru.kinds.rules.pods.security import check_host_users, check_pod_security
from maru.kinds.rules.pods.volumes import check_volumes
from maru.kinds.rules.text import (
    check,
    check_annotations,
    check_labels,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_qualified_name,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
SECONDS_MAX = 2**31 - 1
NAMESERVERS_MAX = 3
SEARCHES_MAX = 32
SEARCH_CHARACTERS_MAX = 2048


def check_template(template: Value, path: str) -> list[Cause]:
    """A Pod template: labels, annotations and specification."""
    metadata = template.get("metadata") or {}
    causes = check_labels(metadata.get("labels"), f"{path}.metadata.labels")
    causes += check_annotations(metadata.get("annotations"), f"{path}.metadata.annotations")
    spec = template.get("spec") or {}
    causes += check_pod_spec(spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        causes.append(forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))
    return causes


def check_pod_spec(spec: Value, path: str, *, is_pod: bool = False) -> list[Cause]:
    """All causes; empty for a good specification. is_pod: of a Pod itself, not of a template."""
    volumes = spec.get("volumes") or []
    around = Surroundings(
        volumes={volume.get("name") or "": volume for volume in volumes},
        claims={claim.get("name") or "" for claim in spec.get("resourceClaims") or []},
        restart_policy=spec.get("restartPolicy") or "",
        grace_s=spec.get("terminationGracePeriodSeconds"),
        host_users=spec.get("hostUsers") is not False,
        is_pod=is_pod,
    )
    causes = check_volumes(volumes, f"{path}.volumes", is_pod=is_pod)
    causes += _check_claims(spec.get("resourceClaims") or [], f"{path}.resourceClaims")
    causes += check_containers(spec, path, around)
    causes += check_pod_resources(spec, f"{path}.resources")
    causes += _check_host_network(spec, path, is_pod=is_pod)
    causes += _check_choice(spec, path, "restartPolicy", RESTART_POLICIES)
    causes += _check_choice(spec, path, "dnsPolicy", DNS_POLICIES)
    causes += check_labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    causes += check_pod_security(spec, f"{path}.securityContext")
    if spec.get("affinity"):
        causes += check_affinity(spec["affinity"], f"{path}.affinity")
    causes += _check_dns(spec, f"{path}.dnsConfig")
    causes += _check_gates(spec, path)
    causes += check_spread(spec.get("topologySpreadConstraints") or [], f"{path}.topologySpreadConstraints")
    causes += check_host_users(spec, path)
    causes += _check_names(spec, path)
    causes += check_tolerations(spec.get("tolerations") or [], f"{path}.tolerations")
    return causes + _check_rest(spec, path)


def _check_choice(spec: Value, path: str, name: str, choices: Sequence[str]) -> list[Cause]:
    chosen = spec.get(name) or ""
    if not chosen:
        return [required(f"{path}.{name}")]
    return [] if chosen in choices else [unsupported(f"{path}.{name}", chosen, choices)]


def _check_claims(claims: Sequence[Value], path: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, claim in enumerate(claims):
        at, name = f"{path}[{index}]", claim.get("name") or ""
        if not name:
            causes.append(required(f"{at}.name"))
        elif name in names:
            causes.append(duplicate(f"{at}.name", name))
        else:
            causes += check(is_dns_label, f"{at}.name", name)
        names.add(name)
        given = [one for one in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(one) is not None]
        if len(given) > 1:
            why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            causes.append(invalid(at, claim, why))
        elif not given:
            why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            causes.append(invalid(at, claim, why))
        for one in given:
            causes += check(is_dns_subdomain, f"{at}.{one}", claim[one])
    return causes


def _check_host_network(spec: Value, path: str, *, is_pod: bool) -> list[Cause]:
    if not spec.get("hostNetwork"):
        return []
    why = "must match `containerPort` when `hostNetwork` is true"
    return [
        invalid(f"{path}.containers[{index}].ports[{number}].hostPort", port.get("hostPort", 0), why)
        for index, container in enumerate(spec.get("containers") or [])
        for number, port in enumerate(container.get("ports") or [])
        if (is_pod or port.get("hostPort")) and port.get("hostPort", 0) != port.get("containerPort", 0)
    ]


def _check_dns(spec: Value, path: str) -> list[Cause]:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{path}.nameservers", why)]
    if config is None:
        return []
    causes: list[Cause] = []
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > NAMESERVERS_MAX:
        why = f"must not have more than {NAMESERVERS_MAX} nameservers"
        causes.append(invalid(f"{path}.nameservers", servers, why))
    for index, server in enumerate(servers):
        causes += check_ip(server or "", f"{path}.nameservers[{index}]")
    if len(searches) > SEARCHES_MAX:
        causes.append(invalid(f"{path}.searches", searches, f"must not have more than {SEARCHES_MAX} search paths"))
    if len(" ".join(searches)) > SEARCH_CHARACTERS_MAX:
        why = f"must not have more than {SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list"
        causes.append(invalid(f"{path}.searches", searches, why))
    for index, search in enumerate(searches):
        if search != ".":
            name = search.removesuffix(".").replace("_", "-").strip("-")
            causes += [invalid(f"{path}.searches[{index}]", search, why) for why in is_dns_subdomain(name)]
    options = config.get("options") or []
    return causes + [
        required(f"{path}.options[{index}]", "must not be empty")
        for index, option in enumerate(options)
        if not option.get("name")
    ]


def _check_gates(spec: Value, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, gate in enumerate(spec.get("readinessGates") or []):
        at = f"{path}.readinessGates[{index}].conditionType"
        causes += check(is_qualified_name, at, gate.get("conditionType") or "")
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or []):
        at, name = f"{path}.schedulingGates[{index}]", gate.get("name") or ""
        causes += check(is_qualified_name, at, name)
        if name in seen:
            causes.append(duplicate(at, name))
        seen.add(name)
    return causes


def _check_names(spec: Value, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for field, rule in (
        ("serviceAccountName", is_dns_subdomain),
        ("nodeName", is_dns_subdomain),
        ("hostname", is_dns_label),
        ("subdomain", is_dns_label),
        ("priorityClassName", is_dns_subdomain),
        ("runtimeClassName", is_dns_subdomain),
        ("hostnameOverride", is_dns_subdomain),
    ):
        if spec.get(field):
            causes += check(rule, f"{path}.{field}", spec[field])
    return causes


def _check_rest(spec: Value, path: str) -> list[Cause]:
    causes: list[Cause] = []
    deadline_s = spec.get("activeDeadlineSeconds")
    if deadline_s is not None and not 1 <= deadline_s <= SECONDS_MAX:
        at = f"{path}.activeDeadlineSeconds"
        causes.append(invalid(at, deadline_s, f"must be between 1 and {SECONDS_MAX}, inclusive"))
    for index, alias in enumerate(spec.get("hostAliases") or []):
        at = f"{path}.hostAliases[{index}]"
        causes += check_ip(alias.get("ip") or "", f"{at}.ip")
        for number, name in enumerate(alias.get("hostnames") or []):
            causes += check(is_dns_subdomain, f"{at}.hostnames[{number}]", name or "")
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in PREEMPTION_POLICIES:
        causes.append(unsupported(f"{path}.preemptionPolicy", policy, PREEMPTION_POLICIES))
    for name, text in (spec.get("overhead") or {}).items():
        causes += check_amount(name, text, f"{path}.overhead[{name}]")
    system = spec.get("os")
    if system is not None and system.get("name") not in ("linux", "windows"):
        at = f"{path}.os.name"
        causes.append(unsupported(at, system["name"], ("linux", "windows")) if system.get("name") else required(at))
    return causes
