"""Micro-batching: what runs together, what waits, what is refused, and that one bad input fails nobody else."""

import asyncio
import threading
import time

import numpy as np
import pytest

from keras_dl.errors import BadInput
from keras_dl.server.batching import Batcher, Limits, Overloaded


class Model:
    """Answers with the lengths of the inputs, remembers the batches, and can be held up."""

    def __init__(self):
        self.batches = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, raw):
        assert self.go.wait(10)
        self.batches.append(list(raw))
        if b"bad" in raw:
            raise BadInput("bad is bad")
        if b"crash" in raw:
            raise ZeroDivisionError("oh")
        return {"length": np.array([len(one) for one in raw])}


def run(scenario, **limits):
    """Run a scenario `(batcher, model)` in an event loop of its own, and return its result and the batches."""
    model = Model()

    async def whole():
        batcher = Batcher(model, Limits(**limits))
        try:
            return await asyncio.wait_for(scenario(batcher, model), 20)
        finally:
            model.go.set()
            await batcher.close()

    return asyncio.run(whole()), model.batches


async def held(model, batcher, *requests):
    """Let one request occupy the model while others arrive; return what all answer."""
    model.go.clear()
    first = asyncio.create_task(batcher.ask([b"first"]))
    await asyncio.sleep(0.05)
    tasks = [asyncio.create_task(batcher.ask(raw)) for raw in requests]
    await asyncio.sleep(0.05)
    model.go.set()
    return await asyncio.gather(first, *tasks, return_exceptions=True)


def lengths(answers):
    return answers["length"].tolist()


def test_a_lone_request_does_not_wait_for_company():
    async def scenario(batcher, model):
        began = time.perf_counter()
        for _ in range(10):
            await batcher.ask([b"alone"])
        return time.perf_counter() - began

    seconds, batches = run(scenario, delay=0.5)
    assert batches == [[b"alone"]] * 10
    assert seconds < 0.5


def test_what_arrives_while_the_model_runs_goes_through_it_together_and_each_gets_its_own():
    async def scenario(batcher, model):
        return await held(model, batcher, [b"a"], [b"bb", b"ccc"], [b"dddd"])

    answers, batches = run(scenario)
    assert batches == [[b"first"], [b"a", b"bb", b"ccc", b"dddd"]]
    assert [lengths(one) for one in answers] == [[5], [1], [2, 3], [4]]


def test_after_a_batch_of_several_the_next_one_is_held_back_to_fill_up():
    async def scenario(batcher, model):
        await held(model, batcher, [b"a"], [b"b"])
        early = asyncio.create_task(batcher.ask([b"early"]))
        await asyncio.sleep(0.05)
        await asyncio.gather(early, batcher.ask([b"late"]))

    _, batches = run(scenario, delay=0.3)
    assert batches[-1] == [b"early", b"late"]


def test_no_batch_is_larger_than_the_limit_and_a_large_request_is_cut_and_put_together():
    async def scenario(batcher, model):
        return await held(model, batcher, [b"x" * n for n in range(10)], [b"yy"])

    answers, batches = run(scenario, most=4)
    assert max(map(len, batches)) == 4
    assert lengths(answers[1]) == list(range(10))
    assert lengths(answers[2]) == [2]


def test_a_large_request_lets_others_in_between():
    async def scenario(batcher, model):
        return await held(model, batcher, [b"x"] * 40, [b"yy"])

    answers, batches = run(scenario, most=4, queue=8)
    assert lengths(answers[1]) == [1] * 40
    assert lengths(answers[2]) == [2]
    assert next(number for number, batch in enumerate(batches) if b"yy" in batch) <= 3


def test_one_bad_input_fails_its_own_request_alone():
    async def scenario(batcher, model):
        return await held(model, batcher, [b"good"], [b"bad"], [b"crash"], [b"fine"])

    answers, _ = run(scenario)
    assert lengths(answers[1]) == [4]
    assert isinstance(answers[2], BadInput)
    assert "ZeroDivisionError" in str(answers[3])
    assert lengths(answers[4]) == [4]


def test_a_full_queue_refuses_and_says_when_to_come_back_and_takes_requests_again_later():
    async def scenario(batcher, model):
        answers = await held(model, batcher, [b"a"] * 3, [b"b"] * 2, [b"c"])
        return answers, await batcher.ask([b"again"])

    (answers, again), _ = run(scenario, queue=4)
    assert lengths(answers[1]) == [1, 1, 1]
    assert isinstance(answers[2], Overloaded)
    assert answers[2].retry_after >= 1
    assert lengths(answers[3]) == [1]
    assert lengths(again) == [5]


def test_what_nobody_waits_for_any_more_is_not_run():
    async def scenario(batcher, model):
        model.go.clear()
        first = asyncio.create_task(batcher.ask([b"first"]))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(batcher.ask([b"gone"]))
        stays = asyncio.create_task(batcher.ask([b"stays"]))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0.05)
        model.go.set()
        await asyncio.gather(first, stays)

    _, batches = run(scenario)
    assert batches == [[b"first"], [b"stays"]]


def test_closing_answers_what_waits():
    async def scenario(batcher, model):
        model.go.clear()
        tasks = [asyncio.create_task(batcher.ask([bytes([65 + number])])) for number in range(5)]
        await asyncio.sleep(0.05)
        model.go.set()
        await batcher.close()
        return await asyncio.gather(*tasks)

    answers, _ = run(scenario)
    assert [lengths(one) for one in answers] == [[1]] * 5


@pytest.mark.parametrize("what", ["queue", "run", "batch"])
def test_queue_time_run_time_and_batch_sizes_are_told(what):
    told = {"queue": [], "run": [], "batch": []}

    async def whole():
        batcher = Batcher(Model(), Limits(), lambda name, value: told[name].append(value))
        await batcher.ask([b"a", b"b"])
        await batcher.close()

    asyncio.run(whole())
    assert len(told[what]) == 1
    assert told["batch"] == [2]
    assert told[what][0] >= 0
