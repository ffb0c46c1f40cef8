"""Names in a Pod: its hostname, /etc/hosts and /etc/resolv.conf.

Source: Kubernetes documentation, "DNS for Services and Pods" and "Adding entries to Pod /etc/hosts";
pkg/kubelet, GeneratePodHostNameAndDomain, managedHostsFileContent; pkg/kubelet/network/dns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maru.core.document import Value

HOSTNAME_CHARACTERS_MAX = 63
NDOTS = "ndots:5"
_LOCAL_NAMES = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "fe00::\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)


@dataclass(frozen=True, slots=True)
class Resolver:
    """The lines of a resolv.conf."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def hostname_of(pod: Value, node_name: str, cluster_domain: str) -> str:
    """What `hostname` prints in the Pod."""
    spec = pod["spec"]
    if spec.get("hostnameOverride"):
        return str(spec["hostnameOverride"])
    if spec.get("hostNetwork"):
        return node_name
    short = _short_name(pod)
    domain = _domain(pod, cluster_domain)
    return f"{short}.{domain}" if domain and spec.get("setHostnameAsFQDN") else short


def hosts_file(pod: Value, ips: Sequence[str], cluster_domain: str, host_lines: str = "") -> str:
    """The managed /etc/hosts; `host_lines` is the node's own file for Pods in its network."""
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        lines = ["# Kubernetes-managed hosts file (host network).", host_lines.rstrip("\n")]
    else:
        short, domain = _short_name(pod), _domain(pod, cluster_domain)
        if spec.get("hostnameOverride"):
            short, domain = str(spec["hostnameOverride"]), ""
        names = f"{short}.{domain}\t{short}" if domain else short
        lines = ["# Kubernetes-managed hosts file.", *_LOCAL_NAMES, *(f"{ip}\t{names}" for ip in ips)]
    aliases = spec.get("hostAliases") or ()
    if aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += [f"{alias['ip']}\t" + "\t".join(alias.get("hostnames") or ()) for alias in aliases]
    return "\n".join(lines) + "\n"


def resolver_of(pod: Value, host: Resolver, dns_ip: str, cluster_domain: str) -> Resolver:
    """The resolver that dnsPolicy and dnsConfig ask for."""
    spec = pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "None":
        resolver = Resolver()
    elif policy == "Default" or (policy == "ClusterFirst" and spec.get("hostNetwork")):
        resolver = host
    else:
        namespace = pod["metadata"]["namespace"]
        own = (f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
        resolver = Resolver((dns_ip,), _unique((*own, *host.searches)), (NDOTS,))
    extra = spec.get("dnsConfig") or {}
    options = {option.partition(":")[0]: option for option in resolver.options}
    for option in extra.get("options") or ():
        name, value = option.get("name", ""), option.get("value")
        options[name] = f"{name}:{value}" if value not in (None, "") else name
    return Resolver(
        _unique((*resolver.nameservers, *(extra.get("nameservers") or ()))),
        _unique((*resolver.searches, *(extra.get("searches") or ()))),
        tuple(options.values()),
    )


def parse_resolver(text: str) -> Resolver:
    """The node's own resolv.conf; the last search line counts. Source: resolv.conf(5)."""
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith(("#", ";")):
            continue
        if words[0] == "nameserver" and len(words) > 1:
            nameservers.append(words[1])
        elif words[0] in ("search", "domain"):
            searches = [word for word in words[1:] if word != "."]
        elif words[0] == "options":
            options += words[1:]
    return Resolver(tuple(nameservers), tuple(searches), tuple(options))


def resolver_file(resolver: Resolver) -> str:
    """As /etc/resolv.conf."""
    lines = []
    if resolver.searches:
        lines.append("search " + " ".join(resolver.searches))
    lines += [f"nameserver {server}" for server in resolver.nameservers]
    if resolver.options:
        lines.append("options " + " ".join(resolver.options))
    return "\n".join(lines) + "\n" if lines else ""


def _short_name(pod: Value) -> str:
    name = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return str(name)[:HOSTNAME_CHARACTERS_MAX].rstrip("-.")


def _domain(pod: Value, cluster_domain: str) -> str:
    subdomain = pod["spec"].get("subdomain")
    return f"{subdomain}.{pod['metadata']['namespace']}.svc.{cluster_domain}" if subdomain else ""


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
