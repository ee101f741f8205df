"""Who the workers are, as TF_CONFIG, SLURM and Kubernetes say it."""

import json

import pytest

from keras_dl.errors import UsageError
from keras_dl.training.machines import cluster

JOB = {"KERAS_DL_WORKERS": "3", "KERAS_DL_WORKER": "train-{index}.train:2222", "JOB_COMPLETION_INDEX": "1"}
SRUN = {"SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_TASKS_PER_NODE": "2(x2)"}


def tf_config(task=("worker", 0), **jobs):
    return json.dumps({"cluster": jobs, "task": {"type": task[0], "index": task[1]}})


@pytest.mark.parametrize(
    ("text", "workers", "index"),
    [
        (tf_config(worker=["a:1", "b:2"]), ("a:1", "b:2"), 0),
        (tf_config(("worker", 1), worker=["a:1", "b:2"]), ("a:1", "b:2"), 1),
        (tf_config(("worker", "1"), worker=["a:1", "b:2"]), ("a:1", "b:2"), 1),
        (tf_config(("chief", 0), chief=["c:1"], worker=["a:1", "b:2"]), ("c:1", "a:1", "b:2"), 0),
        (tf_config(("worker", 1), worker=["a:1", "b:2"], chief=["c:1"]), ("c:1", "a:1", "b:2"), 2),
    ],
)
def test_tf_config_names_the_workers_and_this_one(text, workers, index):
    found = cluster.find({"TF_CONFIG": text, **JOB})
    assert (found.workers, found.index, found.chief) == (workers, index, index == 0)
    assert cluster.from_tf_config(found.tf_config()) == found
    assert found.name == f"worker {index + 1} of {len(workers)}"


@pytest.mark.parametrize("text", ["", " ", "{}", '{"cluster": {}, "task": {}}'])
def test_without_a_cluster_there_is_none(text):
    assert cluster.find({"TF_CONFIG": text}) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "has no object 'cluster'"),
        ('{"cluster": []}', "has no object 'cluster'"),
        (tf_config(worker="a:1"), "no list of addresses for 'worker'"),
        (tf_config(worker=["a:1"], ps=["b:2"]), "Keras 3 has no parameter servers"),
        (tf_config(worker=["a:1"], evaluator=["b:2"]), "does its share of the evaluation"),
        (tf_config(worker=["a:1"], gpu=["b:2"]), "names the job 'gpu': use chief and worker"),
        (tf_config(("worker", 2), worker=["a:1", "b:2"]), "says this is worker 2; the cluster has: worker 0, worker 1"),
        (tf_config(("worker", -1), worker=["a:1", "b:2"]), "says this is worker -1"),
        (tf_config((None, None), worker=["a:1"]), "says this is None None"),
        ('{"cluster": {"worker": ["a:1"]}, "task": 3}', "says this is 3"),
        (tf_config(worker=["a"]), "'a' is not an address such as node1:2222"),
        (tf_config(worker=["a:0"]), "'a:0' is not an address"),
        (tf_config(worker=["a:65536"]), "is not an address"),
        (tf_config(worker=["http://a:1"]), "is not an address"),
        (tf_config(worker=[3]), "'3' is not an address"),
        (tf_config(worker=["a:1", "a:1"]), "has an address twice"),
    ],
)
def test_a_wrong_tf_config_is_refused_with_the_reason(text, said):
    with pytest.raises(UsageError, match="TF_CONFIG") as refused:
        cluster.find({"TF_CONFIG": text})
    assert said in str(refused.value)


