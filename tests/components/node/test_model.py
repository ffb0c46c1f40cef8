"""Variables, names, users, limits and logs: values in, values out."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from maru.components.node.config import NodeConfig
from maru.components.node.errors import MountFailed, Refused, StartFailed
from maru.components.node.model.admission import check_fits
from maru.components.node.model.cri_log import parse_line
from maru.components.node.model.downward import Surroundings, field_value, resource_value
from maru.components.node.model.environment import Sources, expand, variables
from maru.components.node.model.hosts import Resolver, hostname_of, parse_resolver, resolver_of
from maru.components.node.model.log_options import LogOptions, parse_log_options, shown
from maru.components.node.model.machine import Figures, Machine, machine_of
from maru.components.node.model.node_document import node_status
from maru.components.node.model.payload import Material, payload_of
from maru.components.node.model.resources import oci_resources, oom_score_adj, pod_request, qos_class
from maru.components.node.model.security import UserDatabase, apparmor_name, capabilities_of, selinux_label, user_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.oci.seccomp import default_profile

HERE = Surroundings("node", ["192.0.2.1"], ["10.0.0.2"], {"cpu": "4", "memory": "8Gi"})
DATABASE = UserDatabase(["root:x:0:0::/root:/bin/sh", "ana:x:1000:1001::/people/ana:/bin/sh"], ["team:x:2000:ana"])


def pod(**spec: object) -> Value:
    metadata = {"name": "p", "namespace": "ns", "uid": "u", "labels": {"a": "1"}, "annotations": {"b": 'say "x"\n'}}
    return {"metadata": metadata, "spec": {"containers": [], **spec}}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$(NOT)", "$(NOT)"),
        ("$(A", "$(A"),
        ("$A $", "$A $"),
        ("$$$(A)", "$1"),
        ("x$(A)$(A)", "x11"),
    ],
)
def test_references_expand_as_kubernetes_does(text: str, result: str) -> None:
    assert expand(text, {"A": "1"}) == result


def test_services_stand_in_variables_unless_links_are_off() -> None:
    spec = {"clusterIP": "10.96.0.7", "ports": [{"port": 80, "name": "web-ui"}, {"port": 53, "protocol": "UDP"}]}
    service = {"metadata": {"namespace": "ns", "name": "my-svc"}, "spec": spec}
    master = {
        "metadata": {"namespace": "default", "name": "kubernetes"},
        "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]},
    }
    sources = Sources(services=[service, master], around=HERE)
    found = variables(pod(), {"name": "c"}, sources)
    assert found["MY_SVC_SERVICE_HOST"] == "10.96.0.7"
    assert found["MY_SVC_SERVICE_PORT"] == "80"
    assert found["MY_SVC_SERVICE_PORT_WEB_UI"] == "80"
    assert found["MY_SVC_PORT_53_UDP_ADDR"] == "10.96.0.7"
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert sorted(variables(pod(enableServiceLinks=False), {"name": "c"}, sources))[0].startswith("KUBERNETES_")
    assert "MY_SVC_PORT" not in variables(pod(enableServiceLinks=False), {"name": "c"}, sources)


def test_missing_keys_are_told_in_the_kubelets_words() -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    with pytest.raises(StartFailed, match='secret "s" not found'):
        variables(pod(), {"name": "c", "env": env}, Sources(around=HERE))
    with pytest.raises(StartFailed, match="couldn't find key k in Secret ns/s"):
        variables(pod(), {"name": "c", "env": env}, Sources(secrets={"s": {"data": {}}}, around=HERE))
    env[0]["valueFrom"]["secretKeyRef"]["optional"] = True  # type: ignore[index]
    assert variables(pod(), {"name": "c", "env": env}, Sources(around=HERE)) == {}


def test_downward_fields_and_resources() -> None:
    assert field_value(pod(), "metadata.labels['a']", HERE) == "1"
    assert field_value(pod(), "metadata.annotations", HERE) == 'b="say \\"x\\"\\n"'
    assert field_value(pod(), "status.podIP", HERE) == "10.0.0.2"
    with_limits = pod(containers=[{"name": "c", "resources": {"limits": {"cpu": "250m", "memory": "64Mi"}}}])
    assert resource_value(with_limits, {"resource": "limits.cpu"}, "c", HERE) == "1"
    assert resource_value(with_limits, {"resource": "limits.cpu", "divisor": "1m"}, "c", HERE) == "250"
    assert resource_value(with_limits, {"resource": "limits.memory", "divisor": "1Mi"}, "c", HERE) == "64"
    assert resource_value(pod(containers=[{"name": "c"}]), {"resource": "limits.cpu"}, "c", HERE) == "4"


def test_resolver_follows_policy_and_config() -> None:
    host = parse_resolver("# x\nsearch example.test\nnameserver 192.0.2.53\noptions rotate\n")
    first = resolver_of(pod(), host, "10.96.0.10", "cluster.local")
    assert first.searches == ("ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.test")
    assert first.nameservers == ("10.96.0.10",)
    assert resolver_of(pod(dnsPolicy="Default"), host, "10.96.0.10", "cluster.local") == host
    assert resolver_of(pod(hostNetwork=True), host, "10.96.0.10", "cluster.local") == host
    config = {
        "nameservers": ["1.1.1.1"],
        "searches": ["s"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }
    none = resolver_of(pod(dnsPolicy="None", dnsConfig=config), host, "10.96.0.10", "cluster.local")
    assert none == Resolver(("1.1.1.1",), ("s",), ("ndots:2", "edns0"))
    merged = resolver_of(pod(dnsConfig=config), host, "10.96.0.10", "cluster.local")
    assert merged.options == ("ndots:2", "edns0")


def test_hostname_is_cut_and_may_be_the_full_name() -> None:
    value = pod(hostname="one", subdomain="sub", setHostnameAsFQDN=True)
    assert hostname_of(value, "node", "cluster.local") == "one.sub.ns.svc.cluster.local"
    value = pod()
    value["metadata"]["name"] = "x" * 62 + "-y"
    assert hostname_of(value, "node", "cluster.local") == "x" * 62


def test_user_comes_from_pod_image_or_root() -> None:
    container: Value = {"name": "c"}
    assert user_of(pod(), container, "", DATABASE).uid == 0
    by_name = user_of(pod(), container, "ana", DATABASE)
    assert (by_name.uid, by_name.gid, by_name.home) == (1000, 1001, "/people/ana")
    assert 2000 in by_name.groups
    context = {"runAsUser": 5, "runAsGroup": 6}
    assert user_of(pod(securityContext=context), container, "ana", DATABASE).gid == 6
    with pytest.raises(StartFailed, match="unable to find user bob"):
        user_of(pod(), container, "bob", DATABASE)


@pytest.mark.parametrize(
    ("image_user", "uid", "words"),
    [
        ("", None, "image will run as root"),
        ("ana", None, "non-numeric user"),
        ("1000", 0, "runAsUser breaks non-root policy"),
    ],
)
def test_non_root_is_kept(image_user: str, uid: int | None, words: str) -> None:
    context = {"runAsNonRoot": True, **({} if uid is None else {"runAsUser": uid})}
    with pytest.raises(StartFailed, match=words):
        user_of(pod(securityContext=context), {"name": "c"}, image_user, DATABASE)


def test_capabilities_add_and_drop() -> None:
    def of(**changes: list[str]) -> list[str]:
        return list(capabilities_of({"securityContext": {"capabilities": changes}}))

    assert of(drop=["ALL"]) == []
    assert of(drop=["ALL"], add=["NET_BIND_SERVICE"]) == ["CAP_NET_BIND_SERVICE"]
    assert "CAP_SYS_TIME" in of(add=["SYS_TIME"])
    assert "CAP_CHOWN" not in of(drop=["CHOWN"])
    assert "CAP_SYS_ADMIN" in of(add=["ALL"])
    assert "CAP_CHOWN" not in of(add=["ALL"], drop=["CHOWN"])
    with pytest.raises(StartFailed, match="unknown capability CAP_FLY"):
        of(add=["FLY"])


def test_quality_of_service_and_its_scores() -> None:
    limits = {"cpu": "1", "memory": "1Gi"}
    guaranteed = pod(containers=[{"name": "c", "resources": {"limits": limits}}])
    burstable = pod(containers=[{"name": "c", "resources": {"requests": {"memory": "1Gi"}}}])
    best_effort = pod(containers=[{"name": "c"}])
    assert [qos_class(value) for value in (guaranteed, burstable, best_effort)] == [
        "Guaranteed",
        "Burstable",
        "BestEffort",
    ]
    scores = [
        oom_score_adj(value, value["spec"]["containers"][0], 4 << 30) for value in (guaranteed, burstable, best_effort)
    ]
    assert scores == [-997, 750, 1000]
    assert oci_resources(guaranteed["spec"]["containers"][0]) == {
        "cpu": {"shares": 1024, "period": 100_000, "quota": 100_000},
        "memory": {"limit": 1 << 30},
    }


def test_pod_request_peaks_at_init_and_adds_sidecars() -> None:
    def asking(name: str, cpu: str, **more: str) -> Value:
        return {"name": name, "resources": {"requests": {"cpu": cpu}}, **more}

    value = pod(
        containers=[asking("a", "100m"), asking("b", "200m")],
        initContainers=[asking("init", "1"), asking("side", "50m", restartPolicy="Always")],
    )
    assert pod_request(value, "cpu") == 1000
    value["spec"]["initContainers"][0] = asking("init", "10m")
    assert pod_request(value, "cpu") == 350


def test_node_refuses_what_does_not_fit() -> None:
    machine = machine_of(Figures(2, 4 << 30, 100 << 30, "amd64", "6", "os", "m", "b"), NodeConfig(pods_max=1))
    check_fits(pod(), [], machine, None)
    with pytest.raises(Refused) as caught:
        check_fits(pod(), [pod()], machine, None)
    assert caught.value.reason == "OutOfpods"
    big = pod(containers=[{"name": "c", "resources": {"requests": {"memory": "5Gi"}}}])
    with pytest.raises(Refused, match="Node didn't have enough resource: memory"):
        check_fits(big, [], machine, None)
    with pytest.raises(Refused, match="NodeAffinity"):
        check_fits(pod(nodeSelector={"disk": "ssd"}), [], machine, {"metadata": {"labels": {}}})
    with pytest.raises(Refused, match="forbidden sysctl"):
        check_fits(pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), [], machine, None)


def test_payload_selects_items_and_modes() -> None:
    configmap = {"data": {"a": "1", "b": "2"}, "binaryData": {"c": base64.b64encode(b"\0").decode()}}
    material = Material({"cm": configmap}, {}, {}, HERE)
    whole = payload_of(pod(), {"name": "v", "configMap": {"name": "cm", "defaultMode": 0o600}}, material)
    assert {path: (file.content, file.mode) for path, file in whole.items()} == {
        "a": (b"1", 0o600),
        "b": (b"2", 0o600),
        "c": (b"\0", 0o600),
    }
    items = [{"key": "a", "path": "deep/a", "mode": 0o444}]
    chosen = payload_of(pod(), {"name": "v", "configMap": {"name": "cm", "items": items}}, material)
    assert [(path, file.mode) for path, file in chosen.items()] == [("deep/a", 0o444)]
    with pytest.raises(MountFailed, match="references non-existent config key: z"):
        payload_of(pod(), {"name": "v", "configMap": {"name": "cm", "items": [{"key": "z", "path": "z"}]}}, material)
    assert payload_of(pod(), {"name": "v", "secret": {"secretName": "no", "optional": True}}, material) == {}


def test_log_lines_are_filtered_and_stamped() -> None:
    line = parse_line(b"2026-01-02T03:04:05.123456789+00:00 stderr F some words")
    assert line is not None
    assert shown(line, LogOptions()) == b"some words\n"
    assert shown(line, LogOptions(timestamps=True)) == b"2026-01-02T03:04:05.123456789Z some words\n"
    assert shown(line, LogOptions(stream="Stdout")) is None
    assert shown(line, LogOptions(since=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))) is None
    partial = parse_line(b"2026-01-02T03:04:05Z stdout P half")
    assert partial is not None
    assert shown(partial, LogOptions()) == b"half"
    assert parse_line(b"no record") is None


def test_bad_log_parameters_are_named() -> None:
    with pytest.raises(Invalid, match="tailLines"):
        parse_log_options(lambda name: "-1" if name == "tailLines" else "", datetime.now(UTC))
    with pytest.raises(Invalid, match="stream"):
        parse_log_options(lambda name: "Both" if name == "stream" else "", datetime.now(UTC))


def _refusal(value: Value, **figures: bool) -> str:
    machine = Machine(4, 8 << 30, {}, {"cpu": "4", "memory": "8Gi", "pods": "10"}, **figures)
    try:
        check_fits(value, [], machine, None)
    except Refused as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("kind", "reason"), [("Unconfined", ""), ("RuntimeDefault", "AppArmor"), ("Localhost", "AppArmor")]
)
def test_apparmor_is_refused_where_the_kernel_has_none(kind: str, reason: str) -> None:
    profile = {"type": kind, "localhostProfile": "mine"}
    container = {"name": "app", "securityContext": {"appArmorProfile": profile}}
    assert _refusal(pod(containers=[container])) == reason
    assert _refusal(pod(containers=[container]), has_apparmor=True) == ""
    assert _refusal(pod(containers=[{"name": "app"}], securityContext={"appArmorProfile": profile})) == reason


def test_apparmor_annotation_counts_as_its_field() -> None:
    value = pod(containers=[{"name": "app"}])
    value["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/app": "localhost/mine"}
    assert _refusal(value) == "AppArmor"
    assert apparmor_name(value, {"name": "app"}, {"mine"}) == "mine"
    with pytest.raises(StartFailed, match="not found mine"):
        apparmor_name(value, {"name": "app"}, {"other"})


def test_selinux_is_refused_where_the_kernel_has_none() -> None:
    value = pod(containers=[{"name": "app", "securityContext": {"seLinuxOptions": {"level": "s0:c1,c2"}}}])
    assert _refusal(value) == "SELinux"
    assert _refusal(value, has_selinux=True) == ""
    assert selinux_label(value, value["spec"]["containers"][0]) == "system_u:system_r:container_t:s0:c1,c2"
    assert _refusal(pod(containers=[{"name": "app", "securityContext": {"seLinuxOptions": {}}}])) == ""


def test_default_profile_refuses_what_it_does_not_know() -> None:
    profile = default_profile(["CAP_CHOWN"])
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    plain = {name for rule in profile["syscalls"] if not rule.get("args") for name in rule["names"]}
    assert {"read", "execve", "futex"} <= plain
    assert not {"mount", "bpf", "keyctl", "io_uring_setup", "clone", "unshare", "kexec_load", "chroot"} & plain
    assert {"mount", "clone", "clone3"} <= set(default_profile(["CAP_SYS_ADMIN"])["syscalls"][0]["names"])


def test_extended_resources_that_a_person_wrote_into_the_node_can_be_asked_for() -> None:
    machine = machine_of(Figures(2, 4 << 30, 100 << 30, "amd64", "6", "os", "m", "b"), NodeConfig())
    told = {"example.com/dongle": "3", "cpu": "64", "kubernetes.io/odd": "1"}
    status = node_status({"metadata": {"name": "n"}, "status": {"capacity": told}}, machine, [], [], {})
    assert status["allocatable"]["example.com/dongle"] == status["capacity"]["example.com/dongle"] == "3"
    assert status["capacity"]["cpu"] == machine.capacity["cpu"]
    assert "kubernetes.io/odd" not in status["capacity"]
