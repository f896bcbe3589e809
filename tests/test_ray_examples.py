"""The Ray examples parse, and start commands that reszoo and Ray take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from reszoo import spec
from reszoo.cli.program import command_parser
from reszoo.training.jobs.job_resources import parse_resources

FOLDER = Path(__file__).parent.parent / "docs" / "ray"


def _require_search(words: list[str]) -> Any:
    program, command, *rest = words
    assert (program, command) == ("reszoo", "tune")
    options = command_parser(command)[0].parse_args([command, *rest])
    spec.load_search(options.search)
    assert options.ray == "auto"
    return options


def test_the_rayjob_searches_on_nodes_that_have_what_each_trial_takes():
    job = yaml.safe_load((FOLDER / "rayjob.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    options = _require_search(shlex.split(job["spec"]["entrypoint"]))
    resources = parse_resources(options.per_trial)
    cluster = job["spec"]["rayClusterSpec"]
    head, workers = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    for group in (head, *workers):
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        (container,) = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert any(options.out.startswith(f"{path}/") for path in mounts)
    for group in workers:
        pod = group["template"]["spec"]
        limits = pod["containers"][0]["resources"]["limits"]
        assert int(limits["cpu"]) >= (resources.cpus or 0)
        assert int(limits["nvidia.com/gpu"]) >= (resources.gpus or 0)
        assert pod["terminationGracePeriodSeconds"] >= 60


def test_the_slurm_script_starts_ray_on_every_node_and_the_search_on_one():
    text = (FOLDER / "search.sbatch").read_text(encoding="utf-8")
    assert text.startswith("#!/bin/bash\n")
    options = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?$", text, re.MULTILINE))
    command = text[text.rindex("srun ray") :].replace("\\\n", " ")
    start, search = command.split(" -- ")
    assert shlex.split(start)[:3] == ["srun", "ray", "symmetric-run"]
    assert options["ntasks-per-node"] == "1"
    resources = parse_resources(_require_search(shlex.split(search)).per_trial)
    assert int(options["cpus-per-task"]) >= (resources.cpus or 0)
    assert int(options["gpus-per-task"]) >= (resources.gpus or 0)
