"""What every container runtime promises, real or fake.

A subclass gives the fixtures `runtime` and `spec_of` (arguments and fields to a ContainerSpec whose root
has busybox).
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from maru.contracts.runtime import ContainerRuntime, ContainerSpec, ContainerState, ExecSpec
from maru.core.errors import AlreadyExists, Conflict, Deadline, Invalid, NotFound

SpecOf = Callable[..., ContainerSpec]
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP]) (.*)")


def process(*args: str) -> dict[str, object]:
    return {"args": list(args), "env": ["PATH=/bin"], "cwd": "/", "user": {"uid": 0, "gid": 0}}


class RuntimeSuite:
    async def test_container_is_created_then_runs_then_has_its_exit_code(
        self, runtime: ContainerRuntime, spec_of: SpecOf
    ) -> None:
        spec = spec_of("sh", "-c", "exit 7", labels={"a": "b"})
        created = await runtime.create(spec)
        assert (created.state, created.labels, created.exit_code) == (ContainerState.CREATED, {"a": "b"}, None)
        assert created.pid > 0
        await runtime.start(spec.id)
        ended = await asyncio.wait_for(runtime.wait(spec.id), 10)
        assert (ended.state, ended.exit_code, ended.pid) == (ContainerState.EXITED, 7, 0)
        assert created.created_at <= ended.started_at <= ended.finished_at
        assert runtime.find(spec.id) == ended

    async def test_every_listener_hears_of_an_exit(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("false")
        listeners = [runtime.exits(), runtime.exits()]
        await runtime.create(spec)
        await runtime.start(spec.id)
        for listener in listeners:
            heard = await asyncio.wait_for(anext(listener), 10)
            assert (heard.id, heard.exit_code) == (spec.id, 1)

    async def test_signals_end_with_128_and_their_number(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        assert (await runtime.start(spec.id)).state is ContainerState.RUNNING
        await runtime.kill(spec.id, signal.SIGKILL)
        assert (await asyncio.wait_for(runtime.wait(spec.id), 10)).exit_code == 137
        await runtime.kill(spec.id, signal.SIGKILL)

    async def test_log_has_both_streams_in_the_cri_format(
        self, runtime: ContainerRuntime, spec_of: SpecOf, tmp_path: Path
    ) -> None:
        log = tmp_path / "logs" / "0.log"
        log.parent.mkdir()
        spec = spec_of("sh", "-c", "echo out; echo err >&2", log_path=str(log))
        await runtime.create(spec)
        await runtime.start(spec.id)
        await asyncio.wait_for(runtime.wait(spec.id), 10)
        lines = [LINE.fullmatch(line) for line in log.read_text().splitlines()]
        assert sorted(line.groups()[1:] for line in lines if line) == [("stderr", "F", "err"), ("stdout", "F", "out")]

    async def test_removed_container_is_gone_and_removing_again_is_fine(
        self, runtime: ContainerRuntime, spec_of: SpecOf
    ) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        await runtime.start(spec.id)
        await runtime.remove(spec.id)
        assert runtime.find(spec.id) is None
        assert runtime.list() == []
        await runtime.remove(spec.id)
        with pytest.raises(NotFound):
            await runtime.start(spec.id)

    async def test_list_tells_owners_apart(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        pod, docker = spec_of("true"), spec_of("true", owner="docker")
        await runtime.create(pod)
        await runtime.create(docker)
        assert [status.id for status in runtime.list("docker")] == [docker.id]
        assert {status.id for status in runtime.list()} == {pod.id, docker.id}

    async def test_command_that_cannot_be_started_is_invalid_and_leaves_nothing(
        self, runtime: ContainerRuntime, spec_of: SpecOf
    ) -> None:
        spec = spec_of("no-such-command")
        with pytest.raises(Invalid, match="no-such-command"):
            await runtime.create(spec)
        assert runtime.find(spec.id) is None

    async def test_start_happens_once(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        await runtime.start(spec.id)
        with pytest.raises(Conflict):
            await runtime.start(spec.id)

    async def test_pause_and_resume(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        with pytest.raises(Conflict):
            await runtime.pause(spec.id)
        await runtime.start(spec.id)
        await runtime.pause(spec.id)
        paused = runtime.find(spec.id)
        assert paused is not None
        assert paused.state is ContainerState.PAUSED
        await runtime.resume(spec.id)
        resumed = runtime.find(spec.id)
        assert resumed is not None
        assert resumed.state is ContainerState.RUNNING

    async def test_exec_sync_gives_code_and_output(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        with pytest.raises(Conflict):
            await runtime.exec_sync(spec.id, process("true"), 5)
        await runtime.start(spec.id)
        assert await runtime.exec_sync(spec.id, process("sh", "-c", "echo hi; exit 3"), 10) == (3, b"hi\n")
        with pytest.raises(Invalid):
            await runtime.exec_sync(spec.id, process("no-such-command"), 10)
        with pytest.raises(Deadline):
            await runtime.exec_sync(spec.id, process("sleep", "600"), 0.2)

    async def test_exec_streams_output_and_code(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        await runtime.start(spec.id)
        session = await runtime.exec(spec.id, ExecSpec(process("sh", "-c", "echo out; echo err >&2; exit 4")))
        chunks = [chunk async for chunk in session.output()]
        assert b"".join(chunk for stream, chunk in chunks if stream == 1) == b"out\n"
        assert b"".join(chunk for stream, chunk in chunks if stream == 2) == b"err\n"
        assert await session.wait() == 4
        await session.close()

    async def test_exec_reads_stdin_until_it_is_closed(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        await runtime.start(spec.id)
        session = await runtime.exec(spec.id, ExecSpec(process("cat"), stdin=True))
        await session.write_stdin(b"through")
        await session.close_stdin()
        assert b"".join([chunk async for _, chunk in session.output()]) == b"through"
        assert await session.wait() == 0
        await session.close()

    async def test_exec_of_a_missing_command_is_invalid(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        await runtime.start(spec.id)
        with pytest.raises(Invalid):
            await runtime.exec(spec.id, ExecSpec(process("no-such-command")))

    async def test_closing_an_exec_ends_its_process(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        await runtime.start(spec.id)
        session = await runtime.exec(spec.id, ExecSpec(process("sleep", "600")))
        await session.close()
        assert await asyncio.wait_for(session.wait(), 10) == 137

    async def test_attach_talks_with_the_first_process(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("cat", stdin=True, stdin_once=True)
        await runtime.create(spec)
        await runtime.start(spec.id)
        session = await runtime.attach(spec.id, stdin=True)
        await session.write_stdin(b"hello\n")
        output = session.output()
        assert await asyncio.wait_for(anext(output), 10) == (1, b"hello\n")
        await session.close_stdin()
        assert await asyncio.wait_for(session.wait(), 10) == 0
        await session.close()

    async def test_detaching_leaves_the_container_running(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        await runtime.start(spec.id)
        session = await runtime.attach(spec.id, stdin=False)
        await session.close()
        status = runtime.find(spec.id)
        assert status is not None
        assert status.state is ContainerState.RUNNING

    async def test_usage_is_known_while_it_runs(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("sleep", "600")
        await runtime.create(spec)
        await runtime.start(spec.id)
        usage = runtime.usage(spec.id)
        assert usage is not None
        assert usage.memory_bytes > 0
        assert usage.pids >= 1
        await runtime.kill(spec.id, signal.SIGKILL)
        await asyncio.wait_for(runtime.wait(spec.id), 10)
        assert runtime.usage(spec.id) is None

    async def test_an_id_is_taken_once(self, runtime: ContainerRuntime, spec_of: SpecOf) -> None:
        spec = spec_of("true")
        await runtime.create(spec)
        with pytest.raises(AlreadyExists):
            await runtime.create(spec)

    async def test_laid_out_container_has_no_process_until_it_is_launched(
        self, runtime: ContainerRuntime, spec_of: SpecOf
    ) -> None:
        spec = spec_of("sh", "-c", "exit 5", owner="docker", is_laid_out_only=True)
        laid_out = await runtime.create(spec)
        assert (laid_out.state, laid_out.pid) == (ContainerState.CREATED, 0)
        with pytest.raises(Conflict):
            await runtime.start(spec.id)
        with pytest.raises(Conflict):
            await runtime.exec(spec.id, ExecSpec(process("true")))
        launched = await runtime.launch(spec.id, spec.spec)
        assert launched.pid > 0
        await runtime.start(spec.id)
        assert (await asyncio.wait_for(runtime.wait(spec.id), 10)).exit_code == 5
        await runtime.remove(spec.id)

    async def test_container_that_ended_is_launched_again_with_another_command(
        self, runtime: ContainerRuntime, spec_of: SpecOf
    ) -> None:
        spec = spec_of("sh", "-c", "exit 5", owner="docker", is_laid_out_only=True)
        await runtime.create(spec)
        await runtime.launch(spec.id, spec.spec)
        with pytest.raises(Conflict):
            await runtime.launch(spec.id, spec.spec)
        await runtime.start(spec.id)
        await asyncio.wait_for(runtime.wait(spec.id), 10)
        again = {**spec.spec, "process": {**spec.spec["process"], "args": ["sh", "-c", "exit 6"]}}
        assert (await runtime.launch(spec.id, again)).exit_code is None
        await runtime.start(spec.id)
        assert (await asyncio.wait_for(runtime.wait(spec.id), 10)).exit_code == 6
        await runtime.remove(spec.id)

    async def test_launch_that_is_refused_leaves_the_container_laid_out(
        self, runtime: ContainerRuntime, spec_of: SpecOf
    ) -> None:
        spec = spec_of("true", owner="docker", is_laid_out_only=True)
        await runtime.create(spec)
        wrong = {**spec.spec, "process": {**spec.spec["process"], "args": ["nosuch"]}}
        with pytest.raises(Invalid):
            await runtime.launch(spec.id, wrong)
        assert runtime.find(spec.id) is not None
        await runtime.launch(spec.id, spec.spec)
        await runtime.start(spec.id)
        assert (await asyncio.wait_for(runtime.wait(spec.id), 10)).exit_code == 0
        await runtime.remove(spec.id)
