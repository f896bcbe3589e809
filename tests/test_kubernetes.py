"""The Kubernetes examples parse, and say what this program really takes and returns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from reszoo import spec
from reszoo.cli.program import command_parser
from reszoo.errors import MachineError, RestartError, UserError
from reszoo.runs.cluster.discovery import find_cluster

FILES = sorted((Path(__file__).parent.parent / "docs" / "kubernetes").glob("*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def job_of(path: Path) -> dict[str, Any]:
    (job,) = (one for one in documents(path) if one["kind"] in ("Job", "TFJob"))
    return job


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    if job["kind"] == "TFJob":
        return job["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]
    return job["spec"]["template"]["spec"]


def test_there_are_examples():
    assert [path.stem for path in FILES] == ["one_worker", "tfjob", "workers"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_command_is_one_that_can_be_started_again(path):
    (container,) = pod_of(job_of(path))["containers"]
    program, *words = [*container["command"], *container["args"]]
    assert program == "reszoo"
    options = command_parser("train")[0].parse_args(words)
    spec.load(options.spec)
    assert options.supervise
    assert any(
        options.out.startswith(mount["mountPath"] + "/")
        for mount in container["volumeMounts"]
        if not mount.get("readOnly")
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pods_have_time_to_save_and_a_disk_that_stays(path):
    pod = pod_of(job_of(path))
    assert pod["terminationGracePeriodSeconds"] >= 60
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert "persistentVolumeClaim" in volumes["runs"]


@pytest.mark.parametrize("name", ["one_worker", "workers"])
def test_the_exit_codes_mean_what_they_mean_here(name):
    job = job_of(FILES[0].with_stem(name))
    assert pod_of(job)["restartPolicy"] == "Never"
    rules = job["spec"]["podFailurePolicy"]["rules"]
    codes = {one["action"]: one["onExitCodes"]["values"] for one in rules if "onExitCodes" in one}
    assert RestartError.exit_code in codes["Ignore"]
    assert {UserError.exit_code, MachineError.exit_code} == set(codes["FailJob"])


def test_every_worker_finds_itself_among_the_others():
    service, job = documents(FILES[0].with_stem("workers"))
    variables = {one["name"]: one for one in pod_of(job)["containers"][0]["env"]}
    assert pod_of(job)["subdomain"] == service["metadata"]["name"]
    for index in range(job["spec"]["completions"]):
        text = variables["TF_CONFIG"]["value"].replace("$(INDEX)", str(index))
        json.loads(text)
        cluster = find_cluster({"TF_CONFIG": text})
        assert (cluster.worker, cluster.workers) == (index, job["spec"]["parallelism"])
        assert cluster.address == f"{job['metadata']['name']}-{index}.reszoo-workers:2222"
