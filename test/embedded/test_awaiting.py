# SPDX-License-Identifier: Apache-2.0
"""Ending executors that are at work, awaiting in them and beside asyncio, and executors of one's own."""

import asyncio
import threading
import time

import pytest
from embedded_support import PATIENCE, act_when, context, executor, make_node, result_of, spin_until  # noqa: F401

from wall_oss_ros.embedded.executors import (
    ConditionReachedException,
    Executor,
    MultiThreadedExecutor,
    ShutdownException,
    SingleThreadedExecutor,
    TimeoutException,
)
from wall_oss_ros.embedded.node import Node
from wall_oss_ros.embedded.task import Future

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", [SingleThreadedExecutor, lambda **options: MultiThreadedExecutor(2, **options)])
def test_shutdown_tells_whether_what_had_begun_is_done(context, kind):
    node = Node("node", context=context, use_global_arguments=False)
    executor = kind(context=context)
    executor.add_node(node)
    entered, leave, answers = threading.Event(), threading.Event(), []

    def work():
        entered.set()
        leave.wait(PATIENCE)

    node.create_timer(0.0, work)
    spinning = threading.Thread(target=executor.spin)
    spinning.start()
    assert entered.wait(PATIENCE)
    begun = time.monotonic()
    assert executor.shutdown(timeout_sec=0.05) is False
    assert executor.shutdown(timeout_sec=0) is False
    assert time.monotonic() - begun < PATIENCE / 2  # it did not wait for the callback
    waiting = act_when(lambda: True, lambda: answers.append(executor.shutdown()))
    leave.set()
    waiting.join()
    spinning.join()
    assert answers == [True] and executor.shutdown(timeout_sec=0) is True


@pytest.mark.parametrize("kind", [SingleThreadedExecutor, lambda **options: MultiThreadedExecutor(2, **options)])
def test_a_callback_may_shut_its_own_executor_down(context, kind):
    node, own, answers = Node("node", context=context, use_global_arguments=False), kind(context=context), []
    own.add_node(node)
    node.create_timer(0.0, lambda: answers.append(own.shutdown()))
    own.spin()
    assert own.shutdown() and answers == [True]


def test_futures_are_awaited_under_asyncio_and_in_tasks(context, executor, make_node):
    node = make_node("node")
    future, inner, heard = Future(), Future(), []
    timer = node.create_timer(0.01, lambda: (timer.cancel(), future.set_result("done"), inner.set_result("inside")))

    async def wait_in_executor():
        heard.append(await inner)
        return "task"

    async def spin(task):
        while not task.done():
            executor.spin_once(timeout_sec=0.01)
            await asyncio.sleep(0)

    async def main():
        task = executor.create_task(wait_in_executor)
        spinning = asyncio.create_task(spin(task))
        found = await asyncio.wait_for(asyncio.ensure_future(outcome(future)), PATIENCE)
        await spinning
        return found, task.result(), await task

    async def outcome(future):
        return await future

    assert asyncio.run(main()) == ("done", "task", "task") and heard == ["inside"]


def test_asyncio_may_run_within_a_callback(executor, make_node):
    node, future, found = make_node("node"), Future(), []
    act_when(lambda: True, lambda: future.set_result(3))

    async def main():
        return await future

    async def callback():
        timer.cancel()
        found.append(await future)

    timer = node.create_timer(0.0, callback)
    assert spin_until(executor, lambda: found)
    other = Future()
    node.create_timer(0.0, lambda: found or other.set_result(asyncio.run(main())))
    found.clear()
    assert result_of(executor, other) == 3


def test_a_custom_executor_gets_its_work(context):
    class Own(Executor):
        def spin_once(self, timeout_sec=None):
            task, entity, node = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
            seen.append((entity, node))
            task()

    seen, node, executor = [], Node("node", context=context, use_global_arguments=False), Own(context=context)
    executor.add_node(node)
    with pytest.raises(TimeoutException):
        executor.wait_for_ready_callbacks(timeout_sec=0.0)
    with pytest.raises(ConditionReachedException):
        executor.wait_for_ready_callbacks(condition=lambda: True)
    future = Future()
    timer = node.create_timer(0.0, lambda: future.set_result(1))
    executor.spin_until_future_complete(future)
    assert future.done() and seen[0] == (timer, node)
    executor.shutdown()
    with pytest.raises(ShutdownException):
        executor.wait_for_ready_callbacks()
