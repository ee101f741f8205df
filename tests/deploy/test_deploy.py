"""What deploy/ tells other programs: read as they read it, and compared with what our server takes and answers."""

import fnmatch
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from keras_dl import registry
from keras_dl.cli import main

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PORT = 7860
DOCKERFILES = (DEPLOY / "Dockerfile", DEPLOY / "space" / "Dockerfile")
# Fields of TensorFlow Serving's BatchingParameters; its package on the index leaves this message out.
BATCHING = {"max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"}


def documents(name):
    return [one for one in yaml.safe_load_all((DEPLOY / name).read_text()) if one]


def instructions(path):
    """Return the instructions of a Dockerfile as pairs of name and text, without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def only(pairs, name):
    (found,) = [text for instruction, text in pairs if instruction == name]
    return found


def serves(command):
    """Fail unless a command is one of ours that serves /models to other machines at the port."""
    assert command[:3] == ["keras-dl", "serve", "/models"]
    given = main.commands["serve"].make_context("serve", list(command[2:])).params
    assert (given["host"], given["port"]) == ("0.0.0.0", PORT)


# Images


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_image_serves_as_an_ordinary_user_and_says_whether_it_is_ready(path):
    pairs = instructions(path)
    assert only(pairs, "FROM") == "python:3.12-slim"
    assert "ENTRYPOINT" not in dict(pairs)
    serves(json.loads(only(pairs, "CMD")))  # JSON is the exec form: the server itself gets SIGTERM
    names = [name for name, _ in pairs]
    assert only(pairs, "USER") == "1000:1000"
    assert names.index("USER") > max(number for number, name in enumerate(names) if name in ("RUN", "COPY"))
    assert only(pairs, "EXPOSE") == str(PORT)
    check = json.loads(only(pairs, "HEALTHCHECK").split("CMD", 1)[1])
    assert check[:2] == ["python", "-c"]
    compile(check[2], "HEALTHCHECK", "exec")
    assert f"'127.0.0.1', {PORT}," in check[2]
    assert "'/readyz'" in check[2]


def test_what_the_image_copies_is_there_and_reaches_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    copied = [source for name, text in instructions(DOCKERFILES[0]) if name == "COPY" for source in text.split()[:-1]]
    assert set(copied) == let_through
    for source in copied:
        assert (ROOT / source).exists()
    assert (ROOT / "keras_dl" / "samples").resolve() == ROOT / "data" / "samples"  # a link: both are copied
    extras = re.findall(r'"\.\[(\w+)\]"', DOCKERFILES[0].read_text())
    assert set(extras) <= set(re.findall(r"^(\w+) =", section("options.extras_require"), re.MULTILINE))


def section(name):
    return (ROOT / "setup.cfg").read_text().split(f"[{name}]\n")[1].split("\n[")[0]


def test_the_space_is_filled_as_its_image_copies():
    readme = (DEPLOY / "space" / "README.md").read_text()
    (head,) = list(yaml.safe_load_all(readme.split("---")[1]))
    assert (head["sdk"], head["app_port"], head["license"]) == ("docker", PORT, "apache-2.0")
    assert len(head["short_description"]) <= 60
    lines = (DEPLOY / "README.md").read_text().splitlines()
    (copy,) = [shlex.split(line) for line in lines if line.startswith("cp ") and line.endswith(" space/")]
    (wheel,) = [line for line in lines if line.startswith("python -m pip wheel") and "--wheel-dir space" in line]
    assert wheel
    given = [*copy[1:-1], "keras_dl-0.1.0-py3-none-any.whl"]
    for name, text in instructions(DOCKERFILES[1]):
        for source in text.split()[:-1] if name == "COPY" else []:
            assert fnmatch.filter(given, source), f"nothing puts {source} into the Space"


# Beside TensorFlow Serving


def test_tensorflow_serving_reads_its_files():
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    folder = DEPLOY / "tf_serving"
    models = text_format.Parse((folder / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    for one in models.model_config_list.config:
        assert one.name in registry.TASKS
        assert one.base_path == f"/models/{one.name}"
        assert one.model_platform == "tensorflow"
        assert one.model_version_policy.HasField("all")
        assert f"keras-dl export {one.name}" in (DEPLOY / "README.md").read_text()
    lines = [line for line in (folder / "batching.config").read_text().splitlines() if not line.startswith("#")]
    fields = [re.fullmatch(r"(\w+) \{ value: (\d+) \}", line) for line in lines]
    batching = {found[1]: int(found[2]) for found in fields}
    assert set(batching) == BATCHING
    options = {one.name: one.default for one in main.commands["serve"].params}
    assert batching["max_batch_size"] == options["max_batch"]
    assert batching["batch_timeout_micros"] == 1000 * options["max_delay"]
    assert batching["max_enqueued_batches"] * batching["max_batch_size"] == options["queue"]
    monitoring = (folder / "monitoring.config").read_text()
    path = re.fullmatch(r'#.*\nprometheus_config \{\n  enable: true\n  path: "(\S+)"\n\}\n', monitoring)[1]
    assert path in monitoring.splitlines()[0]


def test_compose_starts_both_on_the_same_models():
    (compose,) = documents("compose.yaml")
    ours, theirs = compose["services"]["server"], compose["services"]["tf-serving"]
    assert (DEPLOY / ours["build"]["context"]).resolve() == ROOT
    assert (ROOT / ours["build"]["dockerfile"]).is_file()
    assert ours["ports"] == ["${KERAS_DL_BIND:-127.0.0.1}:7860:7860"]
    assert theirs["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    shared = set(ours["volumes"]) & set(theirs["volumes"])
    assert shared == {"${KERAS_DL_MODELS:-../models}:/models:ro"}
    assert "database:/database" in ours["volumes"]
    assert list(compose["volumes"]) == ["database"]
    assert ours["environment"]["KERAS_DL_DATABASE"] == "${KERAS_DL_DATABASE:-sqlite:////database/requests.db}"
    known = {one.envvar for one in main.commands["serve"].params}
    assert set(ours["environment"]) <= known
    for service in (ours, theirs):
        assert service["user"] == "1000:1000"
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    (version,) = re.findall(r"^tensorflow-serving-api==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert theirs["image"] == f"tensorflow/serving:{version}"
    named = [option.partition("=")[2] for option in theirs["command"] if "=/config/" in option]
    assert "./tf_serving:/config:ro" in theirs["volumes"]
    assert {Path(one).name for one in named} == {one.name for one in (DEPLOY / "tf_serving").iterdir()}
    assert "--enable_batching=true" in theirs["command"]


# Kubernetes


@pytest.fixture(scope="module")
def manifests():
    """What `kubectl apply -k` takes, by kind."""
    (kustomization,) = documents("kubernetes/kustomization.yaml")
    found = [one for name in kustomization["resources"] for one in documents(f"kubernetes/{name}")]
    return {one["kind"]: one for one in found}


def test_the_pods_are_ordinary_probed_and_given_time_to_end(manifests):
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    serves(container["args"])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["ports"] == [{"name": "http", "containerPort": PORT}]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    options = {one.name: one.default for one in main.commands["serve"].params}
    assert pod["terminationGracePeriodSeconds"] >= pause + options["drain"] + options["timeout"]
    assert set(container["resources"]) == {"requests", "limits"}
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    assert mounts["/models"]["readOnly"]
    assert "/tmp" in mounts
    volumes = {one["name"]: one for one in pod["volumes"]}
    assert volumes[mounts["/models"]["name"]]["persistentVolumeClaim"]["claimName"] == "keras-dl-models"
    assert manifests["PersistentVolumeClaim"]["metadata"]["name"] == "keras-dl-models"
    assert "emptyDir" in volumes[mounts["/tmp"]["name"]]


def test_what_is_around_the_pods_finds_them(manifests):
    deployment = manifests["Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["Service"]["spec"]["ports"][0]["targetPort"] == "http"
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    scaler = manifests["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]
    assert scaler["minReplicas"] > manifests["PodDisruptionBudget"]["spec"]["minAvailable"]
    (secret,) = deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    readme = (DEPLOY / "README.md").read_text()
    assert f"kubectl create secret generic {secret['secretRef']['name']} " in readme
    keys = set(re.findall(r"--from-literal=(\w+)=", readme))
    assert keys == {one.envvar for one in main.commands["serve"].params if one.envvar}


def test_the_models_can_be_copied_into_the_cluster(manifests):
    (pod,) = documents("kubernetes/upload.yaml")
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    (volume,) = pod["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == manifests["PersistentVolumeClaim"]["metadata"]["name"]
    image = manifests["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert pod["spec"]["containers"][0]["image"] == image
    readme = (DEPLOY / "README.md").read_text()
    assert f"docker build -f deploy/Dockerfile -t {image} ." in readme
    assert f" {pod['metadata']['name']}:/models" in readme
