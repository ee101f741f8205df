"""/health of the course's emoji service: it says "healthy" when `/predict` answers."""

import threading

import requests
from live_server import serving, until
from served_models import post


def test_the_emoji_service_is_healthy_when_it_answers_and_not_before(tiny_run, monkeypatch):
    from keras_dl.server.models.catalogue import Catalogue

    gate, watch = threading.Event(), Catalogue.watch
    monkeypatch.setattr(Catalogue, "watch", lambda self, loop: gate.wait(20) and watch(self, loop))
    with serving(tiny_run("emoji").path, ready=False) as url:
        health, answer = requests.get(f"{url}/health", timeout=9), post(f"{url}/predict", {"text": "I love you"})
        assert (health.status_code, health.json()) == (503, {"status": "the models are being loaded"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert requests.get(f"{url}/livez", timeout=9).ok
        gate.set()
        until(lambda: requests.get(f"{url}/health", timeout=9).ok)
        assert post(f"{url}/predict", {"text": "I love you"}).ok


def test_without_a_model_with_emoji_the_emoji_service_is_not_healthy(tiny_run):
    with serving(tiny_run("spam").path) as url:
        health = requests.get(f"{url}/health", timeout=9)
        assert (health.status_code, post(f"{url}/predict", {"text": "I love you"}).status_code) == (503, 404)
    assert health.json()["status"].startswith("no emoji model is served, so /predict has no answer")
