"""A specification loses what this machine cannot grant, and nothing else."""

from __future__ import annotations

from maru.components.engine.model.specification import Grant, adapt, adapt_process

POOR = Grant(frozenset({"CAP_KILL", "CAP_CHOWN"}), {"RLIMIT_NOFILE": 1000, "RLIMIT_CORE": -1}, 100)
RICH = Grant(frozenset({"CAP_KILL", "CAP_SYS_RESOURCE"}), {"RLIMIT_NOFILE": 1000}, 100)


def test_capabilities_outside_the_bounding_set_are_dropped_from_every_set() -> None:
    sets = {"bounding": ["CAP_KILL", "CAP_SYS_ADMIN"], "ambient": ["CAP_SYS_ADMIN"]}
    adapted = adapt_process({"args": ["x"], "capabilities": sets}, POOR, terminal=False)
    assert adapted["capabilities"] == {"bounding": ["CAP_KILL"], "ambient": []}
    assert sets["ambient"] == ["CAP_SYS_ADMIN"]


def test_limits_are_clamped_to_ours_only_without_the_capability() -> None:
    process = {
        "args": ["x"],
        "oomScoreAdj": -500,
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "hard": 5000, "soft": 500},
            {"type": "RLIMIT_CORE", "hard": 9, "soft": 9},
        ],
    }
    poor = adapt_process(process, POOR, terminal=False)
    assert poor["rlimits"][0] == {"type": "RLIMIT_NOFILE", "hard": 1000, "soft": 500}
    assert poor["rlimits"][1] == {"type": "RLIMIT_CORE", "hard": 9, "soft": 9}
    assert poor["oomScoreAdj"] == 100
    rich = adapt_process(process, RICH, terminal=False)
    assert rich["rlimits"] == process["rlimits"]
    assert rich["oomScoreAdj"] == -500


def test_root_is_ours_and_read_only_stays() -> None:
    adapted = adapt({"process": {"args": ["x"]}, "root": {"readonly": True}}, RICH, root="/r", terminal=True)
    assert adapted["root"] == {"path": "/r", "readonly": True}
    assert adapted["process"]["terminal"] is True
