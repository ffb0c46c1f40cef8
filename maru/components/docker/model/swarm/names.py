"""Names of members as Go reads them: in any case. Clients rely on it (`replicated` for `Replicated`).

What users name themselves (labels, options, system settings) stays as it is.
Source: Go's encoding/json, Unmarshal; Docker Engine API v1.50, ServiceSpec and what it holds.
"""

from __future__ import annotations

_NAMES = """
Name Labels TaskTemplate ContainerSpec Image Command Args Hostname Env Dir User Groups Privileges CredentialSpec
SELinuxContext Disable Role Type Level Seccomp Mode Profile AppArmor NoNewPrivileges TTY OpenStdin ReadOnly Mounts
Target Source Consistency BindOptions Propagation NonRecursive CreateMountpoint VolumeOptions NoCopy DriverConfig
Subpath TmpfsOptions SizeBytes StopSignal StopGracePeriod Healthcheck Test Interval Timeout Retries StartPeriod
StartInterval Hosts DNSConfig Nameservers Search Options Secrets File UID GID SecretID SecretName Configs Runtime
ConfigID ConfigName Isolation Init Sysctls CapabilityAdd CapabilityDrop Ulimits Hard Soft OomScoreAdj
NetworkAttachmentSpec ContainerID Resources Limits NanoCPUs MemoryBytes Pids Reservations GenericResources
NamedResourceSpec DiscreteResourceSpec Kind Value RestartPolicy Condition Delay MaxAttempts Window Placement
Constraints Preferences Spread SpreadDescriptor MaxReplicas Platforms Architecture OS ForceUpdate Networks Aliases
DriverOpts LogDriver Replicated Replicas Global ReplicatedJob MaxConcurrent TotalCompletions GlobalJob UpdateConfig
Parallelism FailureAction Monitor MaxFailureRatio Order RollbackConfig EndpointSpec Ports Protocol TargetPort
PublishedPort PublishMode
"""
_OWN = frozenset({"Labels", "Options", "DriverOpts", "Sysctls"})


def in_go_case(value: object) -> object:
    """A JSON value with its members' names as the API spells them."""
    names = {name.lower(): name for name in _NAMES.split()}
    return _renamed(value, names)


def _renamed(value: object, names: dict[str, str]) -> object:
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    renamed = {}
    for key, each in value.items():
        name = names.get(str(key).lower(), str(key))
        renamed[name] = each if name in _OWN and isinstance(each, dict) else _renamed(each, names)
    return renamed
