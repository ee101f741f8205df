"""The workers of a training on several machines: from TF_CONFIG, SLURM, or a Kubernetes Indexed Job.

Nothing here imports TensorFlow, so a wrong cluster is refused before any work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, repeat

from keras_dl.errors import UsageError

FIRST_PORT, PORTS = 20_000, 10_000  # below those that systems give to outgoing connections
ADDRESS = re.compile(r"[^\s:/]+:(\d{1,5})")
NODES = r"(?:[\w.-]|\[[^\[\]]*\])+"  # one part of a list of nodes
UNSUPPORTED = {
    "ps": "Keras 3 has no parameter servers; give every process the type worker",
    "evaluator": "every worker does its share of the evaluation; leave the evaluator out",
}


@dataclass(frozen=True)
class Cluster:
    """All workers of a training, and which of them this process is."""

    workers: tuple[str, ...]  # "host:port"; the first one is the chief, which writes the run directory
    index: int = 0

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes the run directory."""
        return self.index == 0

    @property
    def name(self) -> str:
        """What messages call this process: "worker 2 of 4"."""
        return f"worker {self.index + 1} of {len(self.workers)}"

    def tf_config(self) -> str:
        """Return what TensorFlow reads from the variable TF_CONFIG."""
        return json.dumps({"cluster": {"worker": list(self.workers)}, "task": {"type": "worker", "index": self.index}})


def find(environment: Mapping[str, str], *, slurm: bool = False) -> Cluster | None:
    """Return the cluster that the environment describes, or None for a process of its own.

    TF_CONFIG comes first, then KERAS_DL_WORKERS and KERAS_DL_WORKER of a Kubernetes Indexed Job. SLURM's variables
    count only with `slurm`: they are also there for tasks that have nothing to do with each other.

    Raises:
        UsageError: if what is there is no cluster that can train.
    """
    if environment.get("TF_CONFIG", "").strip():
        return from_tf_config(environment["TF_CONFIG"])
    if "KERAS_DL_WORKERS" in environment:
        return from_indexed_job(environment)
    return from_slurm(environment) if slurm and "SLURM_PROCID" in environment else None


