"""What every client promises, as tests: a test module derives `ClientSuite`.

The subclass gives a fixture `clients` that yields a `Clients` over an empty API that has Pods,
ConfigMaps and ServiceAccounts and a namespace `default`.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from maru.core.client import Change, Client, Clients, DeleteOptions, PatchKind
from maru.core.errors import AlreadyExists, Conflict, NotFound
from maru.kinds.resources import CONFIGMAPS, PODS


def pod(name: str, namespace: str = "default", **labels: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "base"}]}
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}


def config(name: str, **entries: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": entries}


async def gathered(batches: AsyncIterator[Sequence[Change]], count: int) -> list[Change]:
    """The next `count` changes that are no bookmarks."""
    changes: list[Change] = []
    async with asyncio.timeout(10):
        async for batch in batches:
            changes += [change for change in batch if change.kind != "BOOKMARK"]
            if len(changes) >= count:
                break
    return changes


class ClientSuite:
    @pytest.fixture
    def client(self, clients: Clients) -> Client:
        return clients.acting_as("system:admin", ["system:masters"])

    async def test_created_document_is_read_back_with_what_the_server_adds(self, client: Client) -> None:
        made = await client.create(CONFIGMAPS, config("a", x="1"))
        assert made["metadata"]["uid"]
        assert made["metadata"]["creationTimestamp"]
        assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
        assert await client.get(CONFIGMAPS, "default", "a") == made

    async def test_name_is_generated_from_its_prefix(self, client: Client) -> None:
        value = {"metadata": {"generateName": "web-", "namespace": "default"}, "data": {}}
        names = {(await client.create(CONFIGMAPS, value))["metadata"]["name"] for _ in range(5)}
        assert len(names) == 5
        assert all(name.startswith("web-") and len(name) == 9 for name in names)

    async def test_what_is_handed_in_and_out_belongs_to_the_caller(self, client: Client) -> None:
        value = config("a", x="1")
        before = copy.deepcopy(value)
        made = await client.create(CONFIGMAPS, value)
        assert value == before
        made["data"]["x"] = "2"
        assert (await client.get(CONFIGMAPS, "default", "a"))["data"] == {"x": "1"}

    async def test_missing_and_doubled_documents_have_their_own_errors(self, client: Client) -> None:
        with pytest.raises(NotFound):
            await client.get(CONFIGMAPS, "default", "a")
        with pytest.raises(NotFound):
            await client.delete(CONFIGMAPS, "default", "a")
        with pytest.raises(NotFound):
            await client.patch(CONFIGMAPS, "default", "a", {"data": {}})
        await client.create(CONFIGMAPS, config("a"))
        with pytest.raises(AlreadyExists):
            await client.create(CONFIGMAPS, config("a"))

    async def test_update_on_top_of_an_old_version_is_a_conflict(self, client: Client) -> None:
        old = await client.create(CONFIGMAPS, config("a", x="1"))
        new = await client.update(CONFIGMAPS, {**copy.deepcopy(old), "data": {"x": "2"}})
        assert int(new["metadata"]["resourceVersion"]) > int(old["metadata"]["resourceVersion"])
        with pytest.raises(Conflict):
            await client.update(CONFIGMAPS, {**old, "data": {"x": "3"}})

    async def test_list_is_narrowed_by_namespace_and_selectors(self, client: Client) -> None:
        for name, labels in (("b", {"app": "web"}), ("a", {"app": "web"}), ("c", {"app": "db"})):
            await client.create(PODS, pod(name, **labels))
        page = await client.list(PODS, "default", labels="app=web")
        assert [document.key.name for document in page.documents] == ["a", "b"]
        page = await client.list(PODS, labels="app!=web")
        assert [document.key.name for document in page.documents] == ["c"]
        page = await client.list(PODS, labels="app in (web,db)", fields="metadata.name=c")
        assert [(d.key.storage, d.key.namespace, d.key.name) for d in page.documents] == [("pods", "default", "c")]
        document = page.documents[0]
        assert document.value == await client.get(PODS, "default", "c")
        assert str(document.version) == document.metadata["resourceVersion"]
        assert page.version >= document.version

    async def test_watch_goes_on_from_a_list(self, client: Client) -> None:
        await client.create(CONFIGMAPS, config("a"))
        since = (await client.list(CONFIGMAPS)).version
        async with client.watch(CONFIGMAPS, since=since) as batches:
            await client.create(CONFIGMAPS, config("b"))
            await client.patch(CONFIGMAPS, "default", "a", {"data": {"x": "1"}})
            await client.delete(CONFIGMAPS, "default", "b")
            changes = await gathered(batches, 3)
        assert [(c.kind, c.document and c.document.key.name) for c in changes] == [
            ("ADDED", "b"),
            ("MODIFIED", "a"),
            ("DELETED", "b"),
        ]
        assert [c.version for c in changes] == sorted({c.version for c in changes})
        assert all(c.document is not None and c.document.version == c.version for c in changes)

    async def test_watch_by_label_shows_documents_entering_and_leaving(self, client: Client) -> None:
        await client.create(PODS, pod("a", app="web"))
        since = (await client.list(PODS)).version
        async with client.watch(PODS, "default", since=since, labels="app=web") as batches:
            await client.create(PODS, pod("b", app="db"))
            await client.patch(PODS, "default", "b", {"metadata": {"labels": {"app": "web"}}})
            await client.patch(PODS, "default", "a", {"metadata": {"labels": {"app": None}}})
            changes = await gathered(batches, 2)
        assert [(c.kind, c.document and c.document.key.name) for c in changes] == [("ADDED", "b"), ("DELETED", "a")]

    async def test_patches_of_three_kinds(self, client: Client) -> None:
        await client.create(PODS, pod("a", app="web"))
        value = await client.patch(PODS, "default", "a", {"metadata": {"labels": {"app": None, "new": "1"}}})
        assert value["metadata"]["labels"] == {"new": "1"}
        strategic = {"spec": {"containers": [{"name": "main", "image": "other"}]}}
        value = await client.patch(PODS, "default", "a", strategic, kind=PatchKind.STRATEGIC)
        assert [(c["name"], c["image"]) for c in value["spec"]["containers"]] == [("main", "other")]
        operations = [{"op": "add", "path": "/metadata/labels/b", "value": "2"}]
        value = await client.patch(PODS, "default", "a", operations, kind=PatchKind.JSON)
        assert value["metadata"]["labels"] == {"new": "1", "b": "2"}

    async def test_status_and_spec_are_written_apart(self, client: Client) -> None:
        await client.create(PODS, pod("a"))
        value = await client.patch(PODS, "default", "a", {"status": {"message": "x"}}, subresource="status")
        assert value["status"]["message"] == "x"
        value = await client.patch(PODS, "default", "a", {"status": {"message": "y"}})
        assert value["status"]["message"] == "x"

    async def test_finalizer_holds_a_deletion_until_it_is_gone(self, client: Client) -> None:
        held = config("a")
        held["metadata"]["finalizers"] = ["test.maru.dev/hold"]
        await client.create(CONFIGMAPS, held)
        await client.delete(CONFIGMAPS, "default", "a")
        value = await client.get(CONFIGMAPS, "default", "a")
        assert value["metadata"]["deletionTimestamp"]
        await client.patch(CONFIGMAPS, "default", "a", {"metadata": {"finalizers": None}})
        with pytest.raises(NotFound):
            await client.get(CONFIGMAPS, "default", "a")

    async def test_deletion_with_a_wrong_precondition_is_a_conflict(self, client: Client) -> None:
        made = await client.create(CONFIGMAPS, config("a"))
        with pytest.raises(Conflict):
            await client.delete(CONFIGMAPS, "default", "a", DeleteOptions(uid="another"))
        await client.delete(CONFIGMAPS, "default", "a", DeleteOptions(uid=made["metadata"]["uid"]))

    async def test_binding_gives_a_pod_its_node(self, client: Client) -> None:
        await client.create(PODS, pod("a"))
        target = {"apiVersion": "v1", "kind": "Node", "name": "n1"}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a", "namespace": "default"}}
        await client.post(PODS, "default", "a", "binding", {**binding, "target": target})
        value = await client.get(PODS, "default", "a")
        assert value["spec"]["nodeName"] == "n1"
        with pytest.raises(Conflict):
            await client.post(PODS, "default", "a", "binding", {**binding, "target": target})
