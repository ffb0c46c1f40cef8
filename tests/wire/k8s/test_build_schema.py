"""The build step makes the same file from the same packages, also where only a source tree is."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from maru.wire.k8s.schema import load_schema

ROOT = Path(__file__).resolve().parents[3]


def test_the_schema_is_built_from_installed_packages_alone(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("build_schema", ROOT / "tools/build_schema.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    (tmp_path / "maru/wire/k8s").mkdir(parents=True)
    shutil.copy(ROOT / "maru/wire/k8s/facts.py", tmp_path / "maru/wire/k8s/facts.py")
    path = tool.build(tmp_path)
    first = path.read_bytes()
    assert tool.build(tmp_path).read_bytes() == first
    built = load_schema(path)
    assert len(built.resources) == 68
    assert "kubernetes-validate" in built.source
    assert len(first) < 400_000
