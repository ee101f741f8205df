import numpy as np
import pytest

from keras_dl.models.images.xray_resnet import xray_resnet

IMAGES = np.random.default_rng(0).integers(40, 120, (4, 64, 64, 1), dtype="uint8")


@pytest.fixture(scope="module")
def model():
    return xray_resnet(image_size=64)


def test_exposure_does_not_change_the_answer(model):
    brighter = IMAGES * 2 + 5
    assert model(IMAGES).numpy() == pytest.approx(model(brighter).numpy(), abs=2e-3)


def test_a_blank_image_gives_a_number(model):
    assert np.isfinite(model(np.zeros((1, 64, 64, 1), "uint8"))).all()


def test_four_stages_halve_the_image(model):
    sizes = [model.get_layer(f"stage{stage}_block2_relu2").output.shape[1:] for stage in (1, 2, 3, 4)]
    assert sizes == [(32, 32, 16), (16, 16, 32), (8, 8, 64), (4, 4, 128)]
