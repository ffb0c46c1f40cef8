"""docker build by the classic builder, as the command line of Docker 28 drives it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.platform import Platform, wait_until

HEX = re.compile(r"[0-9a-f]{12,64}")


@dataclass(frozen=True)
class Docker:
    """The docker command against one platform, in a folder with a build context."""

    platform: Platform
    context: Path

    @property
    def environment(self) -> dict[str, str]:
        socket = f"unix://{self.platform.data_dir}/run/docker.sock"
        return {**os.environ, "DOCKER_HOST": socket, "DOCKER_BUILDKIT": "0"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it, whatever it answers."""
        command = ["docker", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=self.environment, check=False, cwd=self.context
        )

    def __call__(self, *arguments: str) -> str:
        """What it prints. Raises AssertionError when it fails."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def build(self, dockerfile: str, *options: str) -> str:
        """Write the Dockerfile and build it; what it prints."""
        (self.context / "Dockerfile").write_text(dockerfile)
        return self("build", *options, ".")

    def refused(self, dockerfile: str, *options: str) -> tuple[int, str]:
        """The exit code and the last line of a build that must fail."""
        (self.context / "Dockerfile").write_text(dockerfile)
        done = self.run("build", *options, ".")
        return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]

    def config(self, image: str) -> Any:
        return json.loads(self("image", "inspect", image))[0]["Config"]

    def inside(self, image: str, script: str) -> list[str]:
        return self("run", "--rm", "--entrypoint", "sh", image, "-c", script).splitlines()


@pytest.fixture
def docker(platform: Platform, tmp_path: Path) -> Iterator[Docker]:
    if shutil.which("docker") is None:
        pytest.skip("the docker command is not installed")
    command = Docker(platform, tmp_path)
    yield command
    for name in command("ps", "-aq").split():
        command("rm", "-f", name)
    for image in command("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        if image.startswith("t-"):
            command("rmi", image)
    command("builder", "prune", "-f")


def masked(text: str) -> list[str]:
    return [HEX.sub("ID", line) for line in text.splitlines() if line and "Sending build context" not in line]


def test_build_tells_its_steps_and_a_second_one_uses_the_cache(docker: Docker) -> None:
    (docker.context / "a").write_text("one")
    text = 'FROM busybox\nENV GREET="hi there"\nCOPY a /in/\nRUN echo $GREET > /out\nCMD ["cat", "/out"]\n'
    told = masked(docker.build(text, "-t", "t-steps"))
    assert told == [
        "Step 1/5 : FROM busybox",
        " ---> ID",
        'Step 2/5 : ENV GREET="hi there"',
        " ---> ID",
        "Step 3/5 : COPY a /in/",
        " ---> ID",
        "Step 4/5 : RUN echo $GREET > /out",
        " ---> Running in ID",
        " ---> Removed intermediate container ID",
        " ---> ID",
        'Step 5/5 : CMD ["cat", "/out"]',
        " ---> ID",
        "Successfully built ID",
        "Successfully tagged t-steps:latest",
    ]
    assert docker("run", "--rm", "t-steps") == "hi there"
    first = docker("images", "-q", "t-steps")
    again = docker.build(text, "-t", "t-steps")
    assert again.count(" ---> Using cache") == 4
    assert docker("images", "-q", "t-steps") == first
    (docker.context / "a").write_text("two")
    assert docker.build(text, "-t", "t-steps").count(" ---> Using cache") == 1
    assert docker.inside("t-steps", "cat /in/a") == ["two"]
    assert docker.build(text, "--no-cache", "-t", "t-steps").count("Using cache") == 0
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", "t-steps").splitlines()
    assert history[0] == '/bin/sh -c #(nop)  CMD ["cat" "/out"]'
    assert history[1] == "/bin/sh -c echo $GREET > /out"
    assert history[2].startswith("/bin/sh -c #(nop) COPY file:")


def test_stages_arguments_owners_and_here_documents(docker: Docker) -> None:
    for name in ("x.txt", "y.txt", "no.log"):
        (docker.context / "in" / "deep").mkdir(parents=True, exist_ok=True)
        (docker.context / "in" / name).write_text(name)
    (docker.context / ".dockerignore").write_text("**/*.log\nDockerfile\n")
    subprocess.run(["tar", "czf", "packed.tgz", "in"], cwd=docker.context, check=True)
    docker.build(
        """ARG TAG=latest
