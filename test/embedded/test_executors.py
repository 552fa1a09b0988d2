# SPDX-License-Identifier: Apache-2.0
"""Executors, timers, clocks, futures, signals: what happens when."""

import signal
import threading
import time

import pytest
from embedded_support import (  # noqa: F401
    PATIENCE,
    Child,
    act_when,
    act_when_waiting,
    context,
    executor,
    make_node,
    result_of,
    spin_until,
)  # fmt: skip

from wall_oss_ros.embedded.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from wall_oss_ros.embedded.client_library import spin
from wall_oss_ros.embedded.clock import Clock, ROSClock
from wall_oss_ros.embedded.entities import Timer
from wall_oss_ros.embedded.exceptions import ROSInterruptException
from wall_oss_ros.embedded.executors import ExternalShutdownException, MultiThreadedExecutor, SingleThreadedExecutor
from wall_oss_ros.embedded.interfaces import get_message
from wall_oss_ros.embedded.node import Node
from wall_oss_ros.embedded.parameter import Parameter
from wall_oss_ros.embedded.task import Future
from wall_oss_ros.embedded.time import ClockType, Duration, Time

pytestmark = pytest.mark.slow

ClockMessage = get_message("rosgraph_msgs/msg/Clock")
String = get_message("std_msgs/msg/String")


def simulated(make_node, executor, name="node"):
    """A node on simulated time, and a function that sets that time in seconds."""
    node, source = make_node(name), make_node("source")
    node.set_parameters([Parameter("use_sim_time", value=True)])
    publisher = source.create_publisher(ClockMessage, "/clock", 10)
    assert spin_until(executor, lambda: publisher.get_subscription_count() == 1)

    def set_time(seconds):
        publisher.publish(ClockMessage(clock=Time(seconds=seconds).to_msg()))
        moment = Time(seconds=seconds, clock_type=ClockType.ROS_TIME)
        assert spin_until(executor, lambda: node.get_clock().now() == moment)

    return node, set_time


def test_timers_follow_simulated_time(make_node, executor):
    node, set_time = simulated(make_node, executor)
    assert node.get_clock().ros_time_is_active and node.get_clock().now().nanoseconds == 0
    set_time(100.0)
    calls = []
    timer = node.create_timer(1.0, lambda: calls.append(node.get_clock().now().nanoseconds / 1e9))
    set_time(100.9)
    executor.spin_once(timeout_sec=0.0)
    assert calls == [] and timer.time_until_next_call() == pytest.approx(1e8)
    set_time(101.0)
    assert spin_until(executor, lambda: calls == [101.0])
    set_time(105.5)  # the calls in between are skipped
    assert spin_until(executor, lambda: calls == [101.0, 105.5])
    set_time(106.0)
    assert spin_until(executor, lambda: calls == [101.0, 105.5, 106.0])
    set_time(2.0)  # a new run of the simulation
    set_time(3.0)
    assert spin_until(executor, lambda: calls[3:] == [3.0])


def test_use_sim_time_can_be_turned_off_and_must_be_a_bool(make_node, executor):
    node, set_time = simulated(make_node, executor)
    set_time(5.0)
    assert not node.set_parameters([Parameter("use_sim_time", value=1)])[0].successful
    assert node.set_parameters([Parameter("use_sim_time", value=False)])[0].successful
    before = time.time_ns()
    assert before <= node.get_clock().now().nanoseconds <= time.time_ns()


def test_timer_cancel_reset_and_destroy(make_node, executor):
    node, calls = make_node("node"), []
    timer = node.create_timer(0.01, lambda: calls.append(1))
    assert spin_until(executor, lambda: len(calls) >= 2)
    timer.cancel()
    count, others = len(calls), []
    other = node.create_timer(0.01, lambda: others.append(1))
    assert spin_until(executor, lambda: len(others) >= 5)
    assert len(calls) == count and timer.is_canceled() and timer.time_until_next_call() is None
    timer.reset()
    assert spin_until(executor, lambda: len(calls) > count)
    assert node.destroy_timer(timer) and list(node.timers) == [other]
    waiting = node.create_timer(0.0, lambda: calls.append(2), autostart=False)
    assert spin_until(executor, lambda: len(others) >= 10)
    assert 2 not in calls
    waiting.reset()
    assert spin_until(executor, lambda: 2 in calls)


def test_a_late_timer_skips_what_it_missed_and_keeps_its_phase():
    clock = ROSClock()
    clock._set_ros_time_is_active(True)
    timer = Timer(lambda: None, ReentrantCallbackGroup(), 10, clock)
    for now, due, following in ((9, False, 10), (10, True, 20), (47, True, 50), (49, False, 50), (50, True, 60)):
        clock.set_ros_time_override(Time(nanoseconds=now, clock_type=ClockType.ROS_TIME))
        assert (timer.next_call() is not None, timer._due) == (due, following)


