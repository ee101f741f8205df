import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from keras_dl.figures import tsne
from keras_dl.figures.plots import COLOURS

EVIL = "test/<b onclick=alert('$1$')></script>.png"


def points(count=12, classes=("NORMAL", "PNEUMONIA")):
    labels = np.arange(count) % len(classes)
    answers = labels.copy()
    answers[[0, count - 1, count - 2]] = 1 - labels[[0, count - 1, count - 2]] % 2  # the first is of the training part
    ids = np.array([EVIL if row == count - 1 else f"image {row}" for row in range(count)])
    return tsne.Points(ids, labels, answers, np.arange(count) >= count // 2, classes)


@pytest.mark.parametrize(("width", "dimensions"), [(300, 2), (2, 3)])
def test_alike_vectors_come_to_lie_together_and_the_seed_decides(width, dimensions):
    random, kind = np.random.default_rng(0), np.repeat([0, 20], 30)
    vectors = (random.normal(size=(60, width)) + kind[:, None]).astype("float32")
    places = tsne.layout(vectors, dimensions, seed=3)
    assert places.shape == (60, dimensions)
    away = np.linalg.norm(places[:, None] - places, axis=2) + np.diag(np.full(60, np.inf))
    assert (kind[away.argmin(axis=1)] == kind).mean() > 0.9
    np.testing.assert_array_equal(places, tsne.layout(vectors, dimensions, seed=3))


def test_few_points_get_a_smaller_perplexity():
    assert tsne.perplexity(2000) == 30
    assert tsne.layout(np.eye(6, dtype="float32"), 2, seed=0).shape == (6, 2)


def test_only_test_images_count_as_wrong():
    assert np.flatnonzero(points().wrong).tolist() == [10, 11]
    assert points().ring == "wrong answer (2 of 6)"


def test_the_flat_map_has_a_colour_per_class_and_a_ring_per_error():
    places = np.random.default_rng(0).random((12, 2))
    figure = tsne.flat(points(), places, "a title with a $ sign, " * 10)
    (axes,) = figure.axes
    shown = {one.get_label(): one for one in axes.collections}
    assert [*shown] == [
        *("NORMAL, training (3)", "PNEUMONIA, training (3)", "NORMAL, test (3)", "PNEUMONIA, test (3)"),
        "wrong answer (2 of 6)",
    ]
    np.testing.assert_array_equal(shown["wrong answer (2 of 6)"].get_offsets(), places[10:])
    np.testing.assert_array_equal(shown["NORMAL, training (3)"].get_offsets(), places[[0, 2, 4]])
    assert tuple(shown["PNEUMONIA, test (3)"].get_facecolor()[0][:3]) == to_rgb(COLOURS["class-1"])
    figure.savefig(io.BytesIO(), format="png")


def test_a_class_without_images_is_left_out():
    three = replace(points(), classes=("NORMAL", "PNEUMONIA", "NEVER"))
    assert len(list(three.sets())) == 4


def test_the_page_holds_all_it_needs_and_names_cannot_break_it():
    thumbnails = np.zeros((12, 96, 96, 1), "uint8")
    page = tsne.solid(points(), np.random.default_rng(0).random((12, 3)), "A title <i>", thumbnails)
    assert "Plotly.newPlot" in page
    assert len(page) < 8_000_000
    assert "<title>A title &lt;i&gt;</title>" in page
    outside = r"<script[^>]+src=|<link|<iframe|<img|@import|url\((?!data:|#)[\"']?http"
    assert not re.search(outside, page[page.rindex("Plotly.newPlot") :])
    assert not re.search(r"<script[^>]+src=|<link[^>]+href=", page)
    assert EVIL not in page
    images = json.loads(re.search(r"const images = (\{.*?\}), columns", page)[1])
    assert images["id"][-1] == EVIL
    assert images["part"] == ["training"] * 6 + ["test"] * 6
    assert images["network"][11] != images["true"][11]


def test_texts_have_no_picture():
    page = tsne.solid(points(), np.random.default_rng(0).random((12, 3)), "Texts", None)
    assert "base64," not in page.split("<script")[0]
    assert "point at one to read it" in page


def test_thumbnails_lie_row_by_row_in_one_picture():
    pixels = np.stack([np.full((96, 96, 1), 20 * number, "uint8") for number in range(7)])
    jpeg, columns = tsne.tiles(pixels)
    sheet = np.asarray(Image.open(io.BytesIO(jpeg)))
    assert (columns, sheet.shape) == (3, (3 * tsne.TILE, 3 * tsne.TILE))
    middles = sheet[tsne.TILE // 2 :: tsne.TILE, tsne.TILE // 2 :: tsne.TILE].ravel()
    np.testing.assert_allclose(middles[:7], np.arange(7) * 20, atol=3)
