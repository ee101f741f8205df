"""The steps of an LSTM on a CPU under TensorFlow, time first: `compiled` by XLA, and `portable` for exports and servers.

Shapes: inputs (steps, batch, features), kernel (features, 4 units), recurrent (units, 4 units), bias (4 units), hidden and
carry (batch, units); gates lie in Keras' order i f c o. Both return hidden and carry after each step (steps, batch, units).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext  # there is no public name for it

TRAINER_FUNCTIONS = ("one_step_on_data", "multi_step_on_data", "multi_step_on_iterator")  # of fit, evaluate, predict
Tensor = Any


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


def portable(inputs, kernel, recurrent, bias, hidden, carry, *, training=False):
    """Run all steps in one operation that each TensorFlow has, `BlockLSTMV2`."""

    @tf.custom_gradient  # the gradient that TensorFlow has registered is that of another gate order
    def run(inputs, weights, bias, hidden, carry):
        peephole = tf.zeros_like(bias[: bias.shape[0] // 4])
        given = {
            "seq_len_max": tf.shape(inputs, tf.int64)[0],
            "x": inputs, "cs_prev": carry, "h_prev": hidden, "w": weights, "b": bias,
            "wci": peephole, "wcf": peephole, "wco": peephole, "use_peephole": False,
        }
        states = tf.raw_ops.BlockLSTMV2(**given)

        def gradient(hidden_gradient, carry_gradient):
            found = tf.raw_ops.BlockLSTMGradV2(
                **given, **states._asdict(), cs_grad=carry_gradient, h_grad=hidden_gradient
            )
            return found.x_grad, found.w_grad, found.b_grad, found.h_prev_grad, found.cs_prev_grad

        return (states.h, states.cs), gradient

    return run(inputs, tf.concat([kernel, recurrent], 0), bias, hidden, carry)


def compiled(inputs, kernel, recurrent, bias, hidden, carry, *, training=False):
    """Run the steps in a loop that XLA compiles once for each shape; sizes that may vary are rounded up to few."""
    known = inputs.shape[:2]
    if known.is_fully_defined() or in_xla():
        return compiled_loop(inputs, kernel, recurrent, bias, hidden, carry, training)
    sizes = tf.unstack(tf.shape(inputs)[:2])
    more = [rounded_up(size) - size if fixed is None else 0 for fixed, size in zip(known, sizes, strict=True)]
    inputs = tf.pad(inputs, [[0, more[0]], [0, more[1]], [0, 0]])
    hidden, carry = (tf.pad(state, [[0, more[1]], [0, 0]]) for state in (hidden, carry))
    after = compiled_loop(inputs, kernel, recurrent, bias, hidden, carry, training)
    return tuple(tf.ensure_shape(states[: sizes[0], : sizes[1]], [*known, None]) for states in after)


def rounded_up(size):
    """Return the next number with at most three leading bits: 1 to 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, ..."""
    unit = sum(tf.cast(size > 8 * 2**power, tf.int32) * 2**power for power in range(20)) + 1
    return -(-size // unit) * unit


def compiled_loop(inputs, kernel, recurrent, bias, hidden, carry, training):
    if not training:
        return forward(*kernel.shape)(inputs, kernel, recurrent, bias, hidden, carry)

    @tf.custom_gradient
    def run(inputs, kernel, recurrent, bias, hidden, carry):
        hiddens, carries, gates = forward(*kernel.shape, saving=True)(
            *map(tf.stop_gradient, (inputs, kernel, recurrent, bias, hidden, carry))
        )

        def gradient(hiddens_gradient, carries_gradient):
            hiddens_before = tf.concat([hidden[None], hiddens[:-1]], 0)
            carries_before = tf.concat([carry[None], carries[:-1]], 0)
            dgates, dhidden, dcarry = backward(recurrent.shape[0])(
                hiddens_gradient, carries_gradient, recurrent, carries, carries_before, gates
            )
            flat = tf.reshape(dgates, [-1, kernel.shape[1]])
            dkernel = tf.matmul(tf.reshape(inputs, [-1, kernel.shape[0]]), flat, transpose_a=True)
            drecurrent = tf.matmul(tf.reshape(hiddens_before, [-1, recurrent.shape[0]]), flat, transpose_a=True)
            dinputs = tf.reshape(tf.matmul(flat, kernel, transpose_b=True), tf.shape(inputs))
            return dinputs, dkernel, drecurrent, tf.reduce_sum(flat, 0), dhidden, dcarry

        return (hiddens, carries), gradient

    return run(inputs, kernel, recurrent, bias, hidden, carry)


def jit(function, *shapes):
    """Return a function of tensors of these shapes that is traced once, and compiled for each size that comes for a None."""
    signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return tf.function(function, input_signature=signature, jit_compile=True, autograph=False)


@cache
def forward(features, gates_size, saving=False):
    units = gates_size // 4

    def run(inputs, kernel, recurrent, bias, hidden, carry):
        steps = tf.shape(inputs)[0]
        # tanh alone: sigmoid(x) = (1 + tanh(x / 2)) / 2, and XLA's tanh takes a fifth of the time of its sigmoid.
        half = tf.repeat(tf.constant([0.5, 0.5, 1.0, 0.5]), units)
        projected = tf.tensordot(inputs, kernel * half, 1) + bias * half
        recurrent *= half
        sizes = (units, units, 4 * units) if saving else (units, units)
        arrays = [tf.TensorArray(tf.float32, steps, element_shape=(None, size)) for size in sizes]

        def step(time, hidden, carry, *arrays):
            gates = tf.tanh(projected[time] + tf.matmul(hidden, recurrent))
            i, f, c, o = opened(gates)
            carry = f * carry + i * c
            hidden = o * tf.tanh(carry)
            written = zip(arrays, (hidden, carry, gates))
            return time + 1, hidden, carry, *(array.write(time, value) for array, value in written)

        variables = 0, hidden, carry, *arrays
        ended = tf.while_loop(lambda time, *_: time < steps, step, variables, maximum_iterations=steps)
        return tuple(array.stack() for array in ended[3:])

    state = (None, units)
    return jit(run, (None, None, features), (features, gates_size), (units, gates_size), (gates_size,), state, state)


def opened(gates):
    i, f, c, o = tf.split(gates, 4, axis=-1)
    return 0.5 * i + 0.5, 0.5 * f + 0.5, c, 0.5 * o + 0.5


@cache
def backward(units):
    def run(hiddens_gradient, carries_gradient, recurrent, carries, carries_before, gates):
        steps = tf.shape(gates)[0]
        # What depends on one step alone is computed for all steps at once, before the loop.
        i, f, c, o = opened(gates)
        squashed = tf.tanh(carries)
        slopes = tf.concat(
            [c * i * (1 - i), carries_before * f * (1 - f), i * (1 - c * c), squashed * o * (1 - o)], -1
        )
        through = o * (1 - squashed * squashed)
        transposed = tf.transpose(recurrent)
        array = tf.TensorArray(tf.float32, steps, element_shape=(None, 4 * units))

        def step(time, dhidden, dcarry, array):
            dhidden += hiddens_gradient[time]
            dcarry += carries_gradient[time] + dhidden * through[time]
            dgates = tf.concat([dcarry, dcarry, dcarry, dhidden], -1) * slopes[time]
            return time - 1, tf.matmul(dgates, transposed), dcarry * f[time], array.write(time, dgates)

        start = tf.zeros_like(carries[0])
        variables = steps - 1, start, start, array
        ended = tf.while_loop(lambda time, *_: time >= 0, step, variables, maximum_iterations=steps)
        return ended[3].stack(), ended[1], ended[2]

    states = (None, None, units)
    return jit(run, states, states, (units, 4 * units), states, states, (None, None, 4 * units))
