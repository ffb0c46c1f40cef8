"""The AWS clients against a running platform: boto3 sessions, the aws command line, the examples."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from tests.clients.platform import ROOT, Platform

WAIT_S = 60.0


@dataclass(frozen=True)
class Aws:
    """One identity on one platform. environment: as `maru env` tells it, with this identity's keys."""

    environment: dict[str, str]

    @classmethod
    def of(cls, platform: Platform) -> Aws:
        """As `eval "$(maru env)"` makes one: the administrator of the first account."""
        lines = platform.maru("env").stdout.splitlines()
        told = dict(
            shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines if line.startswith("export ")
        )
        return cls({name: value for name, value in told.items() if name.startswith("AWS_")})

    def named(self, access_key: str, secret: str, token: str = "") -> Aws:
        """Another identity."""
        keys = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret}
        return Aws({**self.environment, **keys, **({"AWS_SESSION_TOKEN": token} if token else {})})

    @property
    def endpoint(self) -> str:
        """Of all services."""
        return self.environment["AWS_ENDPOINT_URL"]

    def client(self, service: str, region: str = "us-east-1", **options: object):  # type: ignore[no-untyped-def] # boto3 has no types
        """A boto3 client; options: of botocore's Config."""
        session = boto3.Session(
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self.environment.get("AWS_SESSION_TOKEN"),
            region_name=region,
        )
        return session.client(service, endpoint_url=self.endpoint, config=Config(**options))

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The aws command line; its output is JSON."""
        return self._run([str(Path(sys.executable).with_name("aws")), *arguments], check=check)

    def example(self, name: str) -> str:
        """A script of examples/aws, run as a reader would run it; what it printed."""
        return self._run([sys.executable, str(ROOT / "examples" / "aws" / name)], check=True).stdout

    def _run(self, command: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true", **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done
