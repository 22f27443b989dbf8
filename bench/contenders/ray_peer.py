"""Ray's side of the bench: the line protocol, a stopwatch, and the rows as
`ray/_private/ray_perf.py` defines them, with smaller batches where the bench
asks for a scale under 1. (A file named `ray.py` would hide Ray itself.)"""

import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import threading
import time

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import numpy as np
import psutil
import ray

CORES = os.cpu_count() or 1
HALF = max(1, CORES // 2)
MIB = 1024 * 1024


@ray.remote(num_cpus=0)
class Actor:
    def small_value(self):
        return b"ok"

    def small_value_arg(self, x):
        return b"ok"

    def small_value_batch(self, n):
        ray.get([small_value.remote() for _ in range(n)])


@ray.remote
class AsyncActor:
    async def small_value(self):
        return b"ok"

    async def small_value_with_arg(self, x):
        return b"ok"


@ray.remote(num_cpus=0)
class Client:
    def __init__(self, servers):
        self.servers = servers if isinstance(servers, list) else [servers]

    def small_value_batch(self, n):
        results = []
        for s in self.servers:
            results.extend([s.small_value.remote() for _ in range(n)])
        ray.get(results)

    def small_value_batch_arg(self, n):
        x = ray.put(0)
        results = []
        for s in self.servers:
            results.extend([s.small_value_arg.remote(x) for _ in range(n)])
        ray.get(results)


@ray.remote
def small_value():
    return b"ok"


@ray.remote
def create_object_containing_ref():
    return [ray.put(1) for _ in range(10000)]


@ray.remote
def do_put_small():
    for _ in range(100):
        ray.put(0)


@ray.remote
def do_put():
    for _ in range(10):
        ray.put(np.zeros(10 * MIB, dtype=np.int64))


@ray.remote
def work(actors, n):
    ray.get([actors[i % HALF].small_value.remote() for i in range(n)])


@ray.remote
def fib(n):
    if n < 2:
        return n
    return sum(ray.get([fib.remote(n - 1), fib.remote(n - 2)]))


@ray.remote
def count_args(*args):
    return len(args)


@ray.remote(num_returns=3000)
def many_returns():
    return list(range(3000))


class Row:
    """One row, set up: what a run does, and for how much it counts; or, as
    `figure`, what gives a round's figure by itself."""

    def __init__(self, run, count=1, is_duration=False, actors=(), figure=None):
        self.run = run
        self.count = count
        self.is_duration = is_duration
        self.actors = actors
        self.figure = figure

    def end(self):
        for actor in self.actors:
            ray.kill(actor)


def get_small(_scale):
    value = ray.put(0)
    return Row(lambda: ray.get(value))


def put_small(_scale):
    return Row(lambda: ray.put(0))


def put_multi_small(_scale):
    return Row(lambda: ray.get([do_put_small.remote() for _ in range(10)]), 1000)


def put_large(_scale):
    arr = np.zeros(100 * MIB, dtype=np.int64)
    return Row(lambda: ray.put(arr), 8 * 0.1)


def put_multi(scale):
    tasks = max(1, round(10 * scale))
    return Row(
        lambda: ray.get([do_put.remote() for _ in range(tasks)]), tasks * 8 * 0.1
    )


def batch():
    ray.get([small_value.remote() for _ in range(1000)])


def get_containing_refs(_scale):
    ref = create_object_containing_ref.remote()
    return Row(lambda: ray.get(ref))


def wait_refs(_scale):
    def run():
        not_ready = [small_value.remote() for _ in range(1000)]
        fetch_local = True
        for _ in range(1000):
            _ready, not_ready = ray.wait(not_ready, fetch_local=fetch_local)
            fetch_local = False

    return Row(run)


def multi_task(scale):
    n, m = round(10000 * scale), 4
    actors = [Actor.remote() for _ in range(m)]
    return Row(
        lambda: ray.get([a.small_value_batch.remote(n) for a in actors]),
        n * m,
        actors=actors,
    )


def actor_sync(actor_class):
    def setup(_scale):
        a = actor_class.remote()
        return Row(lambda: ray.get(a.small_value.remote()), actors=[a])

    return setup


def actor_async(actor_class):
    def setup(_scale):
        a = actor_class.remote()
        return Row(
            lambda: ray.get([a.small_value.remote() for _ in range(1000)]),
            1000,
            actors=[a],
        )

    return setup


def actor_async_args(_scale):
    a = AsyncActor.remote()
    return Row(
        lambda: ray.get([a.small_value_with_arg.remote(i) for i in range(1000)]),
        1000,
        actors=[a],
    )


def one_to_n(actor_class):
    def setup(scale):
        n = round(5000 * scale)
        actors = [actor_class.remote() for _ in range(HALF)]
        client = Client.remote(actors)
        return Row(
            lambda: ray.get(client.small_value_batch.remote(n)),
            n * HALF,
            actors=[client, *actors],
        )

    return setup


def n_to_n(actor_class):
    def setup(scale):
        n, m = round(5000 * scale), 4
        actors = [actor_class.remote() for _ in range(HALF)]
        return Row(
            lambda: ray.get([work.remote(actors, n) for _ in range(m)]),
            m * n,
            actors=actors,
        )

    return setup


def n_to_n_arg(_scale):
    n = 1000
    actors = [Actor.remote() for _ in range(HALF)]
    clients = [Client.remote(a) for a in actors]
    return Row(
        lambda: ray.get([c.small_value_batch_arg.remote(n) for c in clients]),
        n * HALF,
        actors=[*clients, *actors],
    )


def placement_groups():
    groups = [
        ray.util.placement_group(bundles=[{"custom": 0.001}]) for _ in range(100)
    ]
    for group in groups:
        group.wait(timeout_seconds=30)
    for group in groups:
        ray.util.remove_placement_group(group)


def duration(run):
    return Row(run, is_duration=True)


def many_args(_scale):
    args = [ray.put(i) for i in range(10000)]
    return duration(lambda: ray.get(count_args.remote(*args)))


def get_many(_scale):
    refs = [ray.put(i) for i in range(10000)]
    return duration(lambda: ray.get(refs))


def queued(n):
    return duration(lambda: ray.get([small_value.remote() for _ in range(n)]))


def many_actors(look):
    """Starts 200 actors, looks at them, and ends them."""

    def figure():
        before = look()
        actors = [Actor.remote() for _ in range(200)]
        ray.get([actor.small_value.remote() for actor in actors])
        value = look() - before
        for actor in actors:
            ray.kill(actor)
        return value

    return lambda _scale: Row(None, figure=figure)


def memory_of_group():
    """MB of this process and its descendants, what they share counted once."""
    me = psutil.Process()
    total = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            pass
    return total / 1e6


ROWS = {
    "single client get calls (Plasma Store)": get_small,
    "single client put calls (Plasma Store)": put_small,
    "multi client put calls (Plasma Store)": put_multi_small,
    "single client put gigabytes": put_large,
    "single client tasks and get batch": lambda _: Row(batch),
    "multi client put gigabytes": put_multi,
    "single client get object containing 10k refs": get_containing_refs,
    "single client wait 1k refs": wait_refs,
    "single client tasks sync": lambda _: Row(lambda: ray.get(small_value.remote())),
    "single client tasks async": lambda _: Row(batch, 1000),
    "multi client tasks async": multi_task,
    "1:1 actor calls sync": actor_sync(Actor),
    "1:1 actor calls async": actor_async(Actor),
    "1:1 actor calls concurrent": actor_async(Actor.options(max_concurrency=16)),
    "1:n actor calls async": one_to_n(Actor),
    "n:n actor calls async": n_to_n(Actor),
    "n:n actor calls with arg async": n_to_n_arg,
    "1:1 async-actor calls sync": actor_sync(AsyncActor),
    "1:1 async-actor calls async": actor_async(AsyncActor),
    "1:1 async-actor calls with args async": actor_async_args,
    "1:n async-actor calls async": one_to_n(AsyncActor),
    "n:n async-actor calls async": n_to_n(AsyncActor),
    "placement group create/removal": lambda _: Row(placement_groups, 100),
    "fib(20)": lambda _: duration(lambda: ray.get(fib.remote(20))),
    "a task of 10,000 arguments": many_args,
    "a task of 3,000 returns": lambda _: duration(
        lambda: ray.get(many_returns.remote())
    ),
    "get of 10,000 objects": get_many,
    "100,000 queued tasks": lambda scale: queued(round(100_000 * scale)),
    "start of 200 actors": many_actors(time.perf_counter),
    "memory of 200 actors": many_actors(memory_of_group),
}


def measure(row, ms, step):
    """Runs a row for at least so long; returns runs a second."""
    start = time.perf_counter()
    runs = 0
    while True:
        for _ in range(step):
            row.run()
        runs += step
        elapsed = time.perf_counter() - start
        if elapsed * 1000 >= ms:
            return runs / elapsed


def tell(reply):
    print("@bench " + json.dumps(reply), flush=True)


def init(folder):
    # "local": never somebody else's cluster that happens to run here.
    ray.init(
        address="local",
        num_cpus=CORES,
        resources={"custom": 100},
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        _temp_dir=folder,
    )


def serve():
    row = None
    runs_per_second = 0.0
    for line in sys.stdin:
        request = json.loads(line)
        kind = request["kind"]
        try:
            if kind == "setup":
                row = ROWS[request["row"]](request["scale"])
                runs_per_second = 0.0
                if request["warmupMs"] > 0 and row.figure is None:
                    runs_per_second = measure(row, request["warmupMs"], 1)
                tell({"kind": "done"})
            elif kind == "round" and row.figure is not None:
                tell({"kind": "figure", "value": row.figure()})
            elif kind == "round":
                ms = request["roundMs"]
                step = max(1, round(runs_per_second * ms / 10000))
                runs_per_second = measure(row, ms, step)
                value = row.count * runs_per_second
                tell({
                    "kind": "figure",
                    "value": 1 / value if row.is_duration else value,
                })
            else:
                row.end()
                row = None
                tell({"kind": "done"})
        except Exception as error:
            tell({"kind": "failed", "message": repr(error)})


def end_with_bench():
    """A row that hangs would never hear of a killed bench: watch for its end."""
    bench = os.getppid()
    while os.getppid() == bench:
        time.sleep(1)
    time.sleep(10)
    # Ours alone: the bench starts each contender as the head of a group.
    os.killpg(0, signal.SIGKILL)


def main():
    if os.getpgrp() == os.getpid():
        threading.Thread(target=end_with_bench, daemon=True).start()
    folder = tempfile.mkdtemp(prefix="bench")
    try:
        if "--first-result" in sys.argv:
            start = time.perf_counter()
            init(folder)
            ray.get(small_value.remote())
            tell({"kind": "figure", "value": 1000 * (time.perf_counter() - start)})
        else:
            init(folder)
            python = platform.python_version()
            tell({"kind": "ready", "version": f"Ray {ray.__version__} (Python {python})"})
            serve()
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


main()
