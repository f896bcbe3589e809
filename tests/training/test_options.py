"""Options that belong together have the names and defaults of `reszoo.train`, and of the CLI."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

import reszoo
from reszoo.cli.program import command_parser
from reszoo.training.options import DataOptions, DistributionOptions, InitialWeightsOptions

KINDS = (DataOptions, InitialWeightsOptions, DistributionOptions)
OPTIONS = [(kind, field) for kind in KINDS for field in dataclasses.fields(kind)]
NOT_ON_THE_COMMAND_LINE = {"data_dir"}


@pytest.mark.parametrize(("kind", "field"), OPTIONS, ids=lambda value: getattr(value, "name", None))
def test_train_has_each_option_with_its_default(kind, field):
    parameter = inspect.signature(reszoo.train).parameters[field.name]
    assert parameter.default == field.default


def test_resume_has_each_option_of_the_devices_and_changes_none_by_default():
    parameters = inspect.signature(reszoo.resume).parameters
    for field in dataclasses.fields(DistributionOptions):
        assert parameters[field.name].default is None


@pytest.mark.parametrize(("kind", "field"), OPTIONS, ids=lambda value: getattr(value, "name", None))
def test_the_command_line_has_each_option(kind, field):
    parser, _ = command_parser("train")
    options = parser.parse_args(["train", "resnet20"])
    if field.name in NOT_ON_THE_COMMAND_LINE:
        assert not hasattr(options, field.name)
    elif kind is DistributionOptions:
        assert getattr(options, field.name) is None  # Not given: the dataclass has the default.
    else:
        assert getattr(options, field.name) == field.default


def test_only_what_is_given_changes():
    options = DistributionOptions(accumulate=2).changed(strategy="one", accumulate=None, xla=True)
    assert options == DistributionOptions("one", accumulate=2, xla=True)
    assert options.facts() == {"strategy": "one", "accumulate": 2, "xla": True}
    assert options.changed(xla="auto").facts() == {"strategy": "one", "accumulate": 2}
    assert DistributionOptions(**options.facts()) == options