FROM busybox:${TAG} AS made
ARG WHO
ARG FALLBACK=${WHO:-nobody}
WORKDIR /w/$FALLBACK
COPY --chown=7:8 --chmod=640 in/*.txt ./
COPY . /all
ADD packed.tgz /un/
RUN <<EOF
ln -s /w /link
echo $FALLBACK > /made
EOF
COPY <<'EOF' /link/doc
$WHO
EOF
FROM busybox
COPY --from=made /w /w
COPY --from=made /all /all
COPY --from=0 /un /made /got/
USER 7
EXPOSE 80 53/udp
VOLUME ["/v"]
LABEL a=b "c d"=e
STOPSIGNAL SIGINT
HEALTHCHECK --interval=3s --retries=2 CMD true
ENTRYPOINT ["sh"]
""",
        *("-t", "t-stages", "--build-arg", "WHO=me", "--label", "z=it's"),
    )
    script = "stat -c '%u:%g %a' /w/me/x.txt; ls /w/me /all/in; ls -A /all; cat /w/doc /got/made; ls /got/in; id -u"
    assert docker.inside("t-stages", script) == [
        "7:8 640",
        *("/all/in:", "deep", "x.txt", "y.txt", "", "/w/me:", "x.txt", "y.txt"),
        *(".dockerignore", "in", "packed.tgz"),
        *("$WHO", "me"),
        *("deep", "no.log", "x.txt", "y.txt"),
        "7",
    ]
    config = docker.config("t-stages")
    assert config["Labels"] == {"a": "b", "c d": "e", "z": "it's"}
    assert set(config["ExposedPorts"]) == {"80/tcp", "53/udp"}
    assert (config["Volumes"], config["StopSignal"], config["Entrypoint"]) == ({"/v": {}}, "SIGINT", ["sh"])
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 3 * 10**9, "Retries": 2}


def test_triggers_run_in_the_build_that_stands_on_them(docker: Docker) -> None:
    docker.build("FROM busybox\nONBUILD ENV X=trigger\nONBUILD RUN echo $X > /x\n", "-t", "t-base")
    told = docker.build("FROM t-base\nRUN cat /x\n", "-t", "t-child")
    assert "# Executing 2 build triggers\n" in told
    assert "\ntrigger\n" in told
    assert not docker.config("t-child").get("OnBuild")


def test_failures_are_said_in_dockerds_words_with_its_code(docker: Docker) -> None:
    words = "The command '/bin/sh -c exit 3' returned a non-zero code: 3"
    assert docker.refused("FROM busybox\nRUN exit 3\n", "--force-rm", "-t", "t-no") == (3, words)
    assert docker("ps", "-aq") == ""
    assert docker("images", "-q", "t-no") == ""
    assert docker.refused("FROM busybox\nCOPY nosuch /\n") == (
        1,
        "COPY failed: file not found in build context or excluded by .dockerignore: stat nosuch: file does not exist",
    )
    code, line = docker.refused("FROM busybox\nRUN --mount=type=secret,id=x cat /x\n")
    assert (code, line[:38]) == (1, "the --mount option requires BuildKit. ")
    code, line = docker.refused("FROM busybox\nNOPE\n")
    assert line == "Error response from daemon: dockerfile parse error on line 2: unknown instruction: NOPE"


def test_squash_leaves_one_layer_that_shows_the_same(docker: Docker) -> None:
    steps = "RUN mkdir /d; echo 1 > /d/x; echo a > /a\nRUN rm /d/x /etc/group; ln /a /b\n"
    docker.build(f'FROM busybox\n{steps}CMD ["sh", "-c", "ls /d /etc/group; cat /a /b"]\n', "--squash", "-t", "t-flat")
    assert docker("inspect", "-f", "{{len .RootFS.Layers}}", "t-flat") == "2"
    done = docker.run("run", "--rm", "--network", "none", "t-flat")
    assert (done.stdout, done.stderr) == ("/d:\na\na\n", "ls: /etc/group: No such file or directory\n")
    history = docker("history", "--no-trunc", "--format", "{{.Size}} {{.Comment}}", "t-flat").splitlines()
    assert history[0].startswith("2B merge sha256:")
    assert history[1:4] == ["0B "] * 3


def test_an_abandoned_build_leaves_no_container(docker: Docker) -> None:
    (docker.context / "Dockerfile").write_text("FROM busybox\nRUN sleep 1000\n")
    process = subprocess.Popen(
        ["docker", "build", "."], cwd=docker.context, env=docker.environment, stdout=-3, stderr=-3
    )
    wait_until(lambda: docker("ps", "-q"), "the step runs", 10.0)
    process.kill()
    process.wait()
    began_s = time.monotonic()
    wait_until(lambda: not docker("ps", "-q"), "the step ends", 10.0)
    assert time.monotonic() - began_s < 10.0
