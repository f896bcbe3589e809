"""Files for maintainers agree with the project: citation, hooks, workflows, make targets."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from reszoo.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs():
    return [(name, job) for file in WORKFLOWS for name, job in read(file)["jobs"].items()]


def steps():
    return [step for _, job in jobs() for step in job["steps"]]


def recipe(target):
    """The commands of a target of the Makefile."""
    text = (ROOT / "Makefile").read_text()
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    return [line.strip() for line in found[1].splitlines()] if found else None


def test_the_citation_has_the_version_the_license_and_the_author_of_the_project():
    citation = read(ROOT / "CITATION.cff")
    assert str(citation["version"]) == VERSION
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"] == [{"name": "reszoo contributors"}]


def test_the_first_version_of_the_changelog_is_this_one():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", text, re.MULTILINE)[1] == VERSION
    parts = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(parts) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
        "New names",
    }


def test_hooks_run_what_make_lint_runs():
    hooks = read(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    entries = [hook["entry"].replace(".venv/bin/", "$(BIN)/") for hook in hooks]
    assert entries == [command.removesuffix(" .") for command in recipe("lint")]


def test_workflows_run_targets_of_the_makefile():
    commands = [step["run"] for step in steps() if "run" in step]
    targets = {word for command in commands for word in re.findall(r"make ([\w-]+)", command)}
    assert {"lint", "test-quick", "test", "test-slow", "coverage", "wheel"} <= targets
    assert [target for target in targets if recipe(target) is None] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_only_read_and_one_of_it_runs_at_a_time(file):
    workflow = read(file)
    assert workflow["permissions"] == {"contents": "read"}
    assert "group" in workflow["concurrency"]
    assert all(job["timeout-minutes"] <= 300 for job in workflow["jobs"].values())


def test_actions_are_pinned_to_a_major_version():
    uses = [step["uses"] for step in steps() if "uses" in step]
    assert uses and all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in uses)


def test_every_supported_python_is_tested():
    supported = {
        name.rpartition(" ")[2]
        for name in PROJECT["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", name)
    }
    for name, job in jobs():
        if name in ("quick", "tests"):
            assert set(job["strategy"]["matrix"]["python"]) == supported


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_an_issue_form_has_fields_with_labels(file):
    form = read(file)
    if file.stem == "config":
        return
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert form["name"] and form["description"] and fields
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
