"""metrics.k8s.io: the figures of nodes and Pods as documents, lists, tables and discovery."""

from maru.contracts.usage import Measured, NodeUsage, PodUsage, Used

BASE = "/apis/metrics.k8s.io/v1beta1"
AT = "2026-01-01T00:00:00Z"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Told:
    """A node that tells these figures."""

    def __init__(self, *pods):
        self.pods = pods

    async def measure(self):
        return [Measured(NodeUsage(AT, 10.0, Used("n", 2_000_000_000, 4096 * 1024)), self.pods)]


def tell(api, *pods):
    table = api.server.edge._resources._specials
    table["pods.metrics.k8s.io", ""].__self__._usage = Told(*pods)


async def make(api, name, labels):
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await api.must_do(
        "POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": name, "labels": labels}, "spec": spec}
    )


def used(name, *containers):
    return PodUsage("default", name, AT, 7.5, containers)


async def test_pods_with_figures_are_listed_by_label_and_got_by_name(api, account):
    await make(api, "one", {"app": "a"})
    await make(api, "two", {"app": "b"})
    tell(
        api,
        used("two", Used("c", 5, 2048)),
        used("one", Used("c", 1, 1024), Used("d", 2, 1024)),
        used("gone", Used("c", 1, 1)),
    )
    listed = await api.must_do("GET", f"{BASE}/pods")
    assert (listed["kind"], [item["metadata"]["name"] for item in listed["items"]]) == (
        "PodMetricsList",
        ["one", "two"],
    )
    listed = await api.must_do("GET", f"{BASE}/namespaces/default/pods?labelSelector=app%3Db")
    assert [item["containers"] for item in listed["items"]] == [
        [{"name": "c", "usage": {"cpu": "5n", "memory": "2Ki"}}]
    ]
    one = await api.must_do("GET", f"{BASE}/namespaces/default/pods/one")
    assert (one["kind"], one["window"], one["timestamp"], len(one["containers"])) == ("PodMetrics", "7.5s", AT, 2)
    assert (await api.must_do("GET", f"{BASE}/namespaces/other/pods"))["items"] == []


async def test_table_shows_the_sum_of_a_pods_containers(api, account):
    await make(api, "one", {})
    tell(api, used("one", Used("c", 1, 1024), Used("d", 2, 1024)))
    status, table = await api.ask("GET", f"{BASE}/pods", accept=TABLE)
    assert status == 200 and [head["name"] for head in table["columnDefinitions"]] == [
        "Name",
        "cpu",
        "memory",
        "Window",
    ]
    assert [row["cells"] for row in table["rows"]] == [["one", "3n", "2Ki", "7.5s"]]


async def test_what_has_no_figures_is_not_found_in_metrics_servers_words(api, account):
    await make(api, "one", {})
    tell(api)
    status, body = await api.ask("GET", f"{BASE}/namespaces/default/pods/one")
    assert (status, body["message"]) == (404, 'podmetrics.metrics.k8s.io "default/one" not found')
    status, body = await api.ask("GET", f"{BASE}/nodes/x")
    assert (status, body["message"]) == (404, 'nodemetrics.metrics.k8s.io "x" not found')


async def test_figures_are_only_read(api, account):
    for method, path in (("DELETE", "/nodes/n"), ("GET", "/nodes?watch=true"), ("POST", "/namespaces/default/pods")):
        status, _ = await api.ask(method, BASE + path, {} if method == "POST" else None)
        assert status == 405, (method, path)


async def test_discovery_and_api_services_show_the_group(api, account):
    group = await api.must_do("GET", BASE)
    assert {(one["name"], one["kind"], *one["verbs"]) for one in group["resources"]} == {
        ("nodes", "NodeMetrics", "get", "list"),
        ("pods", "PodMetrics", "get", "list"),
    }
    assert (await api.must_do("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"))["spec"]
