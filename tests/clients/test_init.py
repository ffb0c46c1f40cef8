"""PID 1 of a container: reaping and signals with and without --init, and how it is asked to stop."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.clients.platform import Platform, wait_until
from tests.clients.test_escapes import Engine

NONE = ("--network", "none")


@pytest.fixture
def engine(platform: Platform) -> Iterator[Engine]:
    if shutil.which("docker") is None:
        pytest.skip("the docker command line is not installed")
    client = Engine(platform.data_dir / "run" / "docker.sock")
    yield client
    if ids := client("ps", "-aq").split():
        client("rm", "-fv", *ids)


def zombies(engine: Engine, name: str) -> int:
    """How many ended processes nobody waits for."""
    return engine("exec", name, "sh", "-c", "cat /proc/[0-9]*/status").count("State:\tZ")


def ended(engine: Engine, name: str, *stop: str) -> str:
    engine("stop", *stop, name)
    return engine("inspect", "-f", "{{.State.ExitCode}}", name).strip()


def test_orphans_are_reaped_by_init_and_by_nobody_else(engine: Engine) -> None:
    engine("run", "-d", "--init", "--name", "with", *NONE, "busybox", "sleep", "60")
    engine("run", "-d", "--name", "without", *NONE, "busybox", "sleep", "60")
    for name in ("with", "without"):
        engine("exec", name, "sh", "-c", "(exec sh -c 'sleep 0.1' &)")
    wait_until(lambda: zombies(engine, "without") == 1, "an orphan stays a zombie where PID 1 does not reap", 10)
    wait_until(lambda: zombies(engine, "with") == 0, "init reaps", 10)
    assert "init" in engine("exec", "with", "cat", "/proc/1/cmdline")


def test_init_forwards_signals_that_a_bare_pid_1_ignores(engine: Engine) -> None:
    engine("run", "-d", "--init", "--name", "with", *NONE, "busybox", "sleep", "60")
    engine("run", "-d", "--name", "without", "--stop-timeout", "1", *NONE, "busybox", "sleep", "60")
    assert ended(engine, "with") == "143"
    assert ended(engine, "without") == "137"


def test_stop_signal_is_the_one_that_is_sent(engine: Engine) -> None:
    script = 'trap "exit 3" INT; trap "exit 4" TERM; while :; do sleep 0.1; done'
    engine("run", "-d", "--name", "int", "--stop-signal", "SIGINT", *NONE, "busybox", "sh", "-c", script)
    assert ended(engine, "int") == "3"
    engine("run", "-d", "--name", "term", *NONE, "busybox", "sh", "-c", script)
    assert ended(engine, "term") == "4"


def test_shell_form_is_a_script_of_a_shell_and_exec_form_takes_words_as_they_are(engine: Engine) -> None:
    forms = {"shell": "ENTRYPOINT echo $0 pid $$", "exec": 'ENTRYPOINT ["echo", "$HOME"]'}
    for name, line in forms.items():
        recipe = f'FROM busybox\n{line}\nCMD ["given"]\n'.encode()
        done = engine.run("build", "-q", "-t", f"form-{name}", "-", stdin=recipe)
        assert done.returncode == 0, done.stderr
    assert engine("run", "--rm", *NONE, "form-shell", "more").strip() == "more pid 1"
    assert engine("run", "--rm", *NONE, "form-exec").strip() == "$HOME given"
    assert engine("run", "--rm", *NONE, "form-exec", "more").strip() == "$HOME more"
    engine("rmi", "form-shell", "form-exec")
