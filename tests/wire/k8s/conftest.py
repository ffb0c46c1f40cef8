"""The built schema, loaded once: reading it is pure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from maru.wire.k8s.schema import SCHEMA_FILE, Schema, load_schema

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def schema() -> Schema:
    if not SCHEMA_FILE.exists():
        subprocess.run([sys.executable, str(ROOT / "tools/build_schema.py")], check=True)
    return load_schema()
