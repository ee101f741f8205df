"""What is particular to the detector of anomalies; what all tasks have in common is in test_every_task.py."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import skops.io

from keras_dl.data.sets.images import chest_xray
from keras_dl.errors import UsageError
from keras_dl.recipes import anomaly, radiographs
from keras_dl.task import settings
from keras_dl.tasks.images.xray_anomaly import XRAY_ANOMALY, baseline, build, load, phases

TINY = settings.resolve(XRAY_ANOMALY, tiny=True)


@pytest.fixture(scope="module")
def source():
    return chest_xray.synthesize(tiny=True)


def test_the_split_is_that_of_the_classifiers_without_the_sick(source):
    ours, classifiers = load(TINY, source), radiographs.load(radiographs.Radiographs(image_size=32), source)
    assert ours.test.ids == classifiers.test.ids
    assert ours.test.truth == classifiers.test.truth
    for name in ("train", "validation"):
        other = classifiers.splits()[name]
        healthy = [one for one, label in zip(other.ids, other.truth, strict=True) if label == 0]
        assert list(ours.splits()[name].ids) == healthy
        assert set(ours.splits()[name].truth) == {0}
        assert ours.notes[f"PNEUMONIA left out of {name}"] == sum(other.truth) > 0


def test_the_distance_is_fitted_to_the_training_part(source):
    data, model = load(TINY, source), build(TINY, {})
    (phase,) = phases(TINY, data)
    phase.compile(model)
    images = np.stack([image for image, _ in data.train.examples.as_numpy_iterator()])
    head = keras.Model(model.get_layer(phase.frozen).output, model.output)
    phase.fit(head, keras.Model(model.input, model.get_layer(phase.frozen).output).predict(images, verbose=0))
    assert model.predict(images, verbose=0).mean() == pytest.approx(1, rel=1e-2)


def test_the_document_s_recipe_trains_the_autoencoder(source):
    original = settings.resolve(XRAY_ANOMALY, {"recipe": "original"})
    assert build(original, {}).name == "xray_autoencoder"
    (phase,) = phases(original, load(replace(TINY, recipe="original"), source))
    model = build(original, {})
    phase.compile(model)
    assert (phase.epochs, phase.fit, phase.frozen) == (20, None, "")
    assert model.optimizer.learning_rate == np.float32(1e-3)
    assert {type(one) for one in (baseline(TINY), baseline(original))} == {anomaly.Autoencoder, anomaly.HogDensity}


def test_the_baseline_is_trained_with_the_settings():
    made = baseline(replace(TINY, epochs=7, batch_size=5, learning_rate=0.25, seed=3))
    assert (made.epochs, made.batch_size, made.learning_rate, made.seed) == (7, 5, 0.25, 3)


@pytest.mark.parametrize(
    ("given", "named"),
    [({"layer": "block_77_add"}, "block_77_add"), ({"weights": "absent.h5"}, "absent.h5"), ({"image_size": 31}, "31")],
)
def test_what_the_backbone_does_not_have_is_a_usage_error(given, named):
    with pytest.raises(UsageError, match=named):
        build(settings.resolve(XRAY_ANOMALY, {"weights": "none", **given}), {})


def test_the_share_of_false_alarms_is_a_share():
    with pytest.raises(UsageError, match="false_alarms=5"):
        settings.resolve(XRAY_ANOMALY, {"false_alarms": "5"})


def test_the_fitted_baseline_can_be_written_and_read_as_a_run_does(source, tmp_path):
    images = np.stack([image for image, _ in load(TINY, source).train.examples.take(8).as_numpy_iterator()])
    fitted = baseline(TINY).fit(images, np.zeros(8))
    skops.io.dump(fitted, tmp_path / "baseline.skops")
    named = skops.io.get_untrusted_types(file=tmp_path / "baseline.skops")
    assert named == ["keras_dl.recipes.anomaly.Autoencoder"]
    loaded = skops.io.load(tmp_path / "baseline.skops", trusted=named)
    np.testing.assert_array_equal(loaded.decision_function(images), fitted.decision_function(images))
