"""Cluster addresses and node ports: given once, taken back, never twice."""

import asyncio

SERVICES = "/api/v1/namespaces/default/services"
MERGE = "application/merge-patch+json"


def service(name, kind="ClusterIP", **spec):
    return {"metadata": {"name": name}, "spec": {"type": kind, "selector": {"a": "b"}, "ports": [{"port": 80}], **spec}}


async def test_a_service_gets_an_address_and_families(api):
    made = await api.must_do("POST", SERVICES, service("s"))
    spec = made["spec"]
    assert spec["clusterIP"].startswith("10.96.") and spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")


async def test_headless_and_external_services_get_none(api):
    made = await api.must_do("POST", SERVICES, service("s", clusterIP="None"))
    assert made["spec"]["clusterIPs"] == ["None"]
    made = await api.must_do("POST", SERVICES, service("e", "ExternalName", externalName="example.com"))
    assert "clusterIP" not in made["spec"]


async def test_an_address_can_be_chosen_and_is_given_once(api):
    await api.must_do("POST", SERVICES, service("a", clusterIP="10.96.9.9"))
    status = await api.must_refuse(422, "POST", SERVICES, service("b", clusterIP="10.96.9.9"))
    assert "provided IP is already allocated" in status["message"]
    await api.must_refuse(422, "POST", SERVICES, service("c", clusterIP="1.2.3.4"))
    await api.must_do("DELETE", f"{SERVICES}/a")
    await api.must_do("POST", SERVICES, service("b", clusterIP="10.96.9.9"))


async def test_a_failed_or_dry_write_gives_back_what_it_took(api):
    await api.must_do("POST", f"{SERVICES}?dryRun=All", service("a", clusterIP="10.96.9.9"))
    await api.must_refuse(422, "POST", SERVICES, service("a", clusterIP="10.96.9.9", sessionAffinity="Sometimes"))
    await api.must_do("POST", SERVICES, service("a", clusterIP="10.96.9.9"))


async def test_node_ports_come_and_go_with_the_type(api):
    made = await api.must_do("POST", SERVICES, service("s", "NodePort"))
    port = made["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    status = await api.must_refuse(
        422, "POST", SERVICES, service("t", "NodePort", ports=[{"port": 1, "nodePort": port}])
    )
    assert status["message"].endswith(
        f"spec.ports[0].nodePort: Invalid value: {port}: provided port is already allocated"
    )
    outside = await api.must_refuse(
        422, "POST", SERVICES, service("t", "NodePort", ports=[{"port": 1, "nodePort": 80}])
    )
    assert "The range of valid ports is 30000-32767" in outside["message"]
    kept = await api.must_do("PATCH", f"{SERVICES}/s", {"metadata": {"labels": {"x": "y"}}}, media=MERGE)
    assert kept["spec"]["ports"][0]["nodePort"] == port
    back = await api.must_do("PATCH", f"{SERVICES}/s", {"spec": {"type": "ClusterIP"}}, media=MERGE)
    assert "nodePort" not in back["spec"]["ports"][0]
    await api.must_do("POST", SERVICES, service("t", "NodePort", ports=[{"port": 1, "nodePort": port}]))


async def test_a_hundred_services_at_once_get_a_hundred_addresses(api):
    made = await asyncio.gather(*(api.must_do("POST", SERVICES, service(f"s{i}", "NodePort")) for i in range(100)))
    assert len({one["spec"]["clusterIP"] for one in made}) == 100
    assert len({one["spec"]["ports"][0]["nodePort"] for one in made}) == 100


async def test_replacing_a_service_keeps_its_address(api):
    made = await api.must_do("POST", SERVICES, service("s"))
    after = await api.must_do("PUT", f"{SERVICES}/s", service("s", ports=[{"port": 81}]))
    assert after["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    await api.must_refuse(
        422, "PATCH", f"{SERVICES}/s", {"spec": {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7"]}}, media=MERGE
    )


async def test_the_servers_own_service_has_the_first_address(api):
    assert (await api.must_do("GET", f"{SERVICES}/kubernetes"))["spec"]["clusterIP"] == "10.96.0.1"
