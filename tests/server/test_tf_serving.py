"""The real TensorFlow Serving on our exports, where it is installed; test_export.py has its loader everywhere."""

import shutil
import socket
import subprocess

import pytest
import requests
from live_server import serving, until

SERVER = shutil.which("tensorflow_model_server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="tensorflow_model_server is not on the PATH")


@pytest.mark.parametrize("task", ["pneumonia", "emoji", "spam"])
def test_tensorflow_serving_and_our_server_answer_alike(task, tiny_run, exported, tmp_path):
    from keras_dl.client import predict

    inputs = [str(path) for path in sorted((tiny_run(task).path / "examples").iterdir())]
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        rest, grpc = one.getsockname()[1], other.getsockname()[1]
    folder = exported(task).parent
    command = [
        SERVER,
        f"--rest_api_port={rest}",
        f"--port={grpc}",
        f"--model_name={task}",
        f"--model_base_path={folder}",
    ]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: answers(f"http://127.0.0.1:{rest}/v1/models/{task}"))
            theirs = {
                way: predict(f"{way}127.0.0.1:{port}", task, inputs) for way, port in (("", rest), ("grpc://", grpc))
            }
        finally:
            process.terminate()
    with serving(folder, name=task) as url:
        ours = predict(url, task, inputs)
    for rows in theirs.values():
        assert [row["label"] for row in rows] == [row["label"] for row in ours]
        assert [row["probability"] for row in rows] == pytest.approx([row["probability"] for row in ours], abs=1e-5)


def answers(url):
    try:
        return requests.get(url, timeout=2).ok
    except requests.ConnectionError:
        return False
