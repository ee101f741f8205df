"""Three models behind one real server, for the tests of its routes, and how they ask it."""

import base64

import pytest
import requests
from live_server import serving


@pytest.fixture(scope="module", name="server")
def three_models(tiny_run, exported, tmp_path_factory):
    """Serve a run of radiographs, an exported emoji model, and spam, with a database."""
    database = tmp_path_factory.mktemp("journal") / "requests.db"
    runs = [tiny_run("pneumonia").path, f"emoji={exported('emoji').parent}", f"ham-or-spam={tiny_run('spam').path}"]
    with serving(*runs, database=f"sqlite:///{database}", largest_body=3_000_000) as url:
        yield url


def examples(run, count=4):
    return sorted((run.path / "examples").iterdir())[:count]


def b64(raw):
    return {"b64": base64.b64encode(raw).decode()}


def post(url, value=None, **options):
    return requests.post(url, json=value, timeout=60, **options)
