"""What is served: models by name, each with versions, in folders that are looked at again and again."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_dl.errors import KerasDLError
from keras_dl.runs import versions
from keras_dl.runs.run import Run
from keras_dl.server.batching import Batcher
from keras_dl.server.models.served import Version, facts
from keras_dl.server.models.sources import NAME, Source, expanded, state_of_files

LOG = logging.getLogger("keras_dl.server")
EVERY = 1.0  # seconds between two looks at the folders


@dataclass
class Model:
    """A model and its versions, each with its batcher; both maps are replaced, never changed."""

    source: Source
    ready: Mapping[int, Version] = field(default_factory=dict)
    batchers: Mapping[int, Batcher] = field(default_factory=dict)
    states: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # number -> state, error
    serving: versions.Serving = field(default_factory=versions.Serving)
    failed: dict[int, Any] = field(default_factory=dict)  # number -> how its files were, by `state_of_files`


class NotServed(Exception):  # noqa: N818 - reads as what it is
    """There is no such model or version; the message is TensorFlow Serving's."""


class Catalogue:
    """The models of a server, kept as their folders are."""

    def __init__(self, found: Iterable[Source], batcher: Callable[[str, Version], Batcher], largest: int = 32) -> None:
        """Take the sources, what makes a batcher for a version (in the event loop), and the largest batch."""
        self.sources = list(found)
        self.models: dict[str, Model] = {}
        self.batcher, self.largest = batcher, largest
        self.loaded = threading.Event()
        self.stopping = threading.Event()
        self.changed: Callable[[], None] = lambda: None
        self.begun: Callable[[], None] = lambda: None  # called in the event loop once all there is was tried
        self.unsaid: list[tuple[str, BaseException]] = []  # which version cannot be served, and why

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Load what is there, then follow the folders until `stopping`; for a thread of its own."""
        while not self.stopping.is_set():
            for source in self.sources:
                try:
                    for one in expanded(source):
                        if one.name not in self.models and NAME.fullmatch(one.name):
                            self.models = {**self.models, one.name: Model(one)}
                except OSError as error:
                    LOG.error("%s cannot be read: %s", source.path, error.strerror)
            gone = [name for name, one in self.models.items() if not one.source.path.exists() and not one.ready]
            self.models = {name: one for name, one in self.models.items() if name not in gone}
            for model in self.models.values():
                try:
                    self.refresh(model, loop)
                except Exception:
                    LOG.exception("the folder of %s cannot be read", model.source.name)
            is_first = not self.loaded.is_set()
            if not (is_first and self.hopeless()):  # else the reason is what the server ends with
                self.report()
            if is_first:
                self.loaded.set()
                loop.call_soon_threadsafe(self.begun)
            self.stopping.wait(EVERY)

    def hopeless(self) -> str:
        """Return why nothing will ever be served: all runs and versions failed, and no folder may bring others."""
        may_come = any(source.kind in ("folder", "models") for source in self.sources)
        if may_come or any(model.ready for model in self.models.values()):
            return ""
        return "; ".join(reason for reason, _ in self.unsaid)

    def report(self) -> None:
        """Log which versions could not be loaded."""
        for reason, error in self.unsaid:
            LOG.error(reason, exc_info=None if isinstance(error, KerasDLError) else error)
        self.unsaid = []

    def refresh(self, model: Model, loop: asyncio.AbstractEventLoop) -> None:
        """Load versions that appeared, let go of those that went, read the labels again."""
        folder = model.source.path
        if model.source.kind == "folder":
            there = versions.numbers(folder)
            try:
                model.serving = versions.read(folder)
            except KerasDLError as error:
                LOG.error("%s; the labels are unchanged", error)
        else:
            there = [int(folder.name) if model.source.kind == "version" and folder.name.isdigit() else 1]
        for number in there:
            if number not in model.ready and self.is_new(model, number):
                self.add(model, number, loop)
        gone = set(model.ready) - set(there)
        if gone:
            closing = [model.batchers[number] for number in gone]
            model.ready = {number: one for number, one in model.ready.items() if number not in gone}
            model.batchers = {number: one for number, one in model.batchers.items() if number not in gone}
            for number in gone:
                LOG.info("version %d of %s was removed", number, model.source.name)
            for batcher in closing:
                asyncio.run_coroutine_threadsafe(batcher.close(), loop).result()
            del closing
            gc.unfreeze()  # so that what went can be collected
            gc.collect()
            gc.freeze()
        model.states = {number: state for number, state in model.states.items() if number in there}
        self.changed()

    def is_new(self, model: Model, number: int) -> bool:
        """Whether a version was not tried yet as it is now."""
        return model.failed.get(number) != state_of_files(self.folder(model, number))

    def folder(self, model: Model, number: int) -> Path:
        """Return where a version is."""
        return model.source.path / str(number) if model.source.kind == "folder" else model.source.path

    def add(self, model: Model, number: int, loop: asyncio.AbstractEventLoop) -> None:
        """Load one version, run it once, and publish it; a failure is said and leaves the others alone."""
        began, folder = time.perf_counter(), self.folder(model, number)
        model.states = {**model.states, number: ("LOADING", "")}
        changed = state_of_files(folder)
        try:
            version = Version.of_run(Run(folder)) if model.source.kind == "run" else Version.of_export(folder)
            version.number = number
            version.warm_up(self.largest)
            made = asyncio.run_coroutine_threadsafe(self.make(model, version), loop)
            batcher = made.result()
        except Exception as error:
            self.unsaid.append((f"version {number} of {model.source.name} cannot be served: {error}", error))
            model.failed[number] = changed
            model.states = {
                **model.states,
                number: ("END", "it cannot be loaded; the server's log gives the reason"),
            }  # no paths
            return
        model.batchers = {**model.batchers, number: batcher}
        model.ready = {**model.ready, number: version}
        model.states = {**model.states, number: ("AVAILABLE", "")}
        gc.collect()
        gc.freeze()  # models are no garbage, and looking through all they hold stops every request for half a second
        spent = time.perf_counter() - began
        LOG.info("version %d of %s is served, loaded in %.1f s", number, model.source.name, spent)

    async def make(self, model: Model, version: Version) -> Batcher:
        """Make a batcher in the event loop, where it works."""
        return self.batcher(model.source.name, version)

    def model(self, name: str) -> Model:
        """Return a model; raises NotServed."""
        if name not in self.models:
            raise NotServed(f"Servable not found for request: Latest({name})")
        return self.models[name]

    def resolve(self, name: str, version: int | None, label: str | None, client: str) -> tuple[Version, Batcher]:
        """Return who answers: the version asked for, the one the label points to, or the client's share of the traffic.

        Raises:
            NotServed: if there is none.
        """
        model = self.model(name)
        batchers = model.batchers  # the watching thread replaces both maps, one after the other
        ready = {number: one for number, one in model.ready.items() if number in batchers}
        if label is not None:
            version = model.serving.labels.get(label)
            if version is None:
                raise NotServed(f"Unrecognized servable version label: {label}")
        if version is None:
            if not ready:
                raise NotServed(f"Servable not found for request: Latest({name})")
            version = versions.choose(model.serving, sorted(ready), client, name)
        if version not in ready:
            raise NotServed(f"Servable not found for request: Specific({name}, {version})")
        return ready[version], batchers[version]

    async def close(self) -> None:
        """Let every batcher answer what it has."""
        self.stopping.set()
        await asyncio.gather(*(one.close() for model in self.models.values() for one in model.batchers.values()))

    def describe(self, name: str) -> dict[str, Any]:
        """Return what a client and the page need to know of a model, by its default version's card."""
        model = self.model(name)
        ready, states, serving = model.ready, model.states, model.serving  # the watching thread replaces them
        labels: dict[int, list[str]] = {}
        for label, number in serving.labels.items():
            labels.setdefault(number, []).append(label)

        def share(number: int) -> float | None:
            weights = [serving.weights[label] for label in labels.get(number, ()) if label in serving.weights]
            return sum(weights) if weights else None

        shown: dict[str, Any] = {
            "name": name,
            "versions": [
                {"version": str(number), "state": state, "labels": labels.get(number, []), "weight": share(number)}
                for number, (state, _) in sorted(states.items(), reverse=True)
            ],
        }
        if not ready:
            return shown
        version = ready[versions.choose(serving, sorted(ready), "", name)]
        return shown | facts(name, version)
