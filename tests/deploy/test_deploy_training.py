"""The job files for training on several machines: what they start is what our command and our cluster take."""

import os
import subprocess

import pytest
from test_deploy import DEPLOY, documents

from keras_dl.cli import main
from keras_dl.training.machines import cluster


def test_the_pods_of_a_training_know_each_other():
    found = {one["kind"]: one for one in documents("kubernetes/train.yaml")}
    job, service = found["Job"]["spec"], found["Service"]
    assert job["completionMode"] == "Indexed"
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert job["completions"] == job["parallelism"] == int(environment["KERAS_DL_WORKERS"])
    workers = cluster.find({**environment, "JOB_COMPLETION_INDEX": "1"})
    name, subdomain = found["Job"]["metadata"]["name"], service["metadata"]["name"]
    assert (workers.index, workers.workers[1]) == (1, f"{name}-1.{subdomain}:2222")
    assert pod["subdomain"] == subdomain
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    labels = job["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert service["spec"]["ports"][0]["port"] == container["ports"][0]["containerPort"] == 2222
    (deployment,) = documents("kubernetes/deployment.yaml")
    serving = deployment["spec"]["template"]["spec"]
    assert container["image"] == serving["containers"][0]["image"]
    assert container["securityContext"] == serving["containers"][0]["securityContext"]
    assert pod["securityContext"] == serving["securityContext"]
    volumes = {one["name"]: one for one in pod["volumes"]}
    claim = volumes["runs"]["persistentVolumeClaim"]["claimName"]
    assert claim == found["PersistentVolumeClaim"]["metadata"]["name"]
    assert found["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]


def started_by(script, folder, *files, **environment):
    """Run a shell script with stand-ins for the commands that it calls; return the command line of `keras-dl`."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    tools = folder / "tools"
    tools.mkdir()
    for name, body in (
        ("keras-dl", 'printf "%s\\n" "$@"'),
        ("srun", 'while [ "$1" != keras-dl ]; do shift; done; "$@"'),
    ):
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    own = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **environment}
    return subprocess.run(script, env=own, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ((), "train pneumonia --strategy multiworker --out {runs}"),
        (("config.json",), "train pneumonia --strategy multiworker --out {runs} --resume"),
        (("config.json", "metrics.json"), ""),
    ],
)
def test_a_pod_begins_goes_on_or_has_nothing_to_do(files, options, tmp_path):
    found = {one["kind"]: one for one in documents("kubernetes/train.yaml")}
    (container,) = found["Job"]["spec"]["template"]["spec"]["containers"]
    (script,) = container["args"]
    runs = tmp_path / "runs" / "pneumonia"
    script = script.replace("/runs/pneumonia", str(runs))
    done = started_by([*container["command"], script], tmp_path, *[f"runs/pneumonia/{name}" for name in files])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == options.format(runs=runs).split()
    if options:
        main.commands["train"].make_context("train", done.stdout.split()[1:])


@pytest.mark.parametrize(
    ("files", "options"), [((), "--data {here}/my\ndata"), (("runs/spam/slurm-7/config.json",), "--resume")]
)
def test_a_slurm_job_begins_or_goes_on(files, options, tmp_path):
    script = ["bash", DEPLOY / "slurm" / "train.sbatch", "spam", "--data", f"{tmp_path}/my\ndata"]
    done = started_by(script, tmp_path, *files, SLURM_JOB_ID="7", SLURM_NTASKS="2")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "runs" / "spam" / "slurm-7"
    wanted = f"train spam --strategy multiworker --out {out} {options.format(here=tmp_path)}"
    assert done.stdout.split() == wanted.split()
    main.commands["train"].make_context("train", ["spam", *wanted.split(" ")[2:]])


def test_a_slurm_job_without_a_task_says_what_is_missing(tmp_path):
    done = started_by(["bash", DEPLOY / "slurm" / "train.sbatch"], tmp_path, SLURM_JOB_ID="7", SLURM_NTASKS="2")
    assert done.returncode == 2
    assert "name a task: sbatch" in done.stderr
