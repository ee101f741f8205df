"""How fast the three recurrent models of the text tasks train and predict: our LSTM, Keras' own, and PyTorch's.

    python scripts/benchmark_recurrent.py --rounds 5 --threads 2

train    sequences/s: `model.fit` on a tf.data pipeline, 8 steps per execution; zero_grad, forward, backward, Adam
predict  sequences/s: `model.predict` on a tf.data pipeline, 32 steps per execution, XLA; batches under torch.no_grad

All three get the same batches of random word ids of full length, so that neither masks nor packing shorten anything.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np

from keras_dl.errors import KerasDLError

if TYPE_CHECKING:
    import keras

LIBRARIES = ("ours", "keras", "torch")
Rates = dict[str, list[float]]


class Shape(NamedTuple):
    """What a model reads and how many batches make one measurement."""

    words: int
    length: int
    classes: int
    batches: int


SHAPES = {
    "imdb-bilstm": Shape(words=10_000, length=200, classes=1, batches=48),
    "spam": Shape(words=8_000, length=419, classes=1, batches=48),
    "emoji": Shape(words=5_000, length=10, classes=5, batches=400),
}


@click.command(help=__doc__)
@click.argument("models", nargs=-1, type=click.Choice(list(SHAPES)))
@click.option("--rounds", default=5, show_default=True, help="Alternating measurements of each.")
@click.option("--threads", default=2, show_default=True, help="Threads that PyTorch may use.")
@click.option("--jit/--no-jit", default=True, show_default=True, help="Let XLA compile the Keras models' prediction.")
@click.option("--batch-size", default=32, show_default=True, help="Sequences in a batch.")
def main(models: tuple[str, ...], rounds: int, threads: int, jit: bool, batch_size: int) -> None:
    """Measure, and print one JSON object and a table."""
    from keras_dl import devices

    devices.import_quietly()
    import_torch().set_num_threads(threads)
    results = {}
    for name in models or SHAPES:
        rates = {kind: {library: [] for library in LIBRARIES} for kind in ("train", "predict")}
        kinds = measures(name, batch_size, jit)
        for number in range(rounds + 1):
            for (kind, library), measure in kinds.items():
                rate = measure()
                if number:  # the first round traces, compiles and warms up
                    rates[kind][library].append(rate)
        results[name] = {kind: summary(found) for kind, found in rates.items()}
    click.echo(json.dumps({"unit": "sequences/s", "batch_size": batch_size, "models": results}, indent=1))
    click.echo(table(results))


def import_torch() -> Any:
    """Return PyTorch, which only this script needs."""
    try:
        import torch
    except ImportError:
        raise KerasDLError("PyTorch is not installed; type: pip install 'keras-dl[bench]'") from None
    return torch


def measures(name: str, batch_size: int, jit: bool) -> dict[tuple[str, str], Callable[[], float]]:
    """Return what trains and what predicts once with each library and gives sequences per second."""
    import keras

    from keras_dl.layers.lstm import LSTM

    shape = SHAPES[name]
    generator = np.random.default_rng(0)
    x = generator.integers(1, shape.words, (shape.batches * batch_size, shape.length), dtype=np.int32)
    y = generator.integers(0, max(2, shape.classes), len(x))
    found: dict[tuple[str, str], Callable[[], float]] = {}
    for library, layer in (("ours", LSTM), ("keras", keras.layers.LSTM)):
        found |= keras_measures(keras_model(name, layer), library, x, y, shape, batch_size, jit)
    return found | torch_measures(torch_model(name), x, y, shape, batch_size)


def keras_model(name: str, lstm: type[keras.layers.LSTM]) -> keras.Model:
    """Build a model of the specification with the given recurrent layer, compiled with its loss and Adam."""
    import keras
    from keras import layers

    words, length, classes, _ = SHAPES[name]
    body = {
        "imdb-bilstm": lambda: [
            layers.Embedding(words, 64),
            layers.Bidirectional(lstm(64, return_sequences=True)),
            layers.Dropout(0.5),
            lstm(32),
            layers.Dropout(0.5),
        ],
        "spam": lambda: [
            layers.Embedding(words, 100),
            lstm(32, return_sequences=True),
            lstm(32),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
        ],
        "emoji": lambda: [
            layers.Embedding(words, 50, trainable=False),
            lstm(128, return_sequences=True),
            layers.Dropout(0.5),
            lstm(128),
            layers.Dropout(0.5),
        ],
    }[name]()
    head = layers.Dense(classes, activation="sigmoid" if classes == 1 else "softmax")
    model = keras.Sequential([keras.Input((length,), dtype="int32"), *body, head])
    loss = "binary_crossentropy" if classes == 1 else "sparse_categorical_crossentropy"
    model.compile("adam", loss, steps_per_execution=8)
    return model


def keras_measures(
    model: keras.Model, library: str, x: np.ndarray, y: np.ndarray, shape: Shape, batch_size: int, jit: bool
) -> dict[tuple[str, str], Callable[[], float]]:
    """Return a training and a prediction of all batches by a Keras model."""
    import keras
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = (
        False  # its thread sleeps 10 ms, 20 ms, 40 ms, ... and the end of a data set waits for it
    )
    one_by_one = tf.data.Dataset.from_tensor_slices((x, y)).with_options(options)
    batches = one_by_one.batch(batch_size).prefetch(4)
    endless = one_by_one.repeat().batch(batch_size, drop_remainder=True).prefetch(4)

    predictor = keras.models.clone_model(model)
    predictor.compile(steps_per_execution=32, jit_compile=jit)

    def train() -> float:
        began = time.perf_counter()
        model.fit(endless, steps_per_epoch=shape.batches, verbose=0)
        return len(x) / (time.perf_counter() - began)

    def predict() -> float:
        began = time.perf_counter()
        predictor.predict(batches, verbose=0)
        return len(x) / (time.perf_counter() - began)

    return {("train", library): train, ("predict", library): predict}


def torch_model(name: str) -> Any:
    """Build the same model in PyTorch."""
    torch = import_torch()
    words, _, classes, _ = SHAPES[name]

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            features, units, last, rate = {
                "imdb-bilstm": (64, 64, 32, 0.5),
                "spam": (100, 32, 32, 0.2),
                "emoji": (50, 128, 128, 0.5),
            }[name]
            both = name == "imdb-bilstm"
            self.embedding = torch.nn.Embedding(words, features).requires_grad_(name != "emoji")
            self.first = torch.nn.LSTM(features, units, batch_first=True, bidirectional=both)
            self.second = torch.nn.LSTM(2 * units if both else units, last, batch_first=True)
            self.between = torch.nn.Identity() if name == "spam" else torch.nn.Dropout(rate)
            self.dense = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.ReLU()) if name == "spam" else None
            self.dropout = torch.nn.Dropout(rate)
            self.head = torch.nn.Linear(last, classes)

        def forward(self, x: Any) -> Any:
            x = self.first(self.embedding(x))[0]
            x = self.second(self.between(x))[0][:, -1]
            x = self.head(self.dropout(x if self.dense is None else self.dense(x)))
            return torch.sigmoid(x)[:, 0] if classes == 1 else x  # cross_entropy takes logits

    return Model()


def torch_measures(
    model: Any, x: np.ndarray, y: np.ndarray, shape: Shape, batch_size: int
) -> dict[tuple[str, str], Callable[[], float]]:
    """Return the same of a PyTorch model."""
    torch = import_torch()
    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.Adam(trained)
    binary = shape.classes == 1
    loss = torch.nn.functional.binary_cross_entropy if binary else torch.nn.functional.cross_entropy
    inputs = torch.tensor(x, dtype=torch.int64)
    labels = torch.tensor(y, dtype=torch.float32 if binary else torch.int64)

    def train() -> float:
        model.train()
        began = time.perf_counter()
        for one, label in zip(inputs.split(batch_size), labels.split(batch_size), strict=True):
            optimizer.zero_grad()
            loss(model(one), label).backward()
            optimizer.step()
        return len(x) / (time.perf_counter() - began)

    def predict() -> float:
        model.eval()
        began = time.perf_counter()
        with torch.no_grad():
            torch.cat([model(one) for one in inputs.split(batch_size)]).numpy()
        return len(x) / (time.perf_counter() - began)

    return {("train", "torch"): train, ("predict", "torch"): predict}


def summary(rates: Rates) -> dict[str, Any]:
    """Return each library's median rate, and ours over the others': the median of the rounds' ratios, and the range."""
    ratios = {
        f"ours / {other}": sorted(a / b for a, b in zip(rates["ours"], rates[other], strict=True))
        for other in LIBRARIES[1:]
    }
    return {
        **{library: round(statistics.median(seen)) for library, seen in rates.items()},
        **{
            name: [round(one, 2) for one in (statistics.median(seen), seen[0], seen[-1])]
            for name, seen in ratios.items()
        },
        "best": {
            library: round(max(seen)) for library, seen in rates.items()
        },  # other work on the machine matters least here
    }


def table(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| model | | ours | keras | torch | ours / keras | ours / torch |", "|---|---|--:|--:|--:|--:|--:|"]
    for name, kinds in results.items():
        for kind, found in kinds.items():
            ratios = ("{} [{}, {}]".format(*found[f"ours / {other}"]) for other in LIBRARIES[1:])
            lines.append(" | ".join(["| " + name, kind, *(str(found[one]) for one in LIBRARIES), *ratios]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
