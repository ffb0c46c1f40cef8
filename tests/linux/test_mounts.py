"""Overlays stack any number of layers with any names, and unmount without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.linux.mounts import Overlay, mount_overlay_blocking, mount_points, unmount_blocking

pytestmark = pytest.mark.root


@pytest.mark.parametrize(("count", "prefix"), [(1, "l"), (3, "a:b,c "), (200, "a-rather-long-name-of-a-layer-")])
def test_layers_stack_lowest_first(tmp_path: Path, count: int, prefix: str) -> None:
    layers = []
    for number in range(count):
        layer = tmp_path / f"{prefix}{number}"
        layer.mkdir()
        (layer / "top").write_text(str(number))
        (layer / f"own-{number}").touch()
        layers.append(str(layer))
    upper, work, target = tmp_path / "upper", tmp_path / "work", tmp_path / "root"
    for folder in (upper, work, target):
        folder.mkdir()
    mount_overlay_blocking(Overlay(layers, str(upper), str(work), volatile=True), str(target))
    try:
        assert mount_points(str(tmp_path)) == [str(target)]
        assert (target / "top").read_text() == str(count - 1)
        assert len(list(target.glob("own-*"))) == count
        (target / "new").write_text("x")
        assert (upper / "new").exists()
    finally:
        assert unmount_blocking(str(target))
    assert mount_points(str(tmp_path)) == []
    assert not unmount_blocking(str(target))


def test_no_layer_and_too_many_are_refused(tmp_path: Path) -> None:
    for layers in ([], [str(tmp_path)] * 501):
        with pytest.raises(ValueError, match="layers"):
            mount_overlay_blocking(Overlay(layers, str(tmp_path), str(tmp_path)), str(tmp_path))
