"""The steps of an LSTM on a CPU under TensorFlow: `compiled` by XLA, and `portable` for exports and servers.

Shapes: inputs (batch, steps, features), kernel (features, 4 units), recurrent (units, 4 units), bias (4 units), a state
(batch, units); gates lie in Keras' order i f c o. Both functions return the last hidden state, the last carry, and then
the hidden states and the carries after each step (batch, steps, units) as they are run: the first `kept` of these two.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import tensorflow as tf

# Private: XLA writes in place with it, as it does not with the public tf.tensor_scatter_nd_update ...
from tensorflow.compiler.tf2xla.python.xla import dynamic_update_slice

# ... and nothing public says whether XLA will compile what is being traced.
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from keras_dl.errors import KerasDLError

# Private names of functions of Keras' trainer: nothing public says that fit, evaluate or predict is being traced.
TRAINER_FUNCTIONS = ("one_step_on_data", "multi_step_on_data", "multi_step_on_iterator")
Tensor = Any
States = tuple[Tensor, ...]


def in_xla() -> bool:
    """Whether what is being traced will be compiled by XLA, where shapes cannot depend on values."""
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def may_compile(training: bool) -> bool:
    """Whether the steps may be compiled: in training, in a function of Keras' trainer, or where XLA compiles anyway.

    Anything else may end in a SavedModel, and TensorFlow Serving refuses what XLA must compile on a CPU.
    """
    if training or in_xla():
        return True
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        if getattr(graph, "name", "").startswith(TRAINER_FUNCTIONS):
            return True
        graph = getattr(graph, "outer_graph", None)
    return False


def portable(
    inputs: Tensor,
    kernel: Tensor,
    recurrent: Tensor,
    bias: Tensor,
    hidden: Tensor,
    carry: Tensor,
    *,
    backwards: bool,
    kept: int,
) -> States:
    """Run all steps in one operation that every TensorFlow has, `BlockLSTMV2`; `backwards` from the last one."""
    inputs = tf.transpose(inputs, [1, 0, 2])
    inputs = tf.reverse(inputs, [0]) if backwards else inputs

    @tf.custom_gradient  # the one that TensorFlow has registered is of another gate order, and wrong
    def run(*given: Tensor) -> tuple[Any, Any]:
        inputs, weights, bias, hidden, carry = map(tf.stop_gradient, given)
        named = {"x": inputs, "w": weights, "b": bias, "h_prev": hidden, "cs_prev": carry, "use_peephole": False}
        named |= dict.fromkeys(("wci", "wcf", "wco"), tf.zeros_like(bias[: bias.shape[0] // 4]))
        named["seq_len_max"] = tf.shape(inputs, tf.int64)[0]
        found = tf.raw_ops.BlockLSTMV2(**named)

        def gradient(hiddens: Tensor, carries: Tensor) -> tuple[Tensor, ...]:
            slopes = tf.raw_ops.BlockLSTMGradV2(**named, **found._asdict(), h_grad=hiddens, cs_grad=carries)
            return slopes.x_grad, slopes.w_grad, slopes.b_grad, slopes.h_prev_grad, slopes.cs_prev_grad

        return (found.h, found.cs), once(gradient, given)

    hiddens, carries = run(inputs, tf.concat([kernel, recurrent], 0), bias, hidden, carry)
    return hiddens[-1], carries[-1], *(tf.transpose(states, [1, 0, 2]) for states in (hiddens, carries)[:kept])


def compiled(
    inputs: Tensor,
    kernel: Tensor,
    recurrent: Tensor,
    bias: Tensor,
    hidden: Tensor,
    carry: Tensor,
    *,
    backwards: bool,
    kept: int,
    training: bool,
    halves: bool,
) -> States:
    """Run the steps in a loop that XLA compiles once for each shape; a batch size that may vary is rounded up.

    With `halves` the rows of a training batch are run as two halves side by side: a loop keeps one core busy.
    """
    known = inputs.shape[:2]
    given = inputs, hidden, carry
    if known[0] is None and not in_xla():
        more = rounded_up(tf.shape(inputs)[0]) - tf.shape(inputs)[0]
        given = tuple(tf.pad(each, [[0, more], *[[0, 0]] * (len(each.shape) - 1)]) for each in given)
    run = trained(backwards, kept) if training else forward(*kernel.shape, backwards, kept)
    parts = 2 if training and halves and known[0] is not None and known[0] >= 16 and known[0] % 2 == 0 else 1
    pieces = zip(*(tf.split(each, parts) for each in given), strict=True)
    ran = [run(piece, kernel, recurrent, bias, *states) for piece, *states in pieces]
    after = ran[0] if parts == 1 else [tf.concat(states, 0) for states in zip(*ran, strict=True)]
    if known[0] is None and not in_xla():
        after = [states[: tf.shape(inputs)[0]] for states in after]
    shapes = [(known[0], None)] * 2 + [(*known, None)] * kept
    return tuple(tf.ensure_shape(states, shape) for states, shape in zip(after, shapes, strict=True))


def rounded_up(size: Tensor) -> Tensor:
    """Return the next of 1 to 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, ...: few shapes, at most a fourth more."""
    few = [step * 2**power for power in range(24) for step in (range(1, 9) if power == 0 else range(5, 9))]
    return tf.gather(few, tf.searchsorted(few, [size])[0])


def trained(backwards: bool, kept: int) -> Any:
    """Return the loop with a gradient whose weight part is one product after the loop, not a sum over its steps."""

    @tf.custom_gradient
    def run(*given: Tensor) -> tuple[Any, Any]:
        inputs, kernel, recurrent, bias, hidden, carry = alone = tuple(map(tf.stop_gradient, given))
        after = forward(*kernel.shape, backwards, kept=3)(*alone)
        *_, hiddens, carries, gates = after
        features, units = kernel.shape[0], recurrent.shape[0]

        def gradient(*slopes: Tensor) -> tuple[Tensor, ...]:
            carries_before = tf.concat([carry[:, None], carries[:, :-1]], 1)
            dgates, dhidden, dcarry = backward(units, kept)(*slopes, recurrent, carries, carries_before, gates)
            ran = tf.reverse(inputs, [1]) if backwards else inputs
            hiddens_before = tf.concat([hidden[:, None], hiddens[:, :-1]], 1)
            seen = tf.concat([ran, hiddens_before, tf.ones_like(ran[..., :1])], -1)  # what kernel, recurrent, bias met
            flat = tf.reshape(dgates, [-1, 4 * units])
            weights = tf.matmul(tf.reshape(seen, [-1, features + units + 1]), flat, transpose_a=True)
            dkernel, drecurrent, dbias = tf.split(weights, [features, units, 1])
            dinputs = tf.reshape(tf.matmul(flat, kernel, transpose_b=True), tf.shape(inputs))
            dinputs = tf.reverse(dinputs, [1]) if backwards else dinputs
            return dinputs, dkernel, drecurrent, tf.reshape(dbias, tf.shape(bias)), dhidden, dcarry

        return after[: 2 + kept], once(gradient, given)

    return run


def once(gradient: Any, given: tuple[Tensor, ...]) -> Any:
    """Return the gradient of a function of `given` that says so when it is differentiated itself: it would be wrong."""

    def guarded(*slopes: Tensor) -> tuple[Any, Any]:
        def second(*_: Tensor) -> None:
            raise KerasDLError(
                "this LSTM has no second derivative; use keras.layers.LSTM, which reads the same weights"
            )

        return gradient(*map(tf.stop_gradient, slopes[: len(slopes) - len(given)])), second

    return lambda *slopes: tf.custom_gradient(guarded)(*slopes, *given)


@cache
def forward(features: int, gates_size: int, backwards: bool, kept: int) -> Any:
    """Return the compiled loop; with `kept` 3 it also returns the gates (batch, steps, 4 units) for the gradient."""
    units = gates_size // 4

    def run(inputs: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor, hidden: Tensor, carry: Tensor) -> Any:
        steps = tf.shape(inputs)[1]
        # tanh alone, one fusion for all gates: sigmoid(x) = (1 + tanh(x / 2)) / 2
        half = tf.repeat(tf.constant([0.5, 0.5, 1.0, 0.5]), units)
        projected = tf.tensordot(inputs, kernel, 1)
        arrays = [tf.zeros_like(projected[..., :units])] * min(kept, 2) + [projected]

        def step(time: Tensor, hidden: Tensor, carry: Tensor, *arrays: Tensor) -> Any:
            place = steps - 1 - time if backwards else time
            *states, gates = arrays
            activated = tf.tanh((gates[:, place] + bias + tf.matmul(hidden, recurrent)) * half)
            i, f, c, o = opened(activated)
            carry = f * carry + i * c
            hidden = o * tf.tanh(carry)
            states = [written(array, value, time) for array, value in zip(states, (hidden, carry), strict=False)]
            gates = written(gates, activated, place) if kept > 2 else gates  # into what is read no more
            return time + 1, hidden, carry, *states, gates

        start = 0, hidden, carry, *arrays
        _, *after, gates = tf.while_loop(lambda time, *_: time < steps, step, start, maximum_iterations=steps)
        return (*after, tf.reverse(gates, [1]) if backwards else gates) if kept > 2 else tuple(after)

    state = (None, units)
    return jit(run, (None, None, features), (features, gates_size), (units, gates_size), (gates_size,), state, state)


def opened(gates: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return i, f, c and o of what tanh gave for all four."""
    i, f, c, o = tf.split(gates, 4, axis=-1)
    return 0.5 * i + 0.5, 0.5 * f + 0.5, c, 0.5 * o + 0.5


