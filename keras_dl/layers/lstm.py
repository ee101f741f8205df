"""An LSTM with the weights and the outputs of `keras.layers.LSTM`; on a CPU it trains 1.4 to 3.5 times as fast.

Keras runs a while-loop of TensorFlow operations there, and differentiates it step by step. Here

- in training, and in `fit`, `evaluate` and `predict`, XLA compiles the loop: all inputs are projected in one product
  before it, a step is one product and a few fusions, and the gradient forms the weights' part in one product after it;
- elsewhere (eager calls, graphs of one's own, exports) `BlockLSTMV2` runs all steps: one operation, no compilation;
- with a mask, each row's valid steps move to its front, and no more steps are run than the longest row has.

On a GPU, under another backend, in mixed precision, and for settings that change the step, the work is left to Keras.

Measured by scripts/benchmark.py recurrent on 2 quiet cores, batches of 32, full length, medians of five rounds:
training 2.2 (imdb-bilstm), 3.5 (spam) and 1.4 (emoji) times as fast as Keras, 2.3, 1.5 and 1.0 times as PyTorch;
prediction 0.92, 0.97 and 1.0 times as fast as Keras with `jit_compile=True`, 0.90, 1.2 and 1.0 times as PyTorch. Masked
texts of 15 words in 419 train 13 times and are predicted 11 times as fast as with Keras, since few steps are run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras


@keras.saving.register_keras_serializable("keras_dl")
class LSTM(keras.layers.LSTM):
    """A faster `keras.layers.LSTM`, with the same arguments, weights, outputs, masks and saved files."""

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Run over the steps of (batch, steps, features); Keras calls this between its own checks.

        Returns:
            The last output (batch, units), all outputs (batch, steps, units), and the last states [h, c].
        """
        if not self.runs_own_steps():
            return super().inner_loop(sequences, initial_state, mask, training)
        import tensorflow as tf

        from keras_dl.layers import lstm_steps

        if training and self.dropout:
            sequences *= self.cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
        bias = keras.ops.zeros(4 * self.units) if self.cell.bias is None else self.cell.bias
        weights = [tf.convert_to_tensor(one) for one in (self.cell.kernel, self.cell.recurrent_kernel, bias)]
        may_compile = lstm_steps.may_compile(training)
        steps = valid_steps(sequences, mask, self.go_backwards, whole=lstm_steps.in_xla(), few=may_compile)
        given = (steps.inputs, *weights, *initial_state)
        how: dict[str, Any] = {"backwards": self.go_backwards and steps.mask is None, "kept": self.kept(steps)}
        if may_compile:
            halves = not self.name.startswith(("forward_", "backward_"))  # those two of Bidirectional run side by side
            after = lstm_steps.compiled(*given, **how, training=training, halves=halves)
        else:
            after = lstm_steps.portable(*given, **how)
        return self.gathered(steps, *after, initial_state=initial_state)

    def kept(self, steps: Steps) -> int:
        """Return what is needed after each step, not only the last: 0 nothing, 1 hidden states, 2 carries too."""
        if steps.mask is None:
            return int(self.return_sequences)
        return 2 if self.return_state or self.stateful else 1

    def runs_own_steps(self) -> bool:
        """Whether backend, device and settings are those that the fast way is made for."""
        if keras.backend.backend() != "tensorflow" or self.compute_dtype != "float32" or self.use_cudnn is True:
            return False
        if self.activation is not keras.activations.tanh or self.recurrent_activation is not keras.activations.sigmoid:
            return False
        if self.recurrent_dropout or (self.dropout and self.cell.implementation != 2):
            return False
        import tensorflow as tf

        return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())

    def gathered(self, steps: Steps, hidden: Any, carry: Any, *after: Any, initial_state: Any) -> Any:
        """Put the states after each step back to where the mask has them, the way Keras does.

        A masked step repeats the output before it, or gives zeros if the layer is told so (`Bidirectional` does);
        before the first valid step there are zeros, and a row without any keeps its initial state.
        """
        import tensorflow as tf

        if steps.count is None:
            return hidden, after[0] if self.return_sequences else hidden[:, None], [hidden, carry]

        def at(states: Any, count: Any) -> Any:
            return tf.gather(states, tf.maximum(count - 1, 0), batch_dims=1)

        states = [
            tf.where(steps.count[:, -1:] > 0, at(each, steps.count[:, -1]), first)
            for each, first in zip(after, initial_state, strict=False)
        ]
        shown = (steps.mask if self.zero_output_for_mask else steps.count > 0)[..., None]
        last = tf.where(shown[:, -1], states[0], 0.0)
        outputs = tf.where(shown, at(after[0], steps.count), 0.0) if self.return_sequences else last[:, None]
        return last, outputs, states


class Steps(NamedTuple):
    """The valid steps of a batch."""

    inputs: Any  # (batch, steps, features): each row's valid steps in the order they are run, then anything
    mask: Any = None  # (batch, time), in the order they are run
    count: Any = None  # (batch, time): valid steps up to here


def valid_steps(sequences: Any, mask: Any, backwards: bool, *, whole: bool, few: bool) -> Steps:
    """Return what is to be run of (batch, time, features): as many steps as the longest row has valid ones.

    Any mask is right: each row's valid steps move to its front. With `whole` all steps stay, as XLA's fixed shapes want
    it; with `few` their number is rounded up, so that few shapes need compiling.
    """
    import tensorflow as tf

    from keras_dl.layers.lstm_steps import rounded_up

    if mask is None and (whole or not few or sequences.shape[1] is not None):
        return Steps(sequences)
    mask = tf.ones(tf.shape(sequences)[:2], tf.bool) if mask is None else mask
    mask = tf.cast(mask[0] if isinstance(mask, (list, tuple)) else mask, tf.bool)
    mask = tf.ensure_shape(tf.reshape(mask, tf.shape(sequences)[:2]), sequences.shape[:2])
    sequences, mask = (tf.reverse(one, [1]) if backwards else one for one in (sequences, mask))
    count = tf.cumsum(tf.cast(mask, tf.int32), axis=1)
    batch, time = tf.unstack(tf.shape(mask))
    steps = time if whole else tf.maximum(tf.reduce_max(count), 1)
    if few and not whole:
        steps = rounded_up(steps) if sequences.shape[1] is None else tf.minimum(rounded_up(steps), time)
    wanted = tf.tile(tf.range(1, steps + 1)[None], [batch, 1])
    place = tf.minimum(tf.searchsorted(count, wanted), time - 1)  # of the first valid step, the second, ...
    return Steps(tf.gather(sequences, place, batch_dims=1), mask, count)
