"""Real containers keep the promises of the contract, and what only real ones can show."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from maru.components.engine import component
from maru.components.engine.config import EngineConfig
from maru.components.engine.engine.runtime import Runtime
from maru.contracts.runtime import ContainerState, ExecSpec
from maru.core.errors import Invalid, Unavailable
from maru.core.site import Site
from maru.linux import cgroups
from maru.linux.mounts import mount_blocking, mount_points, unmount_blocking
from maru.linux.processes import start_time_ticks
from tests.components.engine.conftest import leaves_nothing
from tests.suites.runtime import LINE, RuntimeSuite, SpecOf, process

pytestmark = pytest.mark.root


class TestRuntime(RuntimeSuite):
    """With crun or runc, whichever is found to work."""


@pytest.mark.skipif(shutil.which("runc") is None, reason="runc is not installed")
class TestRunc(RuntimeSuite):
    """With runc, whatever else there is."""

    @pytest.fixture
    def needs(self, needs: component.Needs) -> component.Needs:
        return replace(needs, config=EngineConfig(runtime="runc"))


def has_ended(pid: int) -> bool:
    return start_time_ticks(pid) is None


async def test_exit_is_told_within_milliseconds(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("sleep", "600")
    await runtime.create(spec)
    await runtime.start(spec.id)
    news = runtime.exits()
    begun = time.monotonic()
    await runtime.kill(spec.id, signal.SIGKILL)
    await asyncio.wait_for(anext(news), 5)
    assert time.monotonic() - begun < 0.25  # a loaded machine; 2 ms on an idle one


async def test_terminal_of_an_exec_has_the_size_it_is_given(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("sleep", "600")
    await runtime.create(spec)
    await runtime.start(spec.id)
    shell = ExecSpec(process("sh", "-c", "read line; stty size; exit 5"), terminal=True, stdin=True)
    session = await runtime.exec(spec.id, shell)
    await session.resize(123, 45)
    await session.write_stdin(b"\n")
    output = b"".join([chunk async for _, chunk in session.output()])
    assert b"45 123" in output
    assert await session.wait() == 5
    await session.close()


async def test_terminal_container_is_attached_and_resized(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("sh", "-c", "read line; stty size", terminal=True, stdin=True)
    await runtime.create(spec)
    session = await runtime.attach(spec.id, stdin=True)
    await runtime.start(spec.id)
    await session.resize(77, 22)
    await session.write_stdin(b"\n")
    assert b"22 77" in b"".join([chunk async for _, chunk in session.output()])
    assert await asyncio.wait_for(session.wait(), 10) == 0
    await session.close()


async def test_much_output_comes_whole_through_an_exec(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("sleep", "600")
    await runtime.create(spec)
    await runtime.start(spec.id)
    session = await runtime.exec(spec.id, ExecSpec(process("dd", "if=/dev/zero", "bs=65536", "count=80")))
    size = 0
    async for stream, chunk in session.output():
        size += len(chunk) if stream == 1 else 0
    assert size == 80 * 65536
    assert await session.wait() == 0
    await session.close()


async def test_stdin_of_a_container_survives_detaching_unless_it_is_once(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("cat", stdin=True)
    await runtime.create(spec)
    await runtime.start(spec.id)
    for word in (b"one\n", b"two\n"):
        session = await runtime.attach(spec.id, stdin=True)
        await session.write_stdin(word)
        assert await asyncio.wait_for(anext(session.output()), 10) == (1, word)
        await session.close_stdin()
        await session.close()
    status = runtime.find(spec.id)
    assert status is not None
    assert status.state is ContainerState.RUNNING


async def test_out_of_memory_is_the_kernels_verdict(runtime: Runtime, spec_of: SpecOf) -> None:
    limits = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
    spec = spec_of("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=4", resources=limits)
    await runtime.create(spec)
    await runtime.start(spec.id)
    ended = await asyncio.wait_for(runtime.wait(spec.id), 30)
    assert (ended.exit_code, ended.oom_killed) == (137, True)


async def test_limits_of_a_running_container_change(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("sleep", "600", resources={"memory": {"limit": 64 << 20}, "pids": {"limit": 50}})
    await runtime.create(spec)
    await runtime.start(spec.id)
    groups = cgroups.detect()
    name = "memory.limit_in_bytes" if "memory" in groups.mounts else "memory.max"
    limit = groups.file("memory", spec.spec["linux"]["cgroupsPath"], name)
    assert limit is not None
    assert int(limit.read_text()) == 64 << 20
    await runtime.update_resources(spec.id, {"memory": {"limit": 96 << 20}})
    assert int(limit.read_text()) == 96 << 20


async def test_what_cannot_be_granted_is_clamped_not_refused(runtime: Runtime, spec_of: SpecOf) -> None:
    more = {
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1 << 30, "soft": 1 << 30}],
        "oomScoreAdj": -999,
        "capabilities": {kind: ["CAP_KILL", "CAP_SYS_RESOURCE"] for kind in ("bounding", "effective", "permitted")},
    }
    spec = spec_of("sh", "-c", "ulimit -Hn", more=more, log_path=str(runtime._containers.folder / "log"))
    if runtime._machine.grant.has_resource_capability:
        pytest.skip("this process can grant everything")
    await runtime.create(spec)
    await runtime.start(spec.id)
    assert (await asyncio.wait_for(runtime.wait(spec.id), 10)).exit_code == 0
    line = LINE.fullmatch(Path(spec.log_path).read_text().splitlines()[0])
    assert line is not None
    assert int(line.group(4)) == runtime._machine.grant.hard_limits["RLIMIT_NOFILE"]
    Path(spec.log_path).unlink()


async def test_killed_while_paused(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("sleep", "600")
    await runtime.create(spec)
    await runtime.start(spec.id)
    await runtime.pause(spec.id)
    await runtime.kill(spec.id, signal.SIGKILL)
    assert (await asyncio.wait_for(runtime.wait(spec.id), 10)).exit_code == 137


async def test_deadline_of_a_probe_ends_its_process(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("sleep", "600")
    await runtime.create(spec)
    await runtime.start(spec.id)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await runtime.exec_sync(spec.id, process("sleep", "601"), 60)
    code, _ = await runtime.exec_sync(spec.id, process("sh", "-c", "cat /proc/[0-9]*/cmdline | grep -q '[6]01'"), 10)
    assert code == 1


async def test_log_is_reopened_after_it_was_moved(runtime: Runtime, spec_of: SpecOf, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "0.log"
    spec = spec_of("cat", stdin=True, log_path=str(log))
    await runtime.create(spec)
    await runtime.start(spec.id)
    session = await runtime.attach(spec.id, stdin=True)
    output = session.output()
    await session.write_stdin(b"before\n")
    await asyncio.wait_for(anext(output), 10)
    log.rename(log.with_suffix(".old"))
    await runtime.reopen_log(spec.id)
    await session.write_stdin(b"after\n")
    await asyncio.wait_for(anext(output), 10)
    await session.close()
    assert log.with_suffix(".old").read_text().endswith("stdout F before\n")
    assert log.read_text().endswith("stdout F after\n")


async def test_large_log_is_rotated(needs: component.Needs, site: Site, spec_of: SpecOf, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "0.log"
    quick = replace(needs, config=EngineConfig(log_check_s=0.05))
    async with component.open(quick) as gives:
        spec = spec_of("sh", "-c", "while true; do echo line; sleep 0.01; done", log_path=str(log), log_bytes_max=2000)
        await gives.runtime.create(spec)
        await gives.runtime.start(spec.id)
        async with asyncio.timeout(20):
            while len(list(log.parent.iterdir())) < 2:
                await asyncio.to_thread(os.sched_yield)
        await gives.runtime.remove(spec.id)
    rotated = [file.name for file in log.parent.iterdir() if file != log]
    assert all(re.fullmatch(r"0\.log\.\d{8}-\d{6}", name) for name in rotated)
    leaves_nothing(site)


async def test_more_layers_than_fit_a_page_of_options(
    runtime: Runtime, spec_of: SpecOf, tmp_path: Path, layer: str
) -> None:
    layers = [layer]
    for number in range(150):
        folder = tmp_path / f"layer with, odd:characters and a long name {number:04d}"
        folder.mkdir()
        (folder / f"file-{number}").touch()
        layers.append(str(folder))
    spec = replace(spec_of("sh", "-c", "cat /file-0 /file-149"), layers=layers)
    await runtime.create(spec)
    await runtime.start(spec.id)
    assert (await asyncio.wait_for(runtime.wait(spec.id), 10)).exit_code == 0


async def test_what_a_container_writes_leaves_its_layers_alone(runtime: Runtime, spec_of: SpecOf, layer: str) -> None:
    spec = spec_of("sh", "-c", "echo x > /new && echo y > /bin/sh.new")
    created = await runtime.create(spec)
    await runtime.start(spec.id)
    await asyncio.wait_for(runtime.wait(spec.id), 10)
    assert (Path(created.root_path) / "new").read_text() == "x\n"
    assert not (Path(layer) / "new").exists()


async def test_container_that_exited_starts_again_on_its_file_system(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("sh", "-c", "test -e /seen && exit 3; echo > /seen", owner="docker")
    await runtime.create(spec)
    for code in (0, 3):
        await runtime.start(spec.id)
        assert (await asyncio.wait_for(runtime.wait(spec.id), 10)).exit_code == code


async def test_failed_create_leaves_nothing(runtime: Runtime, spec_of: SpecOf, site: Site) -> None:
    with pytest.raises(Invalid):
        await runtime.create(spec_of("no-such-command"))
    broken = spec_of("true")
    broken.spec["linux"]["namespaces"] = [{"type": "network", "path": "/no/such/namespace"}]
    with pytest.raises(Invalid):
        await runtime.create(broken)
    leaves_nothing_of_containers(site)


async def test_cancelled_create_leaves_nothing(runtime: Runtime, spec_of: SpecOf, site: Site) -> None:
    for wait_s in (0.0, 0.002, 0.005, 0.01, 0.02):
        spec = spec_of("sleep", "600")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(wait_s):
                await runtime.create(spec)
                await asyncio.get_running_loop().create_future()
        await runtime.remove(spec.id)
    assert runtime.list() == []
    leaves_nothing_of_containers(site)


async def test_half_made_container_is_cleared_at_the_next_start(
    needs: component.Needs, spec_of: SpecOf, site: Site
) -> None:
    async with component.open(needs) as gives:
        spec = spec_of("sleep", "600")
        status = await gives.runtime.create(spec)
    record = site.folder("engine") / "containers" / spec.id / "container.json"
    made = msgspec.json.decode(record.read_bytes())
    record.write_bytes(msgspec.json.encode(made | {"phase": "creating"}))
    async with component.open(needs) as gives:
        assert gives.runtime.list() == []
        assert has_ended(status.pid)
    leaves_nothing(site)


async def test_containers_are_adopted_and_missed_exits_are_known(
    needs: component.Needs, spec_of: SpecOf, site: Site
) -> None:
    stays, ends, waits = spec_of("sleep", "600"), spec_of("sh", "-c", "read line; exit 9", stdin=True), spec_of("true")
    async with component.open(needs) as gives:
        for spec in (stays, ends, waits):
            await gives.runtime.create(spec)
        for spec in (stays, ends):
            await gives.runtime.start(spec.id)
        before = {status.id: status for status in gives.runtime.list()}
        session = await gives.runtime.attach(ends.id, stdin=True)
    down = time.time()
    await session.write_stdin(b"\n")
    while not has_ended(before[ends.id].pid):
        await asyncio.to_thread(os.sched_yield)
    await session.close()
    async with component.open(needs) as gives:
        assert gives.runtime.find(stays.id) == before[stays.id]
        assert gives.runtime.find(waits.id) == before[waits.id]
        ended = await asyncio.wait_for(gives.runtime.wait(ends.id), 5)
        assert ended.exit_code == 9
        assert abs(component_time(ended.finished_at) - down) < 2
        assert await gives.runtime.exec_sync(stays.id, process("true"), 10) == (0, b"")
        await gives.runtime.start(waits.id)
        assert (await asyncio.wait_for(gives.runtime.wait(waits.id), 10)).exit_code == 0
        for spec in (stays, ends, waits):
            await gives.runtime.remove(spec.id)
    leaves_nothing(site)


async def test_container_outlives_the_killed_process_group_that_made_it(
    needs: component.Needs, spec_of: SpecOf, site: Site
) -> None:
    spec = spec_of("sh", "-c", "read line; exit 6", stdin=True)
    script = str(Path(__file__).with_name("engine_process.py"))
    arguments = (script, str(site.data_dir), site.instance, msgspec.json.encode(spec).decode())
    engine = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(component.__file__).parents[3])},
    )
    assert engine.stdout is not None
    assert await asyncio.wait_for(engine.stdout.readline(), 30) == b"running\n"
    os.killpg(engine.pid, signal.SIGKILL)
    await engine.wait()
    async with component.open(needs) as gives:
        status = gives.runtime.find(spec.id)
        assert status is not None
        assert status.state is ContainerState.RUNNING
        assert not has_ended(status.pid)
        session = await gives.runtime.attach(spec.id, stdin=True)
        await session.write_stdin(b"\n")
        assert await asyncio.wait_for(session.wait(), 10) == 6
        await session.close()
        await gives.runtime.remove(spec.id)
    leaves_nothing(site)


async def test_container_outlives_its_holder(runtime: Runtime, spec_of: SpecOf) -> None:
    spec = spec_of("sleep", "600")
    status = await runtime.create(spec)
    await runtime.start(spec.id)
    os.kill(runtime._containers.want(spec.id).record.holder_pid, signal.SIGKILL)
    assert await runtime.exec_sync(spec.id, process("true"), 10) == (0, b"")
    assert not has_ended(status.pid)
    await runtime.kill(spec.id, signal.SIGKILL)
    ended = await asyncio.wait_for(runtime.wait(spec.id), 10)
    assert (ended.exit_code, ended.reason) == (255, "its holder was killed: the exit code is not known")


async def test_holder_names_no_folder_of_ours_and_stands_apart(runtime: Runtime, spec_of: SpecOf, site: Site) -> None:
    spec = spec_of("sleep", "600")
    await runtime.create(spec)
    holder = runtime._containers.want(spec.id).record.holder_pid
    command = Path(f"/proc/{holder}/cmdline").read_text()
    assert str(site.data_dir) not in command
    assert "maru" not in command
    assert os.getsid(holder) == holder
    assert cgroups.group_of(holder, cgroups.detect()) == f"/{site.instance}/holders"


async def test_tear_down_takes_every_container_away(needs: component.Needs, spec_of: SpecOf, site: Site) -> None:
    async with component.open(needs) as gives:
        specs = [spec_of("sleep", "600") for _ in range(3)]
        for spec in specs:
            await gives.runtime.create(spec)
            await gives.runtime.start(spec.id)
        pids = [status.pid for status in gives.runtime.list()]
    assert not any(has_ended(pid) for pid in pids)
    await component.tear_down(site)
    assert all(has_ended(pid) for pid in pids)
    leaves_nothing(site)
    await component.tear_down(site)


async def test_full_disk_fails_a_create_and_not_what_runs(
    needs: component.Needs, site: Site, spec_of: SpecOf, tmp_path: Path
) -> None:
    folder = site.folder("engine")
    folder.mkdir(parents=True)
    mount_blocking("tmpfs", str(folder), "tmpfs", 0, "size=8m,nr_inodes=200")
    try:
        async with component.open(needs) as gives:
            spec = spec_of("sh", "-c", "read line; exit 4", stdin=True)
            await gives.runtime.create(spec)
            await gives.runtime.start(spec.id)
            session = await gives.runtime.attach(spec.id, stdin=True)
            filler = folder / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            with pytest.raises(Unavailable, match="no space left on device"):
                await gives.runtime.create(spec_of("true"))
            await session.write_stdin(b"\n")
            await session.close()
            filler.unlink()
            assert (await asyncio.wait_for(gives.runtime.wait(spec.id), 10)).exit_code == 4
            assert [status.id for status in gives.runtime.list()] == [spec.id]
            await gives.runtime.remove(spec.id)
        leaves_nothing_of_containers(site)
    finally:
        unmount_blocking(str(folder))
        shutil.rmtree(component.state_folder(site))
    assert mount_points(str(tmp_path)) == []


async def test_thirty_at_once(runtime: Runtime, spec_of: SpecOf) -> None:
    async def one(number: int) -> int | None:
        spec = spec_of("sh", "-c", f"exit {number}")
        await runtime.create(spec)
        await runtime.start(spec.id)
        code = (await asyncio.wait_for(runtime.wait(spec.id), 30)).exit_code
        await runtime.remove(spec.id)
        return code

    assert await asyncio.gather(*(one(number) for number in range(30))) == list(range(30))


@pytest.fixture
async def descriptors() -> AsyncIterator[None]:
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


async def test_no_descriptor_is_left(descriptors: None, needs: component.Needs, spec_of: SpecOf, site: Site) -> None:
    async with component.open(needs) as gives:
        spec = spec_of("cat", stdin=True)
        await gives.runtime.create(spec)
        await gives.runtime.start(spec.id)
        session = await gives.runtime.exec(spec.id, ExecSpec(process("true")))
        assert await session.wait() == 0
        await session.close()
        attached = await gives.runtime.attach(spec.id, stdin=True)
        await attached.close()
        with pytest.raises(Invalid):
            await gives.runtime.exec(spec.id, ExecSpec(process("no-such-command")))
        await gives.runtime.remove(spec.id)
    leaves_nothing(site)


def leaves_nothing_of_containers(site: Site) -> None:
    folder = site.folder("engine") / "containers"
    assert list(folder.iterdir()) == []
    assert mount_points(str(folder)) == []
    pod = [folder for folder in cgroups.detect().folders(f"/{site.instance}/pod") if folder.exists()]
    assert pod == []


def component_time(text: str) -> float:
    return datetime.fromisoformat(text[:26] + "+00:00").timestamp()