def test_spin_once_returns_when_nothing_happens_and_wakes_for_tasks(executor, make_node):
    make_node("node")
    executor.spin_once(timeout_sec=0.0)
    done = []
    thread = act_when_waiting(executor, lambda: executor.create_task(lambda: done.append(1)))
    executor.spin_once(timeout_sec=PATIENCE)
    assert done, "one that slept on would have run nothing"
    thread.join()


def test_guard_condition_from_another_thread(executor, make_node):
    node, calls = make_node("node"), []
    guard = node.create_guard_condition(lambda: calls.append(threading.get_ident()))
    thread = threading.Thread(target=lambda: (guard.trigger(), guard.trigger()))
    thread.start()
    thread.join()
    assert spin_until(executor, lambda: calls) and calls == [threading.get_ident()]


def test_who_is_always_ready_does_not_starve_its_group(context, make_node):
    """One callback of a group at a time: while it runs, nobody else of the group can be asked."""
    node, got = make_node("node"), []
    publisher = node.create_publisher(String, "words", 10)

    def again():
        publisher.publish(String(data="here"))
        always.trigger()

    always = node.create_guard_condition(again)
    node.create_subscription(String, "words", got.append, 10)
    executor = MultiThreadedExecutor(2, context=context)
    executor.add_node(node)
    always.trigger()
    assert spin_until(executor, lambda: len(got) > 20)
    executor.shutdown()


def test_coroutines_await_futures(executor, make_node):
    make_node("node")
    inner = Future()

    async def outer():
        return 1 + await inner

    task = executor.create_task(outer())
    executor.spin_once(timeout_sec=PATIENCE)  # up to what it awaits
    assert not task.done()
    inner.set_result(41)
    assert result_of(executor, task) == 42


def test_future_callbacks_results_exceptions_and_cancelling():
    future, seen = Future(), []
    future.add_done_callback(lambda done: seen.append(done.result()))
    assert not future.done() and future.result() is None
    future.set_result(3)
    future.add_done_callback(lambda done: seen.append("late"))
    assert seen == [3, "late"]
    failed = Future()
    failed.set_exception(ValueError("no"))
    with pytest.raises(ValueError):
        failed.result()
    cancelled = Future()
    cancelled.cancel()
    cancelled.set_result(1)
    assert cancelled.cancelled() and cancelled.result() is None


def test_an_exception_in_a_callback_comes_out_of_spin(executor, make_node):
    def fail():
        raise ZeroDivisionError

    make_node("node").create_timer(0.0, fail)
    with pytest.raises(ZeroDivisionError):
        executor.spin()


def test_shutdown_ends_spin_from_another_thread(context, executor, make_node):
    node = make_node("node")
    first = act_when_waiting(executor, executor.shutdown)
    executor.spin()  # ends quietly
    executor.spin_once()
    spin(node, executor)
    several = MultiThreadedExecutor(2, context=context)
    second = act_when_waiting(several, several.shutdown)
    several.spin()
    other, alone = MultiThreadedExecutor(2, context=context), SingleThreadedExecutor(context=context)
    third = act_when_waiting(other, context.shutdown)
    other.spin()
    with pytest.raises(ExternalShutdownException):
        alone.spin_once()
    for thread in (first, second, third):
        thread.join()
    other.shutdown()


@pytest.mark.parametrize("group, together", [(MutuallyExclusiveCallbackGroup, False), (ReentrantCallbackGroup, True)])
def test_callback_groups_decide_what_runs_together(context, group, together):
    node = Node("node", context=context, use_global_arguments=False)
    shared, meeting, met, ticks = group(), threading.Barrier(2), [], []

    def meet():
        try:
            meeting.wait(PATIENCE)
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)

    def tick():
        """Runs beside them: while one has waited for twenty ticks, the other could have come."""
        if not together and meeting.n_waiting:
            ticks.append(1)
            if len(ticks) % 20 == 0:
                meeting.reset()

    node.create_timer(0.005, tick, ReentrantCallbackGroup())
    timers, started = [], [threading.Lock(), threading.Lock()]

    def begin(number):
        """Once for each timer: on a busy machine, one in a reentrant group is due again before it is cancelled."""
        timers[number].cancel()
        if started[number].acquire(blocking=False):
            meet()

    timers.append(node.create_timer(0.0, lambda: begin(0), shared))
    timers.append(node.create_timer(0.0, lambda: begin(1), shared))
    executor = MultiThreadedExecutor(3, context=context)
    executor.add_node(node)
    assert spin_until(executor, lambda: len(met) == 2)
    executor.shutdown()
    assert met == [together, together]


