import keras
import numpy as np

from keras_dl.layers.losses import mean_output


def test_it_is_the_mean_of_the_outputs_whatever_the_labels_are():
    outputs = np.array([[[1.0], [3.0]], [[0.5], [0.5]]], "float32")
    for labels in (np.zeros((2, 1)), np.ones((2, 1))):
        np.testing.assert_allclose(mean_output(labels, outputs), [2, 0.5])


def test_a_compiled_model_can_be_saved_with_it(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", mean_output)
    model.fit(np.ones((4, 2)), np.zeros((4, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.ones((4, 2), "float32")
    assert loaded.evaluate(x, np.zeros((4, 1)), verbose=0) == np.float32(model.predict(x, verbose=0).mean())
