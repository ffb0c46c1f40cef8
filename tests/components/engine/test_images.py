"""The real image store: pulls from a registry on loopback, archives, and what is deleted when."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import re
import socket
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zstandard

from maru.components.engine import component
from maru.components.engine.engine.images import Images
from maru.contracts.image_store import Image, RegistryAuth, RegistryUnreachable
from maru.core.errors import Denied, Invalid, NotFound, Unavailable
from maru.core.site import Site
from maru.linux.mounts import mount_blocking, unmount_blocking
from maru.wire.oci.manifest import platform_of
from tests.components.engine.registry_server import RegistryServer, digest_of, layer_tar
from tests.suites.image_store import ImageStoreSuite, Remote, Use, told

pytestmark = pytest.mark.root  # layers are unpacked with their owners, in a chroot


class _NoContainers:
    """Stands for the runtime: the stacks that are in use."""

    def __init__(self) -> None:
        self.stacks: list[list[str]] = []

    def stacks_in_use(self) -> list[list[str]]:
        return self.stacks


@pytest.fixture
async def server() -> AsyncIterator[RegistryServer]:
    async with RegistryServer() as running:
        yield running


@pytest.fixture
def containers() -> _NoContainers:
    return _NoContainers()


@pytest.fixture
async def images(needs: component.Needs, containers: _NoContainers) -> Images:
    return await component.open_images(needs, containers)


class TestImages(ImageStoreSuite):
    """With a registry that wants a token."""

    @pytest.fixture
    def use(self, images: Images, containers: _NoContainers) -> Use:
        def stand_on(image: Image) -> None:
            containers.stacks.append(list(images.layer_paths(image)))

        return stand_on

    @pytest.fixture
    def remote(self, server: RegistryServer) -> Remote:
        def offer(path: str, auth: RegistryAuth | None = None) -> str:
            return server.put_image(path, [layer_tar({"etc/a": b"1"}), layer_tar({"etc/b": b"2"})], auth=auth)

        return offer


def files_of(site: Site, kind: str) -> list[str]:
    folder = site.folder("images") / kind
    return sorted(path.name for path in folder.iterdir())


async def pulled(images: Images, reference: str) -> Image:
    await told(images.pull(reference))
    image = images.find(reference)
    assert image is not None
    return image


async def test_basic_credentials_work(images: Images, server: RegistryServer) -> None:
    auth = RegistryAuth("ada", "secret")
    server.scheme = "basic"
    reference = server.put_image("team/app:v1", [layer_tar({"a": b"1"})], auth=auth)
    await told(images.pull(reference, auth))
    assert images.find(reference) is not None


async def test_content_that_is_not_its_digest_is_refused(images: Images, server: RegistryServer, site: Site) -> None:
    layer = layer_tar({"a": b"1"})
    reference = server.put_image("team/app:v1", [layer])
    packed = digest_of(gzip.compress(layer, 1, mtime=0))
    content = bytearray(server.blobs[packed])
    content[-1] ^= 1
    server.blobs[packed] = bytes(content)
    with pytest.raises(Invalid, match="digest"):
        await told(images.pull(reference))
    assert images.find(reference) is None
    assert packed[7:] not in files_of(site, "blobs/sha256")
    assert files_of(site, "partial") == []


async def test_manifest_that_is_not_its_digest_is_refused(images: Images, server: RegistryServer) -> None:
    server.put_image("team/app:v1", [layer_tar({"a": b"1"})])
    digest = digest_of(server.manifests["team/app:v1"][0])
    other = server.manifests["team/app:v1"][0] + b" "
    server.manifests[f"team/app:{digest}"] = (other, "application/json")
    with pytest.raises(Invalid, match="digest"):
        await told(images.pull(f"{server.host}/team/app@{digest}"))


async def test_broken_download_goes_on_where_it_broke(images: Images, server: RegistryServer) -> None:
    layer = layer_tar({"random": os.urandom(300_000)})
    reference = server.put_image("team/app:v1", [layer])
    packed = digest_of(gzip.compress(layer, 1, mtime=0))
    server.cut_after[packed] = 100_000
    image = await pulled(images, reference)
    assert image.layers == (digest_of(layer),)
    assert server.gets[packed] == 2


async def test_registry_that_cannot_be_reached_is_unavailable(images: Images) -> None:
    with pytest.raises(Unavailable):
        await told(images.pull("127.0.0.1:1/team/app:v1"))


async def test_index_gives_the_image_of_this_machine(images: Images, server: RegistryServer) -> None:
    machine = platform_of(os.uname().machine).architecture
    mine = layer_tar({"mine": b"1"})
    server.put_image("team/app:mine", [mine])
    server.put_image("team/app:other", [layer_tar({"other": b"1"})])
    image = await pulled(images, server.put_index("team/app:all", {"s390x": "other", machine: "mine"}))
    assert image.layers == (digest_of(mine),)
    with pytest.raises(NotFound, match="no matching manifest"):
        await told(images.pull(server.put_index("team/app:none", {"s390x": "other"})))


async def test_index_gives_the_image_of_another_machine_that_is_asked_for(
    images: Images, server: RegistryServer
) -> None:
    other = layer_tar({"other": b"1"})
    server.put_image("team/app:mine", [layer_tar({"mine": b"1"})])
    server.put_image("team/app:other", [other])
    machine = platform_of(os.uname().machine).architecture
    reference = server.put_index("team/app:all", {machine: "mine", "s390x": "other"})
    await told(images.pull(reference, platform="linux/s390x"))
    image = images.find(reference)
    assert image is not None
    assert image.layers == (digest_of(other),)
    with pytest.raises(NotFound, match="no matching manifest for linux/ppc64le in the manifest list entries"):
        await told(images.pull(reference, platform="ppc64le"))


async def test_shared_layers_are_fetched_once_and_stay_until_the_last(
    images: Images, server: RegistryServer, site: Site
) -> None:
    shared, own = layer_tar({"shared": b"1"}), layer_tar({"own": b"2"})
    first = server.put_image("team/first:v1", [shared])
    second = server.put_image("team/second:v1", [shared, own])
    await pulled(images, first)
    await pulled(images, second)
    assert server.gets[digest_of(gzip.compress(shared, 1, mtime=0))] == 1
    assert await images.remove(second) != []
    assert files_of(site, "layers") == [digest_of(shared)[7:]]
    await images.remove(first)
    assert files_of(site, "layers") == []
    assert files_of(site, "blobs/sha256") == []


async def test_image_of_a_moved_tag_loses_the_name(images: Images, server: RegistryServer) -> None:
    reference = server.put_image("team/app:v1", [layer_tar({"a": b"1"})])
    old = await pulled(images, reference)
    server.put_image("team/app:v1", [layer_tar({"a": b"2"})])
    new = await pulled(images, reference)
    assert old.id != new.id
    kept = images.find(old.id)
    assert kept is not None
    assert kept.names == ()


async def test_images_are_there_after_a_restart_and_leftovers_are_not(
    images: Images, server: RegistryServer, needs: component.Needs, containers: _NoContainers, site: Site
) -> None:
    image = await pulled(images, server.put_image("team/app:v1", [layer_tar({"a": b"1"})]))
    stray = site.folder("images") / "layers" / "new-left"
    stray.mkdir()
    (site.folder("images") / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"nobody's")
    again = await component.open_images(needs, containers)
    assert again.list() == [image]
    assert files_of(site, "layers") == [image.layers[0][7:]]
    assert "0" * 64 not in files_of(site, "blobs/sha256")


def entry(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for key, value in fields.items():
        setattr(made, key, value)
    return made


async def test_layer_keeps_owners_modes_links_and_attributes(images: Images, server: RegistryServer) -> None:
    capability = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    attributes = {"SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape")}
    entries = [
        entry("dir", tarfile.DIRTYPE, mode=0o1777, uid=5, gid=6, mtime=1000),
        entry("dir/program", mode=0o4755, uid=7, gid=8, mtime=2000, pax_headers=attributes),
        entry("dir/hard", tarfile.LNKTYPE, linkname="dir/program"),
        entry("dir/soft", tarfile.SYMTYPE, linkname="/etc/passwd", uid=9),
        entry("null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3),
        entry("pipe", tarfile.FIFOTYPE, mode=0o600),
    ]
    image = await pulled(images, server.put_image("team/app:v1", [layer_tar({}, entries)]))
    root = Path(images.layer_paths(image)[0])
    folder, program, soft = (root / "dir").stat(), (root / "dir/program").stat(), (root / "dir/soft").lstat()
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid, folder.st_gid, folder.st_mtime) == (0o1777, 5, 6, 1000)
    assert (stat.S_IMODE(program.st_mode), program.st_uid, program.st_mtime) == (0o4755, 7, 2000)
    assert os.getxattr(root / "dir/program", "security.capability") == capability
    assert (root / "dir/hard").stat().st_ino == program.st_ino
    assert (str((root / "dir/soft").readlink()), soft.st_uid) == ("/etc/passwd", 9)
    assert (root / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISFIFO((root / "pipe").stat().st_mode)


async def test_whiteouts_become_what_overlayfs_reads(images: Images, server: RegistryServer) -> None:
    entries = [
        entry("etc/.wh.gone"),
        entry("opt/.wh..wh..opq"),
        entry("opt/new"),
        entry("var/.wh.again"),
        entry("var/again", tarfile.DIRTYPE, mode=0o755),
    ]
    image = await pulled(images, server.put_image("team/app:v1", [layer_tar({}, entries)]))
    root = Path(images.layer_paths(image)[0])
    gone = (root / "etc/gone").lstat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    for hidden in ("opt", "var/again"):
        assert os.getxattr(root / hidden, "trusted.overlay.opaque") == b"y"


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../../../escape")],
        [entry("/../escape")],
        [entry("out", tarfile.SYMTYPE, linkname="{outside}"), entry("out/escape")],
        [entry("out", tarfile.SYMTYPE, linkname="../../../../../../../../{outside}"), entry("out/escape")],
        [entry("secret", tarfile.LNKTYPE, linkname="{outside}/secret")],
    ],
)
async def test_no_layer_reaches_outside_its_folder(
    images: Images, server: RegistryServer, tmp_path: Path, entries: list[tarfile.TarInfo]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("untouched")
    for each in entries:
        each.linkname = each.linkname.replace("{outside}", str(outside))
    before = set(tmp_path.rglob("escape"))
    try:
        image = await pulled(images, server.put_image("team/app:v1", [layer_tar({}, entries)]))
        roots = [Path(path) for path in images.layer_paths(image)]
    except Invalid:
        roots = []
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").stat().st_nlink == 1
    found = {path for path in tmp_path.rglob("escape") if not any(path.is_relative_to(root) for root in roots)}
    assert found == before
    assert not Path("/escape").exists()


async def test_layer_that_is_not_its_diff_id_is_refused(images: Images, server: RegistryServer, site: Site) -> None:
    layer = layer_tar({"a": b"1"})
    reference = server.put_image("team/app:v1", [layer])
    manifest = server.manifests["team/app:v1"][0]
    document = next(blob for blob in server.blobs.values() if b"diff_ids" in blob)
    wrong = document.replace(digest_of(layer).encode(), digest_of(b"other").encode())
    server.blobs[digest_of(wrong)] = wrong
    changed = manifest.replace(digest_of(document).encode(), digest_of(wrong).encode())
    server.manifests["team/app:v1"] = (changed, server.manifests["team/app:v1"][1])
    with pytest.raises(Invalid, match="uncompressed digest"):
        await told(images.pull(reference))
    assert files_of(site, "layers") == []


async def test_pull_that_is_given_up_leaves_no_half_layer(images: Images, server: RegistryServer, site: Site) -> None:
    reference = server.put_image("team/app:v1", [layer_tar({"random": os.urandom(500_000)})])
    steps = images.pull(reference)
    await anext(steps)
    await steps.aclose()  # type: ignore[attr-defined]
    assert images.find(reference) is None
    assert files_of(site, "layers") == []
    assert files_of(site, "partial") == []
    await pulled(images, reference)


async def test_base_image_is_the_same_every_time_and_has_busybox(images: Images) -> None:
    image = await images.build_base(["maru.local/base:latest", "busybox:latest"])
    assert set(image.names) == {"maru.local/base:latest", "docker.io/library/busybox:latest"}
    root = Path(images.layer_paths(image)[0])
    assert str((root / "bin/sh").readlink()) == "busybox"
    assert (root / "usr/bin/env").exists()
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert "root:x:0:0" in (root / "etc/passwd").read_text()
    assert image.config.command == ("sh",)
    assert (await images.build_base(["busybox"])).id == image.id
    assert [found.id for found in images.list()] == [image.id]


async def test_base_image_has_its_version_as_a_tag(images: Images) -> None:
    image = await images.build_base()
    tags = {name.rpartition(":")[2] for name in image.names if name.startswith("docker.io/library/busybox:")}
    (short,) = [tag for tag in tags if re.fullmatch(r"\d+\.\d+", tag)]
    assert tags == {"latest", short, next(tag for tag in tags if tag.startswith(f"{short}."))}
    assert images.find(f"busybox:{short}") == images.find("maru.local/base")


async def test_local_names_are_looked_up_and_never_asked_for(images: Images) -> None:
    with pytest.raises(NotFound, match="own store"):
        await told(images.pull("maru.local/base"))
    await images.build_base(["maru.local/base:latest"])
    assert await told(images.pull("maru.local/base"))


async def test_refused_connection_is_an_unreachable_registry(images: Images, server: RegistryServer) -> None:
    reference = server.put_image("team/app:v1", [layer_tar({"a": b"1"})])
    await pulled(images, reference)
    await server.stop()
    with pytest.raises(RegistryUnreachable):
        await told(images.pull(reference))


async def test_silent_network_is_given_up_soon_when_the_image_is_here(images: Images) -> None:
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)  # its queue is full after these, so the kernel answers no more
        for caller in (first, second):
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        reference = f"127.0.0.1:{deaf.getsockname()[1]}/team/app:v1"
        await images.build_base([reference])
        async with asyncio.timeout(10):
            with pytest.raises(RegistryUnreachable):
                await told(images.pull(reference))


async def test_registry_that_answers_is_not_called_unreachable(images: Images, server: RegistryServer) -> None:
    reference = server.put_image("team/app:v1", [layer_tar({"a": b"1"})], auth=RegistryAuth("ada", "secret"))
    with pytest.raises(Denied):
        await told(images.pull(reference))


async def test_plain_docker_archive_loads(images: Images, tmp_path: Path) -> None:
    layer = layer_tar({"a": b"1"})
    config = (
        f'{{"architecture":"amd64","os":"linux","config":{{"Cmd":["x"]}},'
        f'"rootfs":{{"type":"layers","diff_ids":["{digest_of(layer)}"]}}}}'
    ).encode()
    manifest = b'[{"Config":"c.json","RepoTags":["old/app:v1"],"Layers":["abc/layer.tar"]}]'
    archive = layer_tar({"c.json": config, "abc/layer.tar": layer, "manifest.json": manifest})
    for name, content in (("plain.tar", archive), ("packed.tar.gz", gzip.compress(archive))):
        (tmp_path / name).write_bytes(content)
        await told(images.load(str(tmp_path / name)))
        image = images.find("old/app:v1")
        assert image is not None
        assert image.config.command == ("x",)
        assert (Path(images.layer_paths(image)[0]) / "a").read_bytes() == b"1"
        await images.remove("old/app:v1")


async def test_folder_with_an_oci_layout_loads(images: Images, server: RegistryServer, tmp_path: Path) -> None:
    reference = server.put_image("team/app:v1", [layer_tar({"a": b"1"})])
    image = await pulled(images, reference)
    saved = b"".join([chunk async for chunk in images.save([reference])])
    layout = tmp_path / "layout"
    with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
        tar.extractall(layout)
    (layout / "manifest.json").unlink()
    await images.remove(reference)
    await told(images.load(str(layout)))
    again = images.find(reference)
    assert again is not None
    assert again.id == image.id


@pytest.mark.parametrize("inside", ["link", "../../etc/passwd", "/etc/passwd"])
async def test_archive_that_points_outside_is_refused(images: Images, tmp_path: Path, inside: str) -> None:
    manifest = f'[{{"Config":"{inside}","RepoTags":["x:1"],"Layers":[]}}]'.encode()
    link = entry("link", tarfile.SYMTYPE, linkname="/etc/passwd")
    archive = tmp_path / "bad.tar"
    archive.write_bytes(layer_tar({"manifest.json": manifest}, [link] if inside == "link" else []))
    with pytest.raises(Invalid):
        await told(images.load(str(archive)))
    assert images.list() == []


async def test_zstd_layers_unpack(images: Images, server: RegistryServer) -> None:
    layer = layer_tar({"a": b"squeezed"})
    reference = server.put_image("team/app:v1", [layer])
    packed = gzip.compress(layer, 1, mtime=0)
    squeezed = zstandard.ZstdCompressor().compress(layer)
    body, kind = server.manifests["team/app:v1"]
    old = f'"digest": "{digest_of(packed)}", "size": {len(packed)}'
    new = f'"digest": "{digest_of(squeezed)}", "size": {len(squeezed)}'
    assert old.encode() in body
    server.manifests["team/app:v1"] = (body.replace(old.encode(), new.encode()), kind)
    server.blobs[digest_of(squeezed)] = squeezed
    image = await pulled(images, reference)
    assert (Path(images.layer_paths(image)[0]) / "a").read_bytes() == b"squeezed"


async def test_full_disk_is_said_and_loses_nothing(
    needs: component.Needs, site: Site, containers: _NoContainers, server: RegistryServer
) -> None:
    folder = site.folder("images")
    folder.mkdir(parents=True)
    mount_blocking("tmpfs", str(folder), "tmpfs", 0, "size=3m")
    try:
        images = await component.open_images(needs, containers)
        small = await pulled(images, server.put_image("team/small:v1", [layer_tar({"a": b"1"})]))
        large = server.put_image("team/large:v1", [layer_tar({"a": os.urandom(4 << 20)})])
        with pytest.raises(Unavailable, match="no space left on device"):
            await told(images.pull(large))
        assert images.list() == [small]
        again = await component.open_images(needs, containers)
        assert again.list() == [small]
        await pulled(again, server.put_image("team/other:v1", [layer_tar({"b": b"1"})]))
    finally:
        unmount_blocking(str(folder))


async def test_two_pulls_of_one_image_share_the_work(images: Images, server: RegistryServer) -> None:
    layer = layer_tar({"a": os.urandom(50_000)})
    reference = server.put_image("team/app:v1", [layer])
    await asyncio.gather(told(images.pull(reference)), told(images.pull(reference)))
    assert server.gets[digest_of(gzip.compress(layer, 1, mtime=0))] == 1
    assert len(images.list()) == 1
