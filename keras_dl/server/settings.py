"""What a server is told when it starts, as the command line gives it and as its workers read it."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass

VARIABLE = "KERAS_DL_SERVE"  # environment of the workers


@dataclass(frozen=True)
class Settings:
    """The options of `keras-dl serve`."""

    runs: tuple[str, ...] = ()  # as `sources.find` takes them
    name: str | None = None
    host: str = "127.0.0.1"
    port: int = 7860
    workers: int = 1  # processes
    max_delay: float = 2.0  # milliseconds that a batch may wait to fill up
    max_batch: int = 32  # inputs that run together
    queue: int = 512  # inputs that may wait for the model
    timeout: float = 30.0  # seconds that a request may wait and run
    rate: str = ""  # "50/second", per address, in each worker; "" for no limit
    largest_body: int = 64_000_000  # bytes
    api_key: str = ""
    database: str = ""  # SQLAlchemy's URL; "" for none
    burst: float = 0.0  # seconds in which the inputs of one client count once for the drift alarm; 0: each counts
    keep_inputs: bool = False  # store texts and images in it too
    allow_origin: tuple[str, ...] = ()  # CORS
    frame_ancestor: tuple[str, ...] = ()  # sites that may show the page in a frame
    drain: float = 2.0  # seconds between "not ready" and closing the door
    root_path: str = ""  # "/keras": where a reverse proxy shows the server
    log: str = "auto"  # "text", "json", or what fits where it goes

    def to_environment(self) -> None:
        """Hand the settings to worker processes."""
        os.environ[VARIABLE] = json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_environment(cls) -> Settings:
        """Read what `to_environment` wrote."""
        values = json.loads(os.environ[VARIABLE])
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**(values | lists))
