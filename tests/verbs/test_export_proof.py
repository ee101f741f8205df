"""The proof of an export: which differences it refuses."""

import numpy as np
import pytest
import tensorflow as tf

from keras_dl.api import Run
from keras_dl.errors import KerasDLError
from keras_dl.verbs import export


def test_numbers_above_one_are_compared_by_their_share():
    def signature(shift):
        def call(x):
            return {"number": tf.constant([174.0], tf.float32) * (1 + shift)}

        call.structured_input_signature = ((), {"x": None})
        return call

    live = {"number": np.float32([174])}
    export.compare("serving_default", signature(1e-6), None, live)  # the last bits of a count are no fault
    with pytest.raises(KerasDLError, match="'number' of 'serving_default' differs from the trained model's by"):
        export.compare("serving_default", signature(1e-4), None, live)


def test_an_input_at_the_limit_may_be_unusual_or_not():
    """Rounding decides there; elsewhere the verdict must be the same."""
    live = {"unusualness": np.float32([1.00001, 1.2]), "unusual": np.array([True, True])}

    def signature(unusual):
        def answers(**_):
            given = {"unusualness": np.float32([0.99999, 1.2]), "unusual": np.array(unusual)}
            return {name: tf.constant(one) for name, one in given.items()}

        answers.structured_input_signature = ((), {"image": None})
        return answers

    export.compare("serving_default", signature([False, True]), None, live)
    with pytest.raises(KerasDLError, match="'unusual' of 'serving_default' differs"):
        export.compare("serving_default", signature([False, False]), None, live)


def test_a_map_that_differs_is_refused(tiny_run, tmp_path, monkeypatch):
    run, signatures = Run(tiny_run("cells-unet").path), export.signatures

    def shifted(run: Run):
        found = signatures(run)
        density, spec = found["density"]
        return {**found, "density": (lambda raw: {"density": density(raw)["density"] + 1e-3}, spec)}

    monkeypatch.setattr(export, "signatures", shifted)
    with pytest.raises(KerasDLError, match="'density' of 'density' differs from the trained model's by"):
        run.export(tmp_path)
    assert list(tmp_path.iterdir()) == []
