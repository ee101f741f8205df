"""Run every verb of a task with its tiny settings in this process, as the command line does, in whatever surroundings.

python every_verb.py TASK FOLDER
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).parents[1]))

from live_server import NO_PROXY, serving

from keras_dl.cli import main


def command(*arguments: object) -> None:
    """Run one command; stop with its exit code, and its name, where it fails."""
    code = main(list(map(str, arguments)), standalone_mode=False)
    if code:
        sys.exit(f"exit code {code}: keras-dl {' '.join(map(str, arguments))}")


def every_verb(task: str, folder: Path) -> None:
    os.chdir(folder)  # for the files that get no place
    run = folder / "run"
    command("train", task, "--tiny", "--out", run)
    example = min((run / "examples").glob("[!.]*"))
    command("evaluate", run)
    command("predict", run, example)
    command("explain", run, example)
    command("report", run)
    command("export", run, "--out", folder / "models")
    with serving(f"model={folder / 'models'}") as url:
        command("predict", "model", example, "--url", url, "--json")
        answer = requests.get(f"{url}/v1/models/model", timeout=30, proxies=NO_PROXY)
        print(json.dumps(answer.json()))


if __name__ == "__main__":
    every_verb(sys.argv[1], Path(sys.argv[2]))
