"""The cache of features: what is in it is not computed again, and nothing stale is ever met."""

import keras
import numpy as np
import pytest

from keras_dl.training import features

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), dtype="uint8")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path))
    return tmp_path / "features"


@pytest.fixture
def computed(monkeypatch):
    """What was really computed: the number of examples of each call."""
    counts, compute = [], features.computed

    def counting(extractor, x, *, name):
        counts.append(len(x))
        return compute(extractor, x, name=name)

    monkeypatch.setattr(features, "computed", counting)
    return counts


def extractor(scale=1 / 255, seed=0, filters=3):
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 1), dtype="uint8", name="image")
    x = keras.layers.Rescaling(scale, name="rescale")(image)
    x = keras.layers.Conv2D(filters, 3, name="conv")(x)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D(name="pool")(x), name="extractor")


def test_features_are_the_extractors_outputs_and_computed_once(computed):
    model = extractor()
    first, again = features.cached(model, IMAGES), features.cached(model, IMAGES)
    np.testing.assert_allclose(first, model(IMAGES), atol=1e-5)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    assert computed == [6]


def test_the_same_images_in_another_order_or_in_part_are_found(computed):
    model = extractor()
    every = features.cached(model, IMAGES)
    np.testing.assert_array_equal(features.cached(model, IMAGES[[4, 1]]), every[[4, 1]])
    assert computed == [6]


def test_only_an_image_that_changed_is_computed_again(computed):
    model = extractor()
    before = features.cached(model, IMAGES)
    changed = IMAGES.copy()
    changed[2, 0, 0, 0] ^= 255
    after = features.cached(model, changed)
    assert computed == [6, 1]
    assert (before == after).all(axis=1).tolist() == [True, True, False, True, True, True]
    np.testing.assert_allclose(after, model(changed), atol=1e-5)


def test_a_model_that_is_built_again_finds_what_the_first_computed(computed):
    """Keras numbers the names of layers on within a process; they are not what makes a model another one."""

    def anonymous():
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 8, 1), dtype="uint8")
        x = keras.layers.Conv2D(3, 3)(keras.layers.Rescaling(1 / 255)(image) - 0.5)
        return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))

    assert anonymous().to_json() != anonymous().to_json()
    features.cached(anonymous(), IMAGES)
    features.cached(anonymous(), IMAGES)
    assert computed == [6]


@pytest.mark.parametrize("other", [{"scale": 1 / 127.5}, {"seed": 1}, {"filters": 4}])
def test_another_preprocessing_or_backbone_is_computed_anew(computed, other):
    features.cached(extractor(), IMAGES)
    changed = extractor(**other)
    np.testing.assert_allclose(features.cached(changed, IMAGES), changed(IMAGES), atol=1e-5)
    assert computed == [6, 6]


def test_the_same_values_in_another_shape_are_another_image():
    assert features.digest(IMAGES[0]) != features.digest(IMAGES[0].reshape(4, 16, 1))


def test_a_file_that_is_cut_off_is_made_again(cache, computed):
    model = extractor()
    before = features.cached(model, IMAGES)
    (file,) = cache.glob("*.npz")
    file.write_bytes(file.read_bytes()[:200])
    np.testing.assert_array_equal(features.cached(model, IMAGES), before)
    assert computed == [6, 6]


def test_a_long_computation_is_kept_in_pieces(monkeypatch, computed):
    monkeypatch.setattr(features, "BLOCK", 4)
    model = extractor()
    np.testing.assert_allclose(features.cached(model, IMAGES), model(IMAGES), atol=1e-5)
    assert computed == [4, 2]


def test_files_that_were_not_used_for_long_go(cache, monkeypatch):
    monkeypatch.setattr(features, "KEPT", 2)
    for seed in range(4):
        features.cached(extractor(seed=seed), IMAGES)
    assert len(list(cache.glob("*.npz"))) == 2
