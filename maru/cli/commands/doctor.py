"""`maru doctor`: what this machine has and lacks for Maru, and the command that mends it."""

from __future__ import annotations

import argparse
import os

import msgspec

from maru.boot.site_file import Told, default_node_name, read, site
from maru.cli.doctor import examine, examine_closely
from maru.cli.terminal import GREEN, RED, YELLOW, colour, say
from maru.core.errors import NotFound


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 when something that Maru cannot do without is missing."""
    try:
        told = read(arguments.data_dir)
    except NotFound:
        told = Told(node_name=default_node_name(), port_offset=0)
    here = site(arguments.data_dir, told)
    findings = [*examine(here), *(examine_closely(here) if os.geteuid() == 0 else ())]
    if arguments.output == "json":
        say(msgspec.json.encode(findings).decode())
    else:
        for finding in findings:
            mark = colour("✓", GREEN) if finding.is_well else colour("✗", RED if finding.is_fatal else YELLOW)
            say(f"{mark} {finding.what}: {finding.why}")
            if finding.fix and not finding.is_well:
                say(f"    to mend it: {finding.fix}")
    return 1 if any(finding.is_fatal for finding in findings) else 0
