"""Every optimizer does the arithmetic of its paper: ten steps beside NumPy's, in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.spec.optimizer import EMA, Optimizer
from reszoo.training.optimizers.optimizers import build_optimizer, final_gradients, make_optimizer
from reszoo.training.optimizers.param_groups import ParamGroup, clip_by_weights

STEPS = 10
RATE, DECAY = 0.1, 0.01
RANDOM = np.random.default_rng(0)
START = (RANDOM.normal(size=(3, 2)), RANDOM.normal(size=2))
GRADIENTS = [(RANDOM.normal(size=(3, 2)), RANDOM.normal(size=2)) for _ in range(STEPS)]


def norm(values):
    return np.sqrt(np.square(values).sum())


# What each does to one variable: (weights, gradient, slots, step from 1, decay) -> weights. Slots
# start empty; the decay is 0 for what does not decay.


def sgd(weights, gradient, slots, step, decay, *, momentum=0.9, nesterov=True, coupled=True):
    if coupled:
        gradient = gradient + decay * weights
    else:
        weights = weights - RATE * decay * weights
    slots["v"] = momentum * slots.get("v", 0) - RATE * gradient
    return weights + (momentum * slots["v"] - RATE * gradient if nesterov else slots["v"])


def moments(gradient, slots, step, first, second, epsilon):
    slots["m"] = first * slots.get("m", 0) + (1 - first) * gradient
    slots["s"] = second * slots.get("s", 0) + (1 - second) * gradient**2
    mean, square = slots["m"] / (1 - first**step), slots["s"] / (1 - second**step)
    return mean, square, epsilon


def adam(weights, gradient, slots, step, decay, *, betas, coupled=True):
    if coupled:
        gradient = gradient + decay * weights
    else:
        weights = weights - RATE * decay * weights
    mean, square, epsilon = moments(gradient, slots, step, *betas, 1e-7)
    # Keras adds epsilon before the root of the correction, as Kingma 2015 section 2 ends.
    epsilon /= np.sqrt(1 - betas[1] ** step)
    return weights - RATE * mean / (np.sqrt(square) + epsilon)


def lamb(weights, gradient, slots, step, decay):
    mean, square, epsilon = moments(gradient, slots, step, 0.9, 0.999, 1e-6)
    move = mean / (np.sqrt(square) + epsilon) + decay * weights
    trust = norm(weights) / norm(move) if weights.ndim > 1 else 1.0
    return weights - RATE * trust * move


def rmsprop(weights, gradient, slots, step, decay):
    gradient = gradient + decay * weights
    slots["s"] = 0.95 * slots.get("s", 1.0) + 0.05 * gradient**2
    slots["v"] = 0.8 * slots.get("v", 0) + RATE * gradient / np.sqrt(slots["s"] + 1e-3)
    return weights - slots["v"]


CASES = {
    "sgd": ({}, sgd),
    "sgd, plain momentum": ({"nesterov": False}, lambda *args: sgd(*args, nesterov=False)),
    "sgd, no momentum": (
        {"momentum": 0.0},
        lambda *args: sgd(*args, momentum=0.0, nesterov=False),
    ),
    "sgd, decoupled": ({"decay": "decoupled"}, lambda *args: sgd(*args, coupled=False)),
    "adam": ({"kind": "adam", "betas": [0.8, 0.99]}, lambda *args: adam(*args, betas=(0.8, 0.99))),
    "adamw": (
        {"kind": "adamw", "betas": [0.8, 0.99]},
        lambda *args: adam(*args, betas=(0.8, 0.99), coupled=False),
    ),
    "lamb": ({"kind": "lamb", "epsilon": 1e-6}, lamb),
    "rmsprop": ({"kind": "rmsprop", "rho": 0.95, "momentum": 0.8, "epsilon": 1e-3}, rmsprop),
}


def stepped(fields, *, param_groups=None, ema=None, gradients=GRADIENTS, start=START, before=0):
    """A kernel and a bias after the steps; and their averages, where there are any."""
    options = Optimizer.model_validate(fields)
    named = zip(("kernel", "bias"), start, strict=True)
    variables = [keras.Variable(value, dtype="float64", name=name) for name, value in named]
    optimizer = make_optimizer(options, RATE, ema=ema)
    build_optimizer(optimizer, options, variables, param_groups)
    optimizer.iterations.assign(before)
    for given in gradients:
        clipped = final_gradients([tf.constant(one) for one in given], options)
        optimizer.apply(clipped, variables)
    weights = [variable.numpy() for variable in variables]
    optimizer.finalize_variable_values(variables)
    return weights, [variable.numpy() for variable in variables]


def expected(rule, decays=(DECAY, 0.0)):
    """The same by a rule of NumPy, one variable after the other: all weights along the way."""
    ways = []
    for index, decay in enumerate(decays):
        weights, slots, way = START[index], {}, []
        for step in range(1, STEPS + 1):
            weights = rule(weights, GRADIENTS[step - 1][index], slots, step, decay)
            way.append(weights)
        ways.append(way)
    return ways


def assert_equal(found, wanted):
    # Keras holds rates and moments' shares in float32, even for float64 weights.
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_momentum_in_one_kernel_is_that_of_keras_bit_for_bit(nesterov, dtype):
    options = Optimizer(kind="sgd", nesterov=nesterov, weight_decay=0.0)
    ours, stock = (keras.Variable(START[0], dtype=dtype) for _ in range(2))
    optimizer = make_optimizer(options, RATE)
    build_optimizer(optimizer, options, [ours])
    reference = keras.optimizers.SGD(RATE, momentum=options.momentum, nesterov=nesterov)
    for gradient, _ in GRADIENTS:
        optimizer.apply([tf.constant(gradient, dtype)], [ours])
        reference.apply([tf.constant(gradient, dtype)], [stock])
    np.testing.assert_array_equal(ours, stock)
    np.testing.assert_array_equal(optimizer.momentums[0], reference.momentums[0])


@pytest.mark.parametrize("name", CASES)
def test_ten_steps_are_those_of_the_formula(name):
    fields, rule = CASES[name]
    found, _ = stepped({"weight_decay": DECAY, **fields})
    assert_equal(found, [way[-1] for way in expected(rule)])


@pytest.mark.parametrize("name", CASES)
def test_vectors_decay_when_asked(name):
    fields, rule = CASES[name]
    found, _ = stepped({"weight_decay": DECAY, "decay_norm_and_bias": True, **fields})
    assert_equal(found, [way[-1] for way in expected(rule, (DECAY, DECAY))])
    assert np.abs(found[1] - expected(rule)[1][-1]).max() > 1e-5


@pytest.mark.parametrize("name", CASES)
def test_a_decay_of_its_own_multiplies_the_decay(name):
    fields, rule = CASES[name]
    param_groups = [ParamGroup(decay_factor=10.0), ParamGroup()]
    found, _ = stepped({"weight_decay": DECAY, **fields}, param_groups=param_groups)
    assert_equal(found, [way[-1] for way in expected(rule, (10 * DECAY, 0.0))])


def test_clipping_bounds_the_norm_of_the_whole_gradient():
    whole = np.sqrt(sum(norm(one) ** 2 for one in GRADIENTS[0]))
    found, _ = stepped({"momentum": 0.0, "clip_norm": 0.5}, gradients=GRADIENTS[:1])
    assert_equal(
        found, [w - RATE * g * 0.5 / whole for w, g in zip(START, GRADIENTS[0], strict=True)]
    )
    found, _ = stepped({"momentum": 0.0, "clip_norm": 100.0}, gradients=GRADIENTS[:1])
    assert_equal(found, [w - RATE * g for w, g in zip(START, GRADIENTS[0], strict=True)])


def test_adaptive_clipping_bounds_each_unit_by_its_weights_and_spares_the_head():
    kernel, bias = GRADIENTS[0]
    kernel = kernel * np.array([1.0, 1e-4])  # The second unit is short enough as it is.
    longest = 0.05 * np.sqrt((START[0] ** 2).sum(0))
    length = np.sqrt((kernel**2).sum(0))
    assert length[0] > longest[0]
    assert length[1] < longest[1]
    clipped = kernel * np.array([longest[0] / length[0], 1.0])
    param_groups = [ParamGroup(), ParamGroup(is_last=True)]
    fields = {"momentum": 0.0, "clip_adaptive": 0.05}
    found, _ = stepped(fields, param_groups=param_groups, gradients=[(kernel, bias)])
    assert_equal(found, [START[0] - RATE * clipped, START[1] - RATE * bias])
    # A vector is one unit; weights of 0 count as a thousandth.
    found, _ = stepped(fields, gradients=[(kernel, bias)], start=(START[0], np.zeros(2)))
    assert_equal(found[1:], [-RATE * bias * 0.05 * 1e-3 / norm(bias)])


def test_the_units_of_a_convolution_are_its_output_channels():
    weights, gradient = RANDOM.normal(size=(2, 3, 3, 4, 5))
    clipped = clip_by_weights(tf.constant(gradient), tf.constant(weights), 0.1).numpy()
    for unit in range(5):
        longest = 0.1 * norm(weights[..., unit])
        assert norm(gradient[..., unit]) > longest
        wanted = gradient[..., unit] * longest / norm(gradient[..., unit])
        np.testing.assert_allclose(clipped[..., unit], wanted)


@pytest.mark.parametrize("name", ["sgd", "adam", "lamb"])
def test_lookahead_goes_half_way_every_so_many_steps_and_continues_from_there(name):
    fields, rule = CASES[name]

    def looking(weights, gradient, slots, step, decay):
        slow = slots.setdefault("slow", weights)
        weights = rule(weights, gradient, slots, step, decay)
        if step % 4 == 0:
            weights = slots["slow"] = slow + 0.5 * (weights - slow)
        return weights

    found, _ = stepped({**fields, "lookahead": {"every": 4}})
    assert_equal(found, [way[-1] for way in expected(looking, (0.0, 0.0))])


@pytest.mark.parametrize(
    ("ema", "kept"),
    [
        (EMA(kept=0.9), lambda step: 0.9 if step > 1 else 0.0),
        (
            EMA(kept=0.9, every=3),
            lambda step: (0.9 if step > 3 else 0.0) if step % 3 == 0 else 1,
        ),
        (EMA(kept=0.4, ramp=True), lambda step: min(0.4, step / (9 + step)) if step > 1 else 0),
    ],
)
def test_the_average_of_the_weights_keeps_its_share(ema, kept):
    weights, averages = stepped({}, ema=ema)
    ways = expected(sgd, (0.0, 0.0))
    assert_equal(weights, [way[-1] for way in ways])
    for way, found in zip(ways, averages, strict=True):
        average = np.zeros(())
        for step, value in enumerate(way, start=1):
            average = kept(step) * average + (1 - kept(step)) * value
        assert_equal([found], [average])


def test_what_an_optimizer_keeps_is_among_its_variables_under_fixed_names():
    names = []
    for _ in range(2):
        options = Optimizer.model_validate({"kind": "lamb", "lookahead": {}})
        optimizer = make_optimizer(options, RATE, ema=EMA(kept=0.9))
        build_optimizer(optimizer, options, [keras.Variable(np.ones((2, 2)), name="kernel")])
        names.append([variable.path for variable in optimizer.variables])
    assert names[0] == names[1]
    kept = ("momentum", "velocity", "slow", "average")
    assert all(any(name.endswith(one) for name in names[0]) for one in kept)


def test_a_saved_optimizer_loads_in_stock_keras():
    for kind in ("sgd", "adam", "lamb", "rmsprop"):
        optimizer = make_optimizer(Optimizer(kind=kind), RATE)
        again = keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(optimizer)
        )
        assert type(again) is type(optimizer)
        variable = keras.Variable(np.ones((2, 2), np.float32))
        again.build([variable])
        again.apply([tf.ones((2, 2))], [variable])
        assert variable.numpy().max() < 1.0
