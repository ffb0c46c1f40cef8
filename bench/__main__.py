"""`python -m bench [SECTION ...] [-o json]`: measure, show progress, print tables."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from bench.report import Table, as_json, as_text, progress

SECTIONS = ("start", "api", "many", "pods", "services", "store", "docker", "runtimes", "search", "pipelines", "aws")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What Maru costs on this machine.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"among {', '.join(SECTIONS)}; all by default")
    parser.add_argument("-o", dest="form", choices=("text", "json"), default="text", help="how to print")
    told = parser.parse_args()
    unknown = [section for section in told.sections if section not in SECTIONS]
    if unknown:
        parser.error(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    tables: list[Table] = []
    for section in told.sections or SECTIONS:
        progress(section)
        tables += import_module(f"bench.{section}").measure(lambda text, name=section: progress(f"{name}: {text}"))
    progress("")
    print(as_json(tables) if told.form == "json" else as_text(tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