def test_an_indexed_job_says_who_its_pods_are():
    found = cluster.find(JOB)
    assert found.workers == ("train-0.train:2222", "train-1.train:2222", "train-2.train:2222")
    assert found.index == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"KERAS_DL_WORKER": ""}, "KERAS_DL_WORKER not set"),
        ({"JOB_COMPLETION_INDEX": ""}, "JOB_COMPLETION_INDEX not set; an Indexed Job sets all of"),
        ({"KERAS_DL_WORKERS": "many"}, "KERAS_DL_WORKERS='many' must be a whole number"),
        ({"KERAS_DL_WORKER": "train:2222"}, "must have {index} in it"),
        ({"KERAS_DL_WORKER": "train-{index}"}, "'train-0' is not an address"),
        ({"JOB_COMPLETION_INDEX": "3"}, "there is no worker 3; the workers are 0 to 2"),
    ],
)
def test_an_indexed_job_that_is_not_whole_is_refused(change, said):
    with pytest.raises(UsageError) as refused:
        cluster.find({**JOB, **change})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("nodes", "written_out"),
    [
        ("node1", "node1"),
        ("node[01-03,7],gpu2", "node01 node02 node03 node7 gpu2"),
        ("node[1,3]", "node1 node3"),
        ("node[09-11]", "node09 node10 node11"),
        ("a[1-2]b[3,4]", "a1b3 a1b4 a2b3 a2b4"),
        ("a[1-2]-x.site,b", "a1-x.site a2-x.site b"),
    ],
)
def test_a_list_of_nodes_is_written_out(nodes, written_out):
    assert cluster.expanded(nodes) == written_out.split()


@pytest.mark.parametrize("nodes", ["", "node[", "node[1-", "node[]", "node[3-1]", "node[a]", "no de", "node]"])
def test_what_is_no_list_of_nodes_is_refused(nodes):
    with pytest.raises(UsageError, match="is not a list of nodes"):
        cluster.expanded(nodes)


@pytest.mark.parametrize(
    ("variables", "hosts", "index"),
    [
        ({}, "n1 n1 n2 n2", 2),
        ({"SLURM_TASKS_PER_NODE": "2"}, "n1 n1 n2 n2", 2),
        ({"SLURM_TASKS_PER_NODE": "3,1"}, "n1 n1 n1 n2", 2),
        ({"SLURM_JOB_NODELIST": "n[1-4]", "SLURM_TASKS_PER_NODE": "1(x4)", "SLURM_PROCID": "3"}, "n1 n2 n3 n4", 3),
        (
            {
                "SLURM_STEP_NODELIST": "m[1-2]",
                "SLURM_STEP_NUM_TASKS": "2",
                "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
                "SLURM_PROCID": "0",
            },
            "m1 m2",
            0,
        ),
    ],
)
def test_srun_says_who_its_tasks_are(variables, hosts, index):
    found = cluster.find({**SRUN, **variables}, slurm=True)
    assert [worker.partition(":")[0] for worker in found.workers] == hosts.split()
    assert len(set(found.workers)) == len(found.workers)
    assert found.index == index


def test_two_jobs_on_the_same_nodes_have_other_ports():
    workers = [set(cluster.from_slurm({**SRUN, "SLURM_JOB_ID": job}).workers) for job in ("4711", "4712")]
    assert not workers[0] & workers[1]


def test_slurm_counts_only_when_it_was_asked_for():
    """Tasks of one srun may have nothing to do with each other."""
    assert cluster.find(SRUN) is None
    assert cluster.find({}, slurm=True) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SLURM_JOB_NODELIST": ""}, "start the workers with srun"),
        ({"SLURM_NTASKS": "5"}, "SLURM says 5 tasks, but 4 in '2(x2)' on 'n[1-2]'"),
        ({"SLURM_TASKS_PER_NODE": "2(x3)"}, "gives the tasks of 3 nodes, but there are 2"),
        ({"SLURM_TASKS_PER_NODE": "two"}, "does not give tasks per node"),
        ({"SLURM_PROCID": "4"}, "there is no worker 4"),
        ({"SLURM_JOB_ID": "x"}, "SLURM_JOB_ID='x' must be a whole number"),
    ],
)
def test_slurm_variables_that_contradict_each_other_are_refused(change, said):
    with pytest.raises(UsageError) as refused:
        cluster.find({**SRUN, **change}, slurm=True)
    assert said in str(refused.value)