def from_tf_config(text: str) -> Cluster | None:
    """Read TF_CONFIG; None where it names no cluster.

    Raises:
        UsageError: if it is no JSON object with {"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type", "index"}}.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise wrong(f"is not JSON ({error})") from None
    if not isinstance(values, dict) or not isinstance(values.get("cluster", {}), dict):
        raise wrong("has no object 'cluster'")
    jobs, task = values.get("cluster", {}), values.get("task", {})
    if not jobs:
        return None
    for name in jobs:
        if name not in ("chief", "master", "worker"):
            raise wrong(f"names the job '{name}': {UNSUPPORTED.get(name, 'use chief and worker')}")
        if not isinstance(jobs[name], list):
            raise wrong(f"has no list of addresses for '{name}'")
    order = [(name, number) for name in ("chief", "master", "worker") for number in range(len(jobs.get(name, ())))]
    own = f"{task.get('type')} {task.get('index')}" if isinstance(task, dict) else str(task)
    names = [f"{name} {number}" for name, number in order]
    if own not in names:
        raise wrong(f"says this is {own}; the cluster has: {', '.join(names)}")
    return checked(tuple(jobs[name][number] for name, number in order), names.index(own), "TF_CONFIG")


def from_indexed_job(environment: Mapping[str, str]) -> Cluster:
    """Make the cluster of a Kubernetes Indexed Job with as many completions as pods at a time.

    KERAS_DL_WORKERS is the number of pods, KERAS_DL_WORKER the address of each with {index} in it,
    "train-{index}.train:2222" say, and Kubernetes sets JOB_COMPLETION_INDEX.

    Raises:
        UsageError: if one of them is missing or no number.
    """
    names = ("KERAS_DL_WORKERS", "KERAS_DL_WORKER", "JOB_COMPLETION_INDEX")
    if missing := [name for name in names if not environment.get(name)]:
        raise UsageError(f"{', '.join(missing)} not set; an Indexed Job sets all of {', '.join(names)}")
    count, index = whole(environment, names[0]), whole(environment, names[2])
    address = environment[names[1]]
    if "{index}" not in address:
        raise UsageError(f"KERAS_DL_WORKER='{address}' must have {{index}} in it, as train-{{index}}.train:2222")
    return checked(tuple(address.replace("{index}", str(pod)) for pod in range(count)), index, "KERAS_DL_WORKERS")


def from_slurm(environment: Mapping[str, str]) -> Cluster:
    """Make the cluster of the tasks that one `srun` started; tasks of one node have ports one after another.

    Tasks are on the nodes in blocks, as srun puts them without --distribution.

    Raises:
        UsageError: if SLURM's variables are missing or contradict each other.
    """
    nodes = first_of(environment, "SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
    tasks = first_of(environment, "SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE") or "1"
    if not nodes:
        raise UsageError("SLURM_STEP_NODELIST is not set: start the workers with srun, as in deploy/slurm/train.sbatch")
    count_name = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environment else "SLURM_NTASKS"
    count, index = whole(environment, count_name), whole(environment, "SLURM_PROCID")
    job = whole(environment, "SLURM_JOB_ID") if "SLURM_JOB_ID" in environment else 0
    port = FIRST_PORT + job * 16 % PORTS
    hosts = expanded(nodes)
    shares = tasks_of(tasks, len(hosts))
    workers = [f"{host}:{port + task}" for host, share in zip(hosts, shares, strict=True) for task in range(share)]
    if len(workers) != count:
        raise UsageError(
            f"SLURM says {count} tasks, but {len(workers)} in '{tasks}' on '{nodes}'; start "
            f"them with srun --ntasks={count}"
        )
    return checked(tuple(workers), index, "SLURM_PROCID")


def expanded(nodes: str) -> list[str]:
    """Write out a list of nodes: "node[01-03,7],gpu2" is node01, node02, node03, node7, gpu2.

    Raises:
        UsageError: if it is no such list.
    """
    if not re.fullmatch(f"{NODES}(,{NODES})*", nodes):
        raise UsageError(f"'{nodes}' is not a list of nodes such as node[01-03,7],gpu2")
    found: list[str] = []
    for part in re.finditer(NODES, nodes):
        pieces = re.split(r"\[([^\[\]]*)\]", part[0])  # text, list, text, list, ..., text
        names = [""]
        for number, piece in enumerate(pieces):
            names = [name + end for name in names for end in (numbers(piece, nodes) if number % 2 else [piece])]
        found += names
    return found


def numbers(ranges: str, nodes: str) -> list[str]:
    """Write out "01-03,7" as 01, 02, 03, 7."""
    found = []
    for one in ranges.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", one)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise UsageError(f"'{nodes}' is not a list of nodes: '{one}' is not a range such as 01-03")
        found += [f"{number:0{len(match[1])}}" for number in range(int(match[1]), int(match[2] or match[1]) + 1)]
    return found


def tasks_of(text: str, nodes: int) -> list[int]:
    """Write out SLURM's tasks per node: "2(x3),1" is 2, 2, 2, 1; one number alone holds for every node."""
    found: list[int] = []
    for one in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", one)
        if not match:
            raise UsageError(f"'{text}' does not give tasks per node, such as 2(x3),1")
        found += repeat(int(match[1]), int(match[2] or 1))
    found = list(chain(found, repeat(found[0], nodes - len(found)))) if len(found) == 1 else found
    if len(found) != nodes:
        raise UsageError(f"'{text}' gives the tasks of {len(found)} nodes, but there are {nodes}")
    return found


def checked(workers: tuple[str, ...], index: int, source: str) -> Cluster:
    """Return the cluster if its addresses are distinct and this process is one of it."""
    for address in workers:
        match = ADDRESS.fullmatch(str(address))
        if not match or not 0 < int(match[1]) < 65_536:
            raise UsageError(f"{source}: '{address}' is not an address such as node1:2222")
    if len(set(workers)) < len(workers):
        raise UsageError(f"{source}: it has an address twice, but every worker needs its own: {', '.join(workers)}")
    if not 0 <= index < len(workers):
        raise UsageError(f"{source}: there is no worker {index}; the workers are 0 to {len(workers) - 1}")
    return Cluster(workers, index)


def whole(environment: Mapping[str, str], name: str) -> int:
    """Return a variable that must be a whole number."""
    if not re.fullmatch(r"\d{1,12}", environment.get(name, "")):
        raise UsageError(f"{name}='{environment.get(name, '')}' must be a whole number")
    return int(environment[name])


def first_of(environment: Mapping[str, str], *names: str) -> str:
    """Return the first of these variables that is set."""
    return next((environment[name] for name in names if environment.get(name)), "")


def wrong(what: str) -> UsageError:
    """Return the error for a TF_CONFIG that cannot be used, with one that can."""
    example = '{"cluster": {"worker": ["node1:2222", "node2:2222"]}, "task": {"type": "worker", "index": 0}}'
    return UsageError(f"TF_CONFIG {what}; an example: {example}")