def test_clock_sleep_ends_on_time_and_at_shutdown(context):
    clock = Clock(clock_type=ClockType.STEADY_TIME)
    before = clock.now()
    assert clock.sleep_for(Duration(seconds=0.02), context)
    assert clock.now() - before >= Duration(seconds=0.02)
    simulated_clock = ROSClock()
    simulated_clock._set_ros_time_is_active(True)
    sleeping = lambda: simulated_clock._changed._waiters  # noqa: E731
    first = act_when(sleeping, lambda: simulated_clock.set_ros_time_override(Time(seconds=10)))
    assert simulated_clock.sleep_until(Time(seconds=9, clock_type=ClockType.ROS_TIME), context)
    second = act_when(lambda: clock._changed._waiters, context.shutdown)
    assert not clock.sleep_for(Duration(seconds=PATIENCE * 2), context)
    first.join()
    second.join()


def test_rate_sleeps_and_is_interrupted(context, executor, make_node):
    rate = make_node("node").create_rate(100.0)
    done = []

    def run():
        rate.sleep()
        done.append("slept")
        try:
            while True:
                rate.sleep()
        except ROSInterruptException:
            done.append("interrupted")

    thread = threading.Thread(target=run)
    thread.start()
    assert spin_until(executor, lambda: done)
    context.shutdown()
    thread.join(PATIENCE)
    assert done == ["slept", "interrupted"]


def test_times_and_durations_compute_as_in_rclpy():
    moment = Time(seconds=1, nanoseconds=500)
    assert moment.seconds_nanoseconds() == (1, 500)
    assert moment + Duration(seconds=1) - moment == Duration(seconds=1)
    assert Time.from_msg(moment.to_msg(), ClockType.SYSTEM_TIME) == moment
    assert Duration(seconds=1.5) * 2 == Duration(seconds=3) and Duration(seconds=-0.5).to_msg().sec == -1
    with pytest.raises(TypeError):
        _ = moment < Time(seconds=1, clock_type=ClockType.ROS_TIME)
    with pytest.raises(ValueError):
        Time(seconds=-1)


@pytest.mark.parametrize("number, outcome", [(signal.SIGTERM, "ended"), (signal.SIGINT, "interrupted")])
def test_signals_end_spin_at_once(number, outcome):
    code = """
        import wall_oss_ros.embedded.auto, rclpy, rclpy.executors
        rclpy.init()
        node = rclpy.create_node("idle")
        wait = rclpy.executors.Waiter.wait
        def wait_and_say_so(*given):  # from the wait, only the signal can wake it
            rclpy.executors.Waiter.wait = wait
            print("ready")
            return wait(*given)
        rclpy.executors.Waiter.wait = wait_and_say_so
        try:
            rclpy.spin(node)
        except KeyboardInterrupt:
            print("interrupted")
        except rclpy.ExternalShutdownException:
            print("ended")
        print(rclpy.ok())
        rclpy.try_shutdown()
    """
    with Child(code) as child:
        assert child.line() == "ready"
        child.process.send_signal(number)
        status, out, errors = child.finish()
    assert (status, out) == (0, f"{outcome}\nFalse\n"), errors


@pytest.mark.parametrize("where", ["make_node", "make_entity", "spin"])
def test_a_signal_during_the_start_leaves_no_traceback(where):
    code = """
        import os, signal, sys, threading
        import wall_oss_ros.embedded.auto, rclpy
        from std_msgs.msg import String
        rclpy.init()
        def stop_here(where):
            if sys.argv[1:] == [where] or where == "{where}":
                os.kill(os.getpid(), signal.SIGTERM)
                while rclpy.ok():
                    pass
        stop_here("make_node")
        node = rclpy.create_node("idle")
        stop_here("make_entity")
        node.create_publisher(String, "a", 1)
        thread = threading.Thread(target=rclpy.spin, args=(node,))
        stop_here("spin")
        thread.start()
        thread.join()
        node.get_clock().sleep_for(rclpy.duration.Duration(seconds=1))
    """
    with Child(code.replace("{where}", where)) as child:
        status, _, errors = child.finish()
    assert status == 1 and "Traceback" not in errors, errors


def test_things_may_come_and_go_while_another_thread_spins(context):
    node = Node("node", context=context, use_global_arguments=False)
    publisher, got, ends = node.create_publisher(String, "tick", 10), threading.Semaphore(0), []
    node.create_timer(0.001, lambda: publisher.publish(String()))
    executor = MultiThreadedExecutor(3, context=context)
    executor.add_node(node)

    def spin():
        try:
            executor.spin()
        except BaseException as error:
            ends.append(error)

    thread = threading.Thread(target=spin)
    thread.start()
    for _ in range(30):
        subscription = node.create_subscription(String, "tick", lambda _: got.release(), 10)
        assert got.acquire(timeout=PATIENCE)
        node.destroy_subscription(subscription)
    context.shutdown()
    thread.join(PATIENCE)
    executor.shutdown()
    assert not thread.is_alive()
    assert all(isinstance(end, ExternalShutdownException) for end in ends), ends
