"""Create, read, change and delete documents with kubectl: each verb does what it does on a real cluster."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.platform import Kubectl

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""


def test_create_get_and_delete_a_configmap(kubectl: Kubectl) -> None:
    assert "configmap/fruit created" in kubectl("create", "configmap", "fruit", "--from-literal=apple=red")
    assert kubectl("get", "configmap", "fruit", "-o", "jsonpath={.data.apple}") == "red"
    assert "already exists" in kubectl.fails("create", "configmap", "fruit")
    assert 'configmap "fruit" deleted' in kubectl("delete", "configmap", "fruit")
    assert "NotFound" in kubectl.fails("get", "configmap", "fruit")


def test_tables_have_the_columns_of_the_real_thing(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "fruit", "--from-literal=apple=red")
    lines = kubectl("get", "configmaps").splitlines()
    assert lines[0].split() == ["NAME", "DATA", "AGE"]
    assert re.fullmatch(r"fruit\s+1\s+\d+s", next(line for line in lines if line.startswith("fruit")))
    header = kubectl("get", "pods,services,deployments", "-A", "-o", "wide").splitlines()[0].split()
    assert header[:3] == ["NAMESPACE", "NAME", "READY"] or header[:3] == ["NAMESPACE", "NAME", "TYPE"]
    assert kubectl("get", "nodes", "-o", "wide").splitlines()[0].split()[:5] == [
        "NAME",
        "STATUS",
        "ROLES",
        "AGE",
        "VERSION",
    ]


def test_client_side_apply_creates_changes_and_prunes_fields(kubectl: Kubectl) -> None:
    assert "configmap/settings created" in kubectl.apply(CONFIG)
    assert "configmap/settings unchanged" in kubectl.apply(CONFIG)
    changed = CONFIG.replace("colour: blue", "size: big")
    assert "configmap/settings configured" in kubectl.apply(changed)
    assert kubectl.json("get", "configmap", "settings")["data"] == {"size": "big"}


def test_server_side_apply_owns_fields_and_reports_conflicts(kubectl: Kubectl) -> None:
    assert "serverside-applied" in kubectl.apply(CONFIG, "--server-side")
    other = CONFIG.replace("blue", "green")
    said = kubectl.fails("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    assert 'conflict with "kubectl"' in said
    assert ".data.colour" in said
    kubectl.apply(other, "--server-side", "--field-manager=other", "--force-conflicts")
    owners = kubectl.json("get", "configmap", "settings", "--show-managed-fields")["metadata"]["managedFields"]
    assert {owner["manager"]: owner["operation"] for owner in owners}["other"] == "Apply"


def test_client_side_apply_migrates_to_server_side(kubectl36: Kubectl) -> None:
    kubectl36.apply(CONFIG)
    kubectl36.apply(CONFIG.replace("colour: blue", "size: big"), "--server-side")
    assert kubectl36.json("get", "configmap", "settings")["data"] == {"size": "big"}


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", '{"data":{"colour":null,"size":"big"}}'),
        ("json", '[{"op":"replace","path":"/data","value":{"size":"big"}}]'),
        ("strategic", '{"data":{"$patch":"replace","size":"big"}}'),
    ],
)
def test_patches_of_all_types(kubectl: Kubectl, kind: str, patch: str) -> None:
    kubectl.apply(CONFIG)
    assert "patched" in kubectl("patch", "configmap", "settings", "--type", kind, "-p", patch)
    assert kubectl.json("get", "configmap", "settings")["data"] == {"size": "big"}


def test_edit_with_an_editor(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(CONFIG)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/blue/violet/ "$1"\n')
    editor.chmod(0o755)
    done = subprocess.run(
        kubectl.command("edit", "configmap", "settings"),
        env={**os.environ, "KUBE_EDITOR": str(editor)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.colour}") == "violet"


def test_labels_annotations_and_selectors(kubectl: Kubectl) -> None:
    for name, tier in (("one", "front"), ("two", "back"), ("three", "back")):
        kubectl("create", "configmap", name)
        kubectl("label", "configmap", name, f"tier={tier}")
    names = lambda *selector: kubectl("get", "configmap", "-o", "name", *selector).split()  # noqa: E731
    assert names("-l", "tier=back") == ["configmap/three", "configmap/two"]
    assert names("-l", "tier in (front, other)") == ["configmap/one"]
    assert "configmap/one" not in names("-l", "tier!=front")
    assert names("--field-selector", "metadata.name=two") == ["configmap/two"]
    assert "already has a value" in kubectl.fails("label", "configmap", "one", "tier=back")
    kubectl("label", "configmap", "one", "tier-")
    assert "configmap/one" not in names("-l", "tier")
    kubectl("annotate", "configmap", "one", "note=kept")
    assert kubectl("get", "configmap", "one", "-o", "jsonpath={.metadata.annotations.note}") == "kept"
    assert "unable to parse requirement" in kubectl.fails("get", "configmap", "-l", "a in")


def test_dry_run_diff_and_replace(kubectl: Kubectl) -> None:
    kubectl.apply(CONFIG, "--dry-run=server")
    assert "NotFound" in kubectl.fails("get", "configmap", "settings")
    kubectl.apply(CONFIG)
    done = kubectl.run("diff", "-f", "-", stdin=CONFIG.replace("blue", "pink"), check=False)
    assert done.returncode == 1, done.stderr
    assert "+  colour: pink" in done.stdout
    kubectl("replace", "-f", "-", stdin=CONFIG.replace("blue", "pink"))
    assert kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.colour}") == "pink"


def test_unknown_fields_are_refused_or_warned_about(kubectl: Kubectl) -> None:
    wrong = CONFIG + "extra: 1\n"
    assert 'unknown field "extra"' in kubectl.fails("apply", "-f", "-", stdin=wrong)
    done = kubectl.run("apply", "--validate=warn", "-f", "-", stdin=wrong)
    assert 'unknown field "extra"' in done.stderr
    assert kubectl.run("apply", "--validate=ignore", "-f", "-", stdin=wrong).stderr == ""


def test_explain_and_api_resources(kubectl: Kubectl) -> None:
    said = kubectl("explain", "deployment.spec.strategy.rollingUpdate.maxSurge")
    assert "maxSurge" in said
    assert "KIND:       Deployment" in said
    assert "The maximum number of pods that can be scheduled above" in said
    listed = kubectl("api-resources", "--no-headers")
    # metrics.k8s.io has pods, too, without a short name.
    shorts = {line.split()[0]: line.split()[1] for line in listed.splitlines() if len(line.split()) > 4}
    assert shorts["pods"] == "po"
    assert shorts["deployments"] == "deploy"
    assert "apps/v1" in kubectl("api-versions").split()


def test_watch_shows_changes_as_they_come(kubectl: Kubectl) -> None:
    with subprocess.Popen(
        kubectl.command("get", "configmap", "-w", "--output-watch-events", "--no-headers"),
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        try:
            lines = iter(watching.stdout)
            assert "kube-root-ca.crt" in next(lines)
            kubectl("create", "configmap", "seen")
            assert next(lines).split()[:2] == ["ADDED", "seen"]
            kubectl("delete", "configmap", "seen")
            assert next(lines).split()[:2] == ["DELETED", "seen"]
        finally:
            watching.terminate()


def test_kustomize_builds_and_applies(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(CONFIG)
    (tmp_path / "kustomization.yaml").write_text(
        "resources: [one.yaml]\nnamePrefix: my-\nconfigMapGenerator: [{name: made, literals: [a=b]}]\n"
    )
    kubectl("apply", "-k", str(tmp_path))
    names = kubectl("get", "configmap", "-o", "name")
    assert "configmap/my-settings" in names
    assert re.search(r"configmap/my-made-[a-z0-9]{10}", names)


def test_secrets_keep_types_and_bytes(kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "login", "--from-literal=user=ann")
    assert kubectl.json("get", "secret", "login")["data"] == {"user": "YW5u"}
    kubectl(
        "create",
        "secret",
        "docker-registry",
        "pull",
        "--docker-server=reg",
        "--docker-username=u",
        "--docker-password=p",
    )
    assert kubectl.json("get", "secret", "pull")["type"] == "kubernetes.io/dockerconfigjson"


def test_large_lists_come_in_pages(kubectl36: Kubectl) -> None:
    many = "---".join(CONFIG.replace("settings", f"many-{number:03}") for number in range(60))
    kubectl36("create", "-f", "-", stdin=many)
    assert len(kubectl36("get", "configmap", "--chunk-size=7", "-o", "name").splitlines()) == 61
