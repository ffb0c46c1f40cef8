"""Where the images of a Pod come from: this machine, its own names, registries, and when nobody answers."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from maru.components.node.config import NodeConfig
from maru.contracts.image_store import ImageConfig, RegistryAuth
from maru.core.document import Value
from maru.kinds.resources import SECRETS
from tests.components.node.kubelet import Kubelet, fake_kubelet, pod, ready, state
from tests.fakes.images import FakeImages

pytestmark = pytest.mark.root


def images_of(node: Kubelet) -> FakeImages:
    assert isinstance(node.images, FakeImages)
    return node.images


def pod_of(image: str, **spec: object) -> Value:
    return pod("web", container={"image": image, **spec.pop("container", {})}, **spec)  # type: ignore[dict-item]


async def end(node: Kubelet) -> None:
    await node.delete("web")
    await node.until_gone("web")


async def test_local_name_starts_without_a_pull_whatever_the_policy(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    images_of(node).put("maru.local/base:latest")
    async with node.running():
        await node.create(pod_of("maru.local/base", container={"imagePullPolicy": "Always"}))
        await node.until("web", ready)
        await node.until_event("Pulled", "already present on machine")
        assert images_of(node).pulls == []
        await end(node)
    node.assert_clean()


async def test_local_name_that_is_not_there_fails_with_the_reason(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    async with node.running():
        await node.create(pod_of("maru.local/none:1"))
        value = await node.until("web", lambda value: state(value).get("waiting", {}).get("reason") == "ErrImagePull")
        assert "own store" in state(value)["waiting"]["message"]
        await end(node)
    node.assert_clean()


async def test_present_image_stands_in_when_no_registry_answers(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    images_of(node).put("busybox:latest")
    images_of(node).is_unreachable = True
    async with node.running():
        await node.create(pod_of("busybox"))
        await node.until("web", ready)
        assert (await node.until_event("Pulled", "registry cannot be reached"))["type"] == "Normal"
        assert images_of(node).pulls == ["busybox"]
        await end(node)
    node.assert_clean()


async def test_registry_is_waited_for_when_told_so(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path, config=NodeConfig(use_present_when_unreachable=False))
    images_of(node).put("busybox:latest")
    images_of(node).is_unreachable = True
    async with node.running():
        await node.create(pod_of("busybox"))
        await node.until_event("Failed", "there is no network")
        await end(node)
    node.assert_clean()


async def test_registry_that_answers_has_the_last_word(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    images_of(node).put("busybox:latest")
    async with node.running():
        await node.create(pod_of("busybox"))
        await node.until_event("Failed", "no such image")
        await node.until("web", lambda value: "waiting" in state(value) and not ready(value))
        await end(node)
    node.assert_clean()


async def test_pull_secret_opens_a_private_registry(tmp_path: Path) -> None:
    node = fake_kubelet(tmp_path)
    images_of(node).offer("registry.example/team/app:1", ImageConfig(command=("sleep", "9")), RegistryAuth("ada", "x"))
    auths = {
        "other.example": {"auth": base64.b64encode(b"bob:y").decode()},
        "https://registry.example": {"auth": base64.b64encode(b"ada:x").decode()},
    }
    content = base64.b64encode(json.dumps({"auths": auths}).encode()).decode()
    secret = {"metadata": {"name": "pull", "namespace": "default"}, "data": {".dockerconfigjson": content}}
    async with node.running():
        await node.clients.acting_as("test").create(SECRETS, secret)
        await node.create(pod_of("registry.example/team/app:1", imagePullSecrets=[{"name": "pull"}]))
        await node.until("web", ready)
        await node.until_event("Pulled", "Successfully pulled image")
        await end(node)
    node.assert_clean()
