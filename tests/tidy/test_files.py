"""What no committed file may hold: registry hosts, paths of one machine, and words about how it was made."""

from __future__ import annotations

import re
import subprocess

from tests.tidy.sources import ROOT

HOSTS = re.compile(
    r"pypi" + r"\.org|pythonhosted" + r"\.org|npmjs" + r"\.org|deb\.debian" + r"\.org|index-url|--find-links"
)
PATHS = re.compile(r"(?<![\w.])/(home|Users)/\w+|/wo" + r"rk/(main|shared)|/opt/wheels|\.pyenv")
WORDS = re.compile(r"\b(sub" + r"agent|AI-generated|chat" + r"gpt|this ses" + r"sion of)\b", re.IGNORECASE)


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def _lines_matching(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for name in _tracked():
        if name.startswith("tests/golden/") or name in ("tests/tidy/test_files.py", "tools/lock"):
            continue
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{name}:{number}" for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    return found


def test_no_registry_host_stands_in_a_file() -> None:
    assert _lines_matching(HOSTS) == []


def test_no_path_of_one_machine_stands_in_a_file() -> None:
    assert _lines_matching(PATHS) == []


def test_the_project_speaks_of_itself_alone() -> None:
    assert _lines_matching(WORDS) == []


def test_every_golden_folder_says_where_its_bytes_come_from() -> None:
    golden = ROOT / "tests" / "golden"
    folders = {path.parent for path in golden.rglob("*") if path.is_file() and path.name != "note.toml"}
    assert sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "note.toml").exists()) == []


def test_every_decision_is_told_in_under_a_page() -> None:
    long = [path.name for path in (ROOT / "docs" / "adr").glob("*.md") if len(path.read_text().splitlines()) > 60]
    assert long == []
