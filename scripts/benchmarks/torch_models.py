"""The networks that the benchmark compares with, in PyTorch, as its users write them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from keras_dl.training.machines import devices

Works = dict[str, Callable[[], float]]
RECURRENT = {  # features of a word, units of the first layer, units of the second, dropout
    "imdb-bilstm": (64, 64, 32, 0.5),
    "spam": (100, 32, 32, 0.2),
    "emoji": (50, 128, 128, 0.5),
}


def use_all_cores() -> None:
    """Let PyTorch use as many threads as this process may use cores, as TensorFlow does."""
    torch.set_num_threads(devices.cores())


def cnn_works(x: np.ndarray, y: np.ndarray, config: Any, names: Mapping[str, str]) -> Works:
    """Return training and prediction of the four-block CNN, one of each per memory layout.

    Args:
        x: uint8 `[count, height, width, 1]`; made float32 in [0, 1] beforehand, which costs PyTorch nothing here.
        y: float32 `[count, 1]`, 0 or 1.
        config: for batch size, dropout, learning rate.
        names: of the measurements, by layout: "" for NCHW, contiguous, or "channels last".
    """
    use_all_cores()
    inputs = torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32) / 255).contiguous()
    works: Works = {}
    for layout, name in names.items():
        torch.manual_seed(0)
        kind = torch.channels_last if layout else torch.contiguous_format
        model: Any = cnn(x.shape[1], config.dropout)
        model.to(memory_format=kind)
        batches = [one.contiguous(memory_format=kind) for one in inputs.split(config.batch_size)]
        labels = torch.from_numpy(y).split(config.batch_size)
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        pairs = list(zip(batches, labels, strict=True))
        works[name] = training(model, optimizer, nn.BCELoss(), pairs[len(pairs) // 3 :])
        works[f"{name}, prediction"] = prediction(model, batches)
    return works


def cnn(image_size: int, dropout: float) -> nn.Module:
    """Build the network of `models.images.xray_cnn` in the order of the document: pooling after the ReLU."""
    layers: list[nn.Module] = []
    for before, after in ((1, 32), (32, 64), (64, 128), (128, 256)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        layers.append(nn.Dropout(dropout / 2))
    layers += [nn.Flatten(), nn.Linear(256 * (image_size // 16) ** 2, 256), nn.ReLU(), nn.Dropout(dropout)]
    layers += [nn.Linear(256, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 1), nn.Sigmoid()]
    return nn.Sequential(*layers)


def lstm_works(name: str, x: np.ndarray, y: np.ndarray, words: int, classes: int, batch_size: int) -> Works:
    """Return "train" and "predict" of one of the recurrent networks.

    Args:
        name: in RECURRENT.
        x: int32 `[count, length]`.
        y: `[count]`, class indices.
        words: size of the vocabulary.
        classes: 1 for a probability.
        batch_size: sequences in a step.
    """
    use_all_cores()
    binary = classes == 1
    model = Recurrent(name, words, classes)
    inputs = torch.tensor(x, dtype=torch.int64).split(batch_size)
    labels = torch.tensor(y, dtype=torch.float32 if binary else torch.int64).split(batch_size)
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad])
    loss = nn.BCELoss() if binary else nn.CrossEntropyLoss()
    batches = list(zip(inputs, labels, strict=True))
    return {"train": training(model, optimizer, loss, batches), "predict": prediction(model, inputs)}


class Recurrent(nn.Module):
    """Two LSTM layers over word vectors."""

    def __init__(self, name: str, words: int, classes: int) -> None:
        super().__init__()
        features, units, last, rate = RECURRENT[name]
        both, self.classes = name == "imdb-bilstm", classes
        self.embedding = nn.Embedding(words, features).requires_grad_(name != "emoji")
        self.first = nn.LSTM(features, units, batch_first=True, bidirectional=both)
        self.second = nn.LSTM(2 * units if both else units, last, batch_first=True)
        self.between = nn.Identity() if name == "spam" else nn.Dropout(rate)
        self.dense = nn.Sequential(nn.Linear(32, 32), nn.ReLU()) if name == "spam" else nn.Identity()
        self.dropout, self.head = nn.Dropout(rate), nn.Linear(last, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(self.embedding(x))[0]  # [batch, length, units]
        x = self.second(self.between(x))[0][:, -1]
        x = self.head(self.dropout(self.dense(x)))
        return torch.sigmoid(x)[:, 0] if self.classes == 1 else x  # cross entropy takes logits


def training(model: nn.Module, optimizer: Any, loss: nn.Module, batches: list) -> Callable[[], float]:
    """Return a function that trains on batches of (x, y) and gives examples per second."""

    def train() -> float:
        model.train()
        began = time.perf_counter()
        for x, y in batches:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
        return sum(len(x) for x, _ in batches) / (time.perf_counter() - began)

    return train


def prediction(model: nn.Module, batches: Any) -> Callable[[], float]:
    """Return a function that predicts batches and gives examples per second."""

    def predict() -> float:
        model.eval()
        began = time.perf_counter()
        with torch.no_grad():
            torch.cat([model(x) for x in batches]).numpy()
        return sum(len(x) for x in batches) / (time.perf_counter() - began)

    return predict
