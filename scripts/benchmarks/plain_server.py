"""What the section on serving compares with: FastAPI and `model.predict`, as the first page of a tutorial has it."""

from __future__ import annotations

import base64
from typing import Any

import click


@click.command(help=__doc__)
@click.argument("emoji")
@click.argument("pneumonia")
@click.option("--port", type=int, required=True)
def main(emoji: str, pneumonia: str, port: int) -> None:
    """Decode one input, call `model.predict`, answer."""
    from keras_dl.training.machines import devices

    devices.import_quietly()
    import tensorflow as tf
    import uvicorn
    from fastapi import FastAPI

    import keras_dl

    app = FastAPI()
    runs = {"emoji": keras_dl.open_run(emoji), "pneumonia": keras_dl.open_run(pneumonia)}
    decode = {name: run.task.input.decode(run.config, run.assets) for name, run in runs.items()}

    def predict(name: str, raw: bytes) -> Any:
        return runs[name].model.predict(decode[name](tf.constant(raw))[None], verbose=0)[0].tolist()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "healthy"}

    @app.post("/predict")
    def predict_text(body: dict[str, str]) -> dict[str, Any]:
        return {"text": body["text"], "probabilities": predict("emoji", body["text"].encode())}

    @app.post("/v1/models/pneumonia:predict")
    def predict_image(body: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
        images = [base64.b64decode(one["b64"]) for one in body["instances"]]
        return {"predictions": [predict("pneumonia", image) for image in images]}

    uvicorn.run(app, port=port, log_level="error")


if __name__ == "__main__":
    main()
