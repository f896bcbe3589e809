"""Features by role are the parts of each block: gates and branches compute its output."""

from pathlib import Path

import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.features import features
from reszoo.model.saving import load_model, save_model
from reszoo.spec import Architecture

X = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 1)).astype(np.float32)


def network(connection: str) -> Architecture:
    return Architecture.model_validate(
        {
            "name": "small",
            "input": {"shape": [8, 8, 1]},
            "stem": {"filters": 4},
            "block": {"connection": connection, "order": "relu_before_add"},
            "stages": [{"depth": 2, "width": 4}],
            "classes": 3,
        }
    )


def test_gates_and_branches_compute_the_output_of_a_block() -> None:
    model = build(network("highway"), seed=0)
    parts = {
        role: features(model, ["stem"], role=role)(X)
        for role in ("transform_gate", "transform", "merge")
    }
    assert list(parts["merge"]) == ["stem", "stage1.block1", "stage1.block2"]
    x = np.asarray(parts["merge"]["stem"])
    for block in ("stage1.block1", "stage1.block2"):
        gate, h, y = (np.asarray(parts[role][block]) for role in parts)
        assert gate.min() > 0 and gate.max() < 1
        np.testing.assert_allclose(y, x + gate * (h - x), atol=1e-4)
        x = y


def test_a_loaded_network_has_its_features(tmp_path: Path) -> None:
    spec = network("highway")
    model = build(spec, seed=0)
    save_model(model, tmp_path / "net.keras", spec=spec)
    found = features(load_model(tmp_path / "net.keras"), role="transform_gate")(X)
    for block, gate in features(model, role="transform_gate")(X).items():
        np.testing.assert_array_equal(found[block], gate)


def test_a_role_that_no_block_has_names_those_it_has() -> None:
    with pytest.raises(UserError, match="'transform_gate'") as caught:
        features(build(network("residual")), role="transform_gate")
    assert caught.value.expected == "one of transform, merge"