def written(array: Tensor, value: Tensor, time: Tensor) -> Tensor:
    """Return (batch, steps, ...) with one step replaced; XLA does it in place, as it does not for a scatter."""
    return dynamic_update_slice(array, value[:, None], tf.stack([0, time, 0]))


def jit(function: Any, *shapes: tuple[int | None, ...]) -> Any:
    """Return a function of tensors of these shapes: traced once, compiled for each size that comes for a None."""
    signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return tf.function(function, input_signature=signature, jit_compile=True, autograph=False)


@cache
def backward(units: int, kept: int) -> Any:
    """Return the compiled loop from the last step to the first: gradients of gates, first hidden state and carry."""

    def run(dhidden: Tensor, dcarry: Tensor, *given: Tensor) -> Any:
        *slopes_after, recurrent, carries, carries_before, gates = given
        # What depends on one step alone is computed for all steps at once, before the loop.
        i, f, c, o = opened(gates)
        squashed = tf.tanh(carries)
        slopes = [c * i * (1 - i), carries_before * f * (1 - f), i * (1 - c * c), squashed * o * (1 - o)]
        through = o * (1 - squashed * squashed)
        transposed = tf.transpose(recurrent)

        def step(time: Tensor, dhidden: Tensor, dcarry: Tensor, slopes: Tensor) -> Any:
            dhidden += slopes_after[0][:, time] if kept else 0.0
            dcarry += dhidden * through[:, time] + (slopes_after[1][:, time] if kept > 1 else 0.0)
            dgates = tf.concat([dcarry, dcarry, dcarry, dhidden], -1) * slopes[:, time]
            return time - 1, tf.matmul(dgates, transposed), dcarry * f[:, time], written(slopes, dgates, time)

        steps = tf.shape(gates)[1]
        start = steps - 1, dhidden, dcarry, tf.concat(slopes, -1)
        after = tf.while_loop(lambda time, *_: time >= 0, step, start, maximum_iterations=steps)
        return after[3], after[1], after[2]

    state, states = (None, units), (None, None, units)
    rest = (units, 4 * units), states, states, (None, None, 4 * units)
    return jit(run, state, state, *[states] * kept, *rest)
