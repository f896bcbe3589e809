"""The table of targets, which an export without a target prints."""

from __future__ import annotations

from reszoo.spec import names_of
from tests.cli.conftest import call


def test_an_export_without_a_target_lists_them():
    refused = call("export", "a run")
    assert refused.code == 2
    assert "do:       write `reszoo export 'a run' --target mobile-int8`" in refused.err
    assert [line.split()[0] for line in refused.out.splitlines()[2:]] == names_of("target")
