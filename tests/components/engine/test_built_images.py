"""Images that were built upon others: what goes with them, and what holds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from maru.components.engine import component
from maru.components.engine.engine.images import Images
from maru.contracts.image_store import Commit
from maru.core.errors import Conflict
from tests.components.engine.registry_server import layer_tar

pytestmark = pytest.mark.root  # layers are unpacked with their owners, in a chroot


class _Containers:
    """Each with its image ("" when nobody knows) and the folders of its layers."""

    def __init__(self) -> None:
        self.used: list[tuple[str, Sequence[str]]] = []

    def stacks_in_use(self) -> list[Sequence[str]]:
        return [layers for _, layers in self.used]

    def images_in_use(self) -> list[tuple[str, Sequence[str]]]:
        return self.used


@pytest.fixture
def containers() -> _Containers:
    return _Containers()


@pytest.fixture
async def images(needs: component.Needs, containers: _Containers) -> Images:
    return await component.open_images(needs, containers, containers.images_in_use)


@pytest.fixture
async def chain(images: Images, tmp_path: Path) -> list[str]:
    """Ids of a named base with a layer, a step without one on it, and a named result on that."""
    layer = tmp_path / "layer.tar"
    layer.write_bytes(layer_tar({"a": b"1"}))
    base = await images.commit(Commit("", str(layer), {"Cmd": ["a"]}, name="base"))
    step = await images.commit(Commit(base.id, "", {"Cmd": ["b"]}, step="one", created_by="CMD b"))
    result = await images.commit(Commit(step.id, "", {"Cmd": ["c"]}, step="two", name="result"))
    return [base.id, step.id, result.id]


async def test_a_step_without_a_layer_shares_those_below(images: Images, chain: list[str]) -> None:
    base, step, result = (images.find(each) for each in chain)
    assert base and step and result
    assert step.layers == result.layers == base.layers
    assert (step.parent, step.step, result.parent, base.parent) == (base.id, "one", step.id, "")
    assert b'"empty_layer":true' in images.document(step)


async def test_removing_a_result_takes_the_steps_below_it_up_to_a_name(images: Images, chain: list[str]) -> None:
    gone = await images.remove("result")
    assert [each for each in gone if each in chain] == [chain[2], chain[1]]
    assert [image.id for image in images.list()] == [chain[0]]


async def test_what_others_were_built_upon_loses_its_name_only(images: Images, chain: list[str]) -> None:
    with pytest.raises(Conflict, match="dependent child images"):
        await images.remove(chain[1])
    assert await images.remove("base") == ["docker.io/library/base:latest"]
    assert images.find(chain[0]) is not None
    await images.remove("result")
    assert list(images.list()) == []


async def test_a_container_holds_its_own_image_and_no_other_of_the_same_layers(
    images: Images, containers: _Containers, chain: list[str]
) -> None:
    base = images.find("base")
    assert base is not None
    containers.used.append((base.id, images.layer_paths(base)))
    await images.remove("result")
    with pytest.raises(Conflict):
        await images.remove("base")
    containers.used[:] = [("", images.layer_paths(base))]
    with pytest.raises(Conflict):
        await images.remove("base")
