"""Two replicas freeze, open and pace as one does."""

PROGRAM = """
    import numpy as np, tensorflow as tf
    from reszoo.model.build import build
    from reszoo.planning.network import plan
    from reszoo.spec import from_mapping
    from reszoo.training.freezing import freezing, param_groups
    from reszoo.training.loop.loop import Loop
    from reszoo.training.optimizers.optimizers import make_optimizer
    from tests.training.samples import SHORT, bars

    spec = from_mapping({
        "name": "two", "input": {"shape": [8, 8, 1], "mean": 100.0, "std": 80.0},
        "stem": {"filters": 4}, "norm": "none", "stages": [{"depth": 1, "width": 4}], "classes": 3,
    })
    fields = {"optimizer": {"kind": "adamw", "weight_decay": 0.01, "clip_norm": 0.5,
                            "lookahead": {"every": 3}}, "ema": 0.9, "epochs": 2,
              "freeze": ["stem"], "unfreeze_at": 2, "rate_factors": {"stage1": 0.5}}
    recipe = type(SHORT).model_validate(SHORT.model_dump() | fields)
    images, labels = bars(48)
    source = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8, drop_remainder=True)

    def trained(strategy):
        with strategy.scope():
            model = build(spec, seed=1)
            found = freezing(plan(spec), recipe)
            learning, pace = param_groups(model, found, recipe, steps=6)
            optimizer = make_optimizer(recipe.optimizer, 0.01, ema=recipe.ema)
        loop = Loop(model, optimizer, recipe.optimizer, batch=8, strategy=strategy,
                    variables=learning, param_groups=pace)
        stems = [model.get_layer("stem_conv").kernel.numpy()]
        for epoch in range(2):
            found.apply(model, epoch)
            loop.retrace()
            for batch in loop.distributed(source):
                loop.train(*batch)
            loop.average_statistics()
            stems.append(model.get_layer("stem_conv").kernel.numpy())
        optimizer.finalize_variable_values(loop.variables)
        return model, stems

    one, (first, frozen, opened) = trained(tf.distribute.get_strategy())
    np.testing.assert_array_equal(first, frozen)
    assert np.abs(opened - frozen).max() > 0.01
    two, (first, frozen, opened) = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    np.testing.assert_array_equal(first, frozen)
    for ours, theirs in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=2e-5, err_msg=ours.path)
"""


def test_two_replicas_freeze_open_and_pace_as_one(on_four_cpus):
    on_four_cpus(PROGRAM)
