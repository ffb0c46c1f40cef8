"""What every image store promises, real or fake.

A subclass gives the fixtures `images` and `remote`: `remote(path, auth=None)` puts a small image where
`pull` finds it and answers its whole reference; `use(image)` makes a container stand on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from maru.contracts.image_store import Image, ImageStore, Progress, RegistryAuth
from maru.core.errors import Conflict, Denied, Invalid, NotFound

Remote = Callable[..., str]
Use = Callable[[Image], None]


async def told(progress: AsyncIterator[Progress]) -> list[Progress]:
    return [step async for step in progress]


class ImageStoreSuite:
    async def test_pulled_image_is_found_by_name_digest_and_id(self, images: ImageStore, remote: Remote) -> None:
        reference = remote("team/app:v1")
        assert images.find(reference) is None
        assert await told(images.pull(reference))
        image = images.find(reference)
        assert image is not None
        assert image.names == (reference,)
        assert images.find(image.id) == image
        assert images.find(image.id[7:19]) == image
        assert images.find(image.digests[0]) == image
        assert [found.id for found in images.list()] == [image.id]

    async def test_layers_are_folders(self, images: ImageStore, remote: Remote) -> None:
        reference = remote("team/app:v1")
        await told(images.pull(reference))
        image = images.find(reference)
        assert image is not None
        paths = images.layer_paths(image)
        assert len(paths) == len(image.layers) > 0
        assert all(Path(path).is_dir() for path in paths)

    async def test_image_that_is_not_there_is_not_found(self, images: ImageStore, remote: Remote) -> None:
        there = remote("team/app:v1")
        with pytest.raises(NotFound):
            await told(images.pull(there.replace("app:v1", "other:v1")))
        with pytest.raises(NotFound):
            await images.tag("team/absent", "team/name")
        with pytest.raises(NotFound):
            await images.remove("team/absent")

    async def test_bad_reference_is_invalid(self, images: ImageStore) -> None:
        with pytest.raises(Invalid):
            await told(images.pull("Not A Reference"))

    async def test_credentials_are_asked_for(self, images: ImageStore, remote: Remote) -> None:
        auth = RegistryAuth("ada", "secret")
        reference = remote("team/hidden:v1", auth=auth)
        for wrong in (None, RegistryAuth("ada", "guess")):
            with pytest.raises(Denied):
                await told(images.pull(reference, wrong))
        await told(images.pull(reference, auth))
        assert images.find(reference) is not None

    async def test_a_tag_is_another_name(self, images: ImageStore, remote: Remote) -> None:
        reference = remote("team/app:v1")
        await told(images.pull(reference))
        await images.tag(reference, "mine")
        image = images.find("mine")
        assert image is not None
        assert set(image.names) == {reference, "docker.io/library/mine:latest"}
        with pytest.raises(Invalid):
            await images.tag(reference, "No Name")

    async def test_removing_a_name_keeps_the_image_until_the_last(self, images: ImageStore, remote: Remote) -> None:
        reference = remote("team/app:v1")
        await told(images.pull(reference))
        await images.tag(reference, "mine")
        image = images.find("mine")
        assert image is not None
        assert "docker.io/library/mine:latest" in await images.remove("mine")
        assert images.find(reference) is not None
        assert image.id in await images.remove(reference)
        assert images.find(reference) is None
        assert images.list() == []

    async def test_image_of_a_container_stays(self, images: ImageStore, remote: Remote, use: Use) -> None:
        reference = remote("team/app:v1")
        await told(images.pull(reference))
        image = images.find(reference)
        assert image is not None
        use(image)
        with pytest.raises(Conflict):
            await images.remove(reference)
        assert images.find(reference) is not None

    async def test_what_is_not_here_cannot_be_pushed(self, images: ImageStore, remote: Remote) -> None:
        reference = remote("team/app:v1")
        with pytest.raises(NotFound):
            await told(images.push(reference))
        await told(images.pull(reference))
        with pytest.raises(NotFound):
            await told(images.push(reference.replace("app:v1", "app:v2")))

    async def test_saved_images_load_again(self, images: ImageStore, remote: Remote, tmp_path: Path) -> None:
        reference = remote("team/app:v1")
        await told(images.pull(reference))
        image = images.find(reference)
        assert image is not None
        saved = tmp_path / "saved.tar"
        saved.write_bytes(b"".join([chunk async for chunk in images.save([reference])]))
        await images.remove(reference)
        await told(images.load(str(saved)))
        again = images.find(reference)
        assert again is not None
        assert (again.id, again.config, again.layers) == (image.id, image.config, image.layers)

    async def test_what_is_no_archive_is_invalid(self, images: ImageStore, tmp_path: Path) -> None:
        junk = tmp_path / "junk.tar"
        junk.write_bytes(b"this is no archive")
        with pytest.raises(Invalid):
            await told(images.load(str(junk)))

    async def test_archive_without_the_platform_asked_for_is_not_found(
        self, images: ImageStore, remote: Remote, tmp_path: Path
    ) -> None:
        reference = remote("team/app:v1")
        await told(images.pull(reference))
        saved = tmp_path / "saved.tar"
        saved.write_bytes(b"".join([chunk async for chunk in images.save([reference])]))
        await images.remove(reference)
        with pytest.raises(NotFound):
            await told(images.load(str(saved), "linux/s390x"))
        assert images.find(reference) is None
        await told(images.load(str(saved), "linux/amd64"))
        assert images.find(reference) is not None
