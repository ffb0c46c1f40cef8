"""The fake image store keeps the real one's promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.contracts.image_store import Image, RegistryAuth
from tests.fakes.images import FakeImages
from tests.suites.image_store import ImageStoreSuite, Remote, Use


class TestFakeImages(ImageStoreSuite):
    @pytest.fixture
    def used(self) -> set[str]:
        return set()

    @pytest.fixture
    def images(self, tmp_path: Path, used: set[str]) -> FakeImages:
        return FakeImages(tmp_path / "images", in_use=lambda: used)

    @pytest.fixture
    def use(self, used: set[str]) -> Use:
        def stand_on(image: Image) -> None:
            used.add(image.id)

        return stand_on

    @pytest.fixture
    def remote(self, images: FakeImages) -> Remote:
        def offer(path: str, auth: RegistryAuth | None = None) -> str:
            images.offer(f"registry.example/{path}", auth=auth)
            return f"registry.example/{path}"

        return offer
