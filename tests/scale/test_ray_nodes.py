"""A Ray cluster of two nodes, of which one is lost."""

from __future__ import annotations

import logging
import os
import time
from threading import Thread

import pytest

pytest.importorskip("ray")

import ray
from ray.cluster_utils import Cluster

from melisma.scale.protocol import Resources, Task
from melisma.scale.ray import RayExecutor
from melisma.testing.executors import Script

OF_A_NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster():
    if ray.is_initialized():
        ray.shutdown()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = None
    try:
        made = Cluster(initialize_head=True, head_node_args={**OF_A_NODE, "include_dashboard": False})
        made.add_node(**OF_A_NODE)
        ray.init(address=made.address, log_to_driver=False, logging_level=logging.ERROR)
        ray._private.worker._worker_logs_enabled = False
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        if made is not None:
            made.shutdown()
        pytest.skip(f"no cluster of two nodes starts here: {error}")
    yield made
    ray.shutdown()
    made.shutdown()


def wait_until(is_so) -> None:
    until = time.monotonic() + 180
    while not is_so():
        assert time.monotonic() < until, "what is waited for never came"
        time.sleep(0.05)


def test_tasks_that_end_their_actors_cost_no_other_on_any_node(cluster):
    tasks = [Task(f"task {n}", n) for n in range(60)]
    bad = (7, 8)
    for n in bad:
        tasks[n] = Task(f"bad {n}", "die")
    found = list(RayExecutor().run(Script(), tasks))
    assert [each.value for each in found] == [None if n in bad else 2 * n for n in range(60)]
    for n in bad:
        assert f"bad {n}: the Ray actor that worked on it ended" in found[n].error


def test_a_cluster_is_asked_how_many_actors_it_has_room_for(cluster):
    assert RayExecutor(address=cluster.address).most(Resources(cpus=0.5)) == 4, "two nodes of one core"
    assert RayExecutor(7, cluster.address).most(None) == 7, "it may grow"


def test_what_a_lost_node_was_at_is_done_by_another(cluster, tmp_path):
    go, told = tmp_path / "go", tmp_path / "told"
    waits = [Task(f"wait {n}", ("until", str(go), str(told), n)) for n in range(6)]
    tasks = [*waits, *(Task(f"task {n}", n) for n in range(40))]
    told.touch()
    outcomes = RayExecutor(2).run(Script(), tasks, journal=tmp_path / "journal")

    def lose() -> None:
        wait_until(lambda: len(set(told.read_text(encoding="utf-8").split())) == 2)  # one on each node
        cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
        go.touch()

    losing = Thread(target=lose)
    losing.start()
    found = list(outcomes)
    losing.join(timeout=180)
    assert [each.key for each in found] == [each.key for each in tasks]
    assert [each.value for each in found] == [*range(6), *(2 * n for n in range(40))]
    again = list(RayExecutor(1).run(Script(), tasks, journal=tmp_path / "journal"))
    assert all(each.reused for each in again)
