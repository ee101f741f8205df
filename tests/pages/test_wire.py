"""Blocks as JSON: what the served page reads of each."""

import base64
import io
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from blocks_to_show import EACH, EMPTY, EVIL, PIXELS, text_with
from PIL import Image

from keras_dl.pages import pixels, wire
from keras_dl.task.blocks import Bar, Bars, Chart, Gauge, Panel, Picture

KEYS = {
    "answer": {"text", "certainty", "symbol"},
    "bars": {"title", "rows"},
    "gauge": {"value", "low", "high", "text", "threshold", "threshold_text", "interval", "ends", "note"},
    "spans": {"text", "read", "words", "of", "meaning", "signed", "numbers"},
    "picture": {"panels", "image", "heatmap", "heat_title", "caption", "alt"},
    "table": {"columns", "rows", "title", "caption", "numeric"},
    "chart": {"name", "svg", "title", "caption"},
    "prose": {"text", "title", "warning"},
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("blocks", [EACH, EMPTY], ids=["full", "empty"])
def test_each_block_has_its_keys_and_is_json(blocks, name):
    found = wire.as_json(blocks[name])
    assert found.keys() == KEYS[name] | {"block"}
    assert found["block"] == name
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [wire.as_json(block) for block in [blocks[name]] * 2] == [found] * 2


def test_numbers_of_numpy_are_numbers():
    found = wire.as_json(Bars([Bar("a", np.float32(0.5), chosen=np.bool_(True)), Bar("b", float("nan"))]))
    assert found["rows"][0] == {"name": "a", "share": 0.5, "symbol": "", "chosen": True}
    assert found["rows"][1]["share"] is None
    gauge = wire.as_json(Gauge(np.int64(3), 0, float("inf"), "3", interval=(np.float64(1), 2)))
    assert (gauge["value"], gauge["high"], gauge["interval"]) == (3, None, [1, 2])
    json.dumps(gauge, allow_nan=False)


def test_words_carry_their_text_and_count_code_points():
    found, text = wire.as_json(EACH["spans"]), text_with(EVIL)
    assert [word["text"] for word in found["words"]] == ["free", EVIL]
    assert all(text[word["start"] : word["end"]] == word["text"] for word in found["words"])
    assert found["words"][0]["start"] == 2  # the emoji before it is one


def opened(data):
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_pictures_are_png_and_the_heatmap_more_opaque_where_it_is_hotter():
    heat = np.array([[0.0, 0.5], [1.0, 1.0]])
    found = wire.as_json(Picture([Panel("seen", PIXELS[:2, :2]), Panel("grey", np.full((2, 2, 1), 300.0))], heat=heat))
    first, second = (opened(panel["image"]) for panel in found["panels"])
    assert found["image"] == found["panels"][0]["image"]
    assert (first.mode, second.mode) == ("RGB", "L")
    np.testing.assert_array_equal(np.asarray(first), np.round(PIXELS[:2, :2]))
    np.testing.assert_array_equal(np.asarray(second), 255)
    assert opened(found["heatmap"]).mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(opened(found["heatmap"]))[..., 3], np.round(heat * 255))
    assert wire.as_json(Picture([Panel("seen", PIXELS)]))["heatmap"] is None


def test_one_png_for_who_wants_a_file():
    grey, heat = Panel("seen", np.full((2, 2, 1), 100.0)), np.ones((2, 2))
    np.testing.assert_array_equal(Image.open(io.BytesIO(pixels.picture_png(Picture([grey])))), 100)
    hot = np.asarray(Image.open(io.BytesIO(pixels.picture_png(Picture([grey], heat=heat)))))
    np.testing.assert_array_equal(hot, pixels.overlay(grey.pixels, heat))


def test_a_chart_stands_alone():
    inside = '<use xlink:href="#a"/><path style="fill: var(--grid)"/>'
    svg = f'<svg viewBox="0 0 200 80" style="max-width: 9em" role="img">{inside}</svg>'
    text = wire.as_json(Chart("one", svg))["svg"]
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (root.get("width"), root.get("height"), root.get("style")) == ("288", "115", None)
    style = root.find("{http://www.w3.org/2000/svg}style").text
    assert "--grid: #dfe2e6" in style
    assert "prefers-color-scheme: dark" in style
    assert style.count("{") == style.count("}")
    assert "".join(root.itertext()) == style
    assert [child.tag.split("}")[1] for child in root] == ["style", "use", "path"]
