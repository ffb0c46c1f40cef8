"""The aws command line and boto3 against a running platform, as whoever `maru env` says."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.clients.platform import Platform


@dataclass(frozen=True)
class Aws:
    """environment: what `maru env` exports, and nothing of the machine's own AWS settings."""

    environment: dict[str, str]

    @property
    def endpoint(self) -> str:
        return self.environment["AWS_ENDPOINT_URL"]

    def client(self, service: str, *, access_key: str = "", secret: str = "", **options: Any) -> Any:
        """A boto3 client that does not try again, with the administrator's key unless another is given."""
        import boto3  # the whole of it is slow to import
        from botocore.config import Config

        config = Config(retries={"total_max_attempts": 1}, **options.pop("config", {}))
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=options.pop("region", "us-east-1"),
            aws_access_key_id=access_key or self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=secret or self.environment["AWS_SECRET_ACCESS_KEY"],
            config=config,
            **options,
        )

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One aws command."""
        command = [str(Path(sys.executable).with_name("aws")), *arguments]
        done = subprocess.run(
            command, env={**_clean(), **self.environment}, capture_output=True, text=True, timeout=60, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"aws {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done


def aws_of(platform: Platform) -> Aws:
    """The clients of a platform."""
    return Aws(msgspec.json.decode(platform.maru("env", "-o", "json").stdout, type=dict[str, str]))


def _clean() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**kept, "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
