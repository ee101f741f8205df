"""A counting model behind the real server: numbers, the density map, and what both refuse."""

import io

import numpy as np
import pytest
import requests
from live_server import serving
from PIL import Image
from served_models import b64, examples, post


@pytest.fixture(scope="module", name="server")
def counting_model(tiny_run):
    with serving(tiny_run("cells-unet").path) as url:
        yield f"{url}/v1/models/cells-unet"


def black(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_the_map_adds_up_to_the_number(server, tiny_run):
    (path,) = examples(tiny_run("cells-unet"), 1)
    raw = b64(path.read_bytes())
    (answer,) = post(f"{server}:predict", {"instances": [raw]}).json()["predictions"]
    number = answer["number"]
    found = post(f"{server}:predict", {"signature_name": "density", "instances": [raw]}).json()["predictions"]
    assert max(0, np.sum(found)) == pytest.approx(number, abs=1e-3)
    (row,) = post(f"{server}:answer", {"instances": [raw]}).json()["predictions"]
    assert row["number"] == pytest.approx(number, abs=1e-3)


@pytest.mark.parametrize("signature", ["serving_default", "density"])
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (black(64, 60), "both sides must be multiples of 8"),
        (black(8000, 8000), "px"),
        (b"no image", "not an image; use JPEG or PNG"),
    ],
)
def test_every_signature_refuses_what_is_no_usable_image(signature, raw, reason, server):
    answer = post(f"{server}:predict", {"signature_name": signature, "instances": [b64(raw)]})
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_the_right_count_may_be_sent_as_a_number(tiny_run, tmp_path):
    run = tiny_run("cells-unet")
    (path,) = examples(run, 1)
    with serving(run.path, database=f"sqlite:///{tmp_path / 'requests.db'}") as url:
        answer = post(f"{url}/v1/models/cells-unet:answer", {"instances": [b64(path.read_bytes())]})
        sent = {"request_id": answer.headers["x-request-id"], "label": 12}
        assert post(f"{url}/v1/models/cells-unet:feedback", sent).ok
        assert requests.get(f"{url}/readyz", timeout=9).ok
