import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from scipy.stats import binomtest

from keras_dl.data.sets.images.chest_xray_synthetic import radiograph
from keras_dl.errors import BadInput, UsageError
from keras_dl.explaining import heatmap
from keras_dl.models.images.xray_resnet import xray_resnet
from keras_dl.verbs import explain

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype="uint8")


def backbone():
    image = keras.Input((32, 32, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="inner_conv")(image)
    return keras.Model(image, x, name="backbone")


def classifier(body):
    """A network around `body`, which maps images to maps; its head adds up the first channel."""
    image = keras.Input((32, 32, 1), dtype="uint8")
    x = body(layers.Rescaling(1 / 255)(image))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(1, activation="sigmoid", name="head")(x))


def bright_spot_detector(nested):
    keras.utils.set_random_seed(0)
    inner = backbone()
    model = classifier(inner if nested else layers.Conv2D(4, 3, padding="same", activation="relu", name="inner_conv"))
    convolution = inner.get_layer("inner_conv") if nested else model.get_layer("inner_conv")
    kernel = np.zeros((3, 3, 1, 4), "float32")
    kernel[1, 1, 0, 0] = 1.0  # the first channel is the image
    convolution.set_weights([kernel, np.zeros(4, "float32")])
    model.get_layer("head").set_weights([np.array([[5.0], [0], [0], [0]], "float32"), np.zeros(1, "float32")])
    return model


@pytest.mark.parametrize("nested", [False, True])
def test_the_heat_lies_where_the_model_looks_in_nested_models_too(nested):
    images = np.zeros((2, 32, 32, 1), "uint8")
    images[0, 4:8, 20:24] = images[1, 24:28, 6:10] = 255
    heat = heatmap.grad_cam(bright_spot_detector(nested), images)
    assert heat.shape == (2, 32, 32)
    assert np.unravel_index(heat[0].argmax(), (32, 32)) == pytest.approx((5.5, 21.5), abs=2)
    assert np.unravel_index(heat[1].argmax(), (32, 32)) == pytest.approx((25.5, 7.5), abs=2)
    assert heat[0][heat[0] > 0.5].size <= 16


def films(count, seed, kinds):
    """Draw radiographs of 64 pixels, with the masks of their opacities and labels."""
    drawn = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        film, mask = radiograph(np.random.default_rng([seed, number]), kind, size=(96, 120))
        resized = [np.asarray(Image.fromarray(picture).resize((64, 64))) for picture in (film, mask)]
        drawn.append((resized[0][..., None], resized[1], kind != "normal"))
    images, masks, labels = (np.stack(part) for part in zip(*drawn, strict=True))
    return images, masks, labels.astype("float32")


def hits(model, images, masks):
    """Play the pointing game (Zhang et al. 2016): how many peaks of the heat lie on an opacity."""
    peaks = heatmap.grad_cam(model, images).reshape(len(images), -1).argmax(axis=1)
    return int(masks.reshape(len(masks), -1)[np.arange(len(masks)), peaks].sum())


def test_the_heat_lies_on_the_opacity_more_often_than_chance():
    keras.utils.set_random_seed(0)
    model = xray_resnet(image_size=64)
    random = keras.models.clone_model(model)
    images, _, labels = films(400, 0, ("normal", "bacteria"))
    model.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy")
    model.fit(images, labels, epochs=10, batch_size=32, verbose=0)
    images, masks, _ = films(100, 1, ("bacteria",))
    chance = masks.mean()
    assert binomtest(hits(model, images, masks), 100, chance, "greater").pvalue < 1e-4
    assert binomtest(hits(random, images, masks), 100, chance, "greater").pvalue > 1e-4


def test_each_image_can_have_its_own_class_explained():
    image = keras.Input((32, 32, 1), dtype="uint8")
    x = layers.Conv2D(4, 3, padding="same", name="conv")(layers.Rescaling(1 / 255)(image))
    x = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, x)
    mixed = heatmap.grad_cam(model, IMAGES, np.array([2, 0, 1]))
    for row, output in enumerate((2, 0, 1)):
        np.testing.assert_allclose(mixed[row], heatmap.grad_cam(model, IMAGES, output)[row], atol=1e-5)


def test_a_model_that_is_sure_still_has_a_heatmap():
    model = bright_spot_detector(nested=False)
    model.get_layer("head").set_weights([np.array([[4000.0], [0], [0], [0]], "float32"), np.zeros(1, "float32")])
    assert model(IMAGES).numpy().min() > 0.9999
    assert heatmap.grad_cam(model, IMAGES).max() == pytest.approx(1)


def test_a_model_without_convolution_says_so():
    with pytest.raises(UsageError, match="no convolution"):
        heatmap.grad_cam(classifier(layers.Identity()), IMAGES)


def test_listening_leaves_the_layer_as_it_was():
    model = bright_spot_detector(nested=True)
    before = model(IMAGES).numpy()
    heatmap.grad_cam(model, IMAGES)
    np.testing.assert_array_equal(model(IMAGES).numpy(), before)
    model.predict(IMAGES, verbose=0)


def test_explaining_a_file_writes_a_picture_and_gives_the_prediction(tiny_run, tmp_path):
    run = tiny_run("pneumonia")
    example = next((run.path / "examples").iterdir())
    result = run.explain(example, tmp_path / "heat.png")
    (predicted,) = run.predict(example)
    assert result["probability"] == pytest.approx(predicted["probability"], abs=1e-6)
    assert (tmp_path / "heat.png").read_bytes().startswith(b"\x89PNG")


def test_methods_are_for_texts(tiny_run):
    run = tiny_run("pneumonia")
    with pytest.raises(UsageError, match="method=occlusion must be one of: grad-cam"):
        explain.explain(run, min((run.path / "examples").iterdir()), method="occlusion")


def test_a_file_that_is_no_image_is_refused(tiny_run, tmp_path):
    (tmp_path / "notes.jpeg").write_text("hello")
    with pytest.raises(BadInput):
        tiny_run("pneumonia").explain(tmp_path / "notes.jpeg")
