"""Images whose content goes by sha512, and archives that have images for several platforms."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maru.components.engine import component
from maru.components.engine.engine.images import Images
from maru.core.errors import Invalid, NotFound
from maru.wire.oci.manifest import NAME_ANNOTATION, OCI_INDEX
from tests.components.engine.registry_server import RegistryServer, digest_of, layer_tar
from tests.suites.image_store import told

pytestmark = pytest.mark.root  # layers are unpacked with their owners, in a chroot


class _NoContainers:
    def stacks_in_use(self) -> list[list[str]]:
        return []


@pytest.fixture
async def server() -> AsyncIterator[RegistryServer]:
    async with RegistryServer() as running:
        yield running


@pytest.fixture
async def images(needs: component.Needs) -> Images:
    return await component.open_images(needs, _NoContainers())


async def saved(images: Images, reference: str) -> bytes:
    return b"".join([chunk async for chunk in images.save([reference])])


async def test_image_by_sha512_is_pulled_saved_and_loaded(
    images: Images, server: RegistryServer, tmp_path: Path
) -> None:
    server.algorithm = "sha512"
    named = server.put_image("team/app:v1", [layer_tar({"a": b"1"}), layer_tar({"b": b"2"})])
    digest = digest_of(server.manifests["team/app:v1"][0], "sha512")
    reference = f"{named.removesuffix(':v1')}@{digest}"
    await told(images.pull(reference))
    image = images.find(reference)
    assert image is not None
    document = images.document(image)
    assert image.id == digest_of(document)  # an image's id is docker's own, whatever its registry calls it
    assert list(image.layers) == json.loads(document)["rootfs"]["diff_ids"]
    assert [(Path(path) / name).exists() for path, name in zip(images.layer_paths(image), "ab", strict=True)] == [
        True
    ] * 2
    archive = tmp_path / "image.tar"
    archive.write_bytes(await saved(images, reference))
    await images.remove(image.id)
    assert [path for path in (tmp_path / "data" / "images" / "blobs").rglob("*") if path.is_file()] == []
    await told(images.load(str(archive)))
    again = images.find(image.id)
    assert again is not None
    assert (again.layers, again.config) == (image.layers, image.config)


@pytest.mark.parametrize("spoilt", ["manifest", "layer"])
async def test_content_that_is_not_its_sha512_digest_is_refused(
    images: Images, server: RegistryServer, spoilt: str
) -> None:
    server.algorithm = "sha512"
    named = server.put_image("team/app:v1", [layer_tar({"a": b"1"})])
    manifest, kind = server.manifests["team/app:v1"]
    digest = digest_of(manifest, "sha512")
    if spoilt == "manifest":
        server.manifests[f"team/app:{digest}"] = (manifest + b" ", kind)
    else:
        layer = json.loads(manifest)["layers"][0]
        server.blobs[layer["digest"]] = b"x" * layer["size"]
    with pytest.raises(Invalid):
        await told(images.pull(f"{named.removesuffix(':v1')}@{digest}"))
    assert images.list() == []


async def test_layout_of_several_platforms_gives_the_one_asked_for(
    images: Images, server: RegistryServer, tmp_path: Path
) -> None:
    entries, layout = [], tmp_path / "layout"
    for architecture in ("amd64", "arm64"):
        server.architecture = architecture
        reference = server.put_image(f"team/app:{architecture}", [layer_tar({architecture: b"1"})])
        await told(images.pull(reference, platform=f"linux/{architecture}"))
        with tarfile.open(fileobj=io.BytesIO(await saved(images, reference))) as tar:
            tar.extractall(layout)
        entry = json.loads((layout / "index.json").read_bytes())["manifests"][0]
        entries.append(entry | {"platform": {"os": "linux", "architecture": architecture}})
        await images.remove(reference)
    head = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    inner = json.dumps(head | {"manifests": entries}).encode()
    (layout / "blobs" / "sha256" / digest_of(inner)[7:]).write_bytes(inner)
    named = {"mediaType": OCI_INDEX, "digest": digest_of(inner), "size": len(inner)}
    named["annotations"] = {NAME_ANNOTATION: "docker.io/team/app:v1"}
    (layout / "index.json").write_bytes(json.dumps(head | {"manifests": [named]}).encode())
    for architecture in ("arm64", "amd64"):
        await told(images.load(str(layout), f"linux/{architecture}"))
        image = images.find("team/app:v1")
        assert image is not None
        assert image.architecture == architecture
    with pytest.raises(NotFound):
        await told(images.load(str(layout), "linux/s390x"))
