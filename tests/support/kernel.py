"""Runs cells in Deno's Jupyter kernel, for tests/support/notebook.ts.

Reads one JSON command a line, answers each with one line of JSON. nbclient is
not used: it stops listening when the kernel says it is idle, and Deno's kernel
may send a cell's result after that. Here a further request follows each cell,
whose answer is the last that can come of it.
"""

import json
import sys
import time

import nbformat
from jupyter_client.manager import KernelManager

SECONDS_MAX = 60
MARK = "application/x-manta-mark"


class Kernel:
    def __init__(self, folder):
        self.manager = KernelManager(kernel_name="deno")
        self.manager.start_kernel(cwd=folder)
        self.connect()

    def connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS_MAX)

    def restart(self):
        self.client.stop_channels()
        self.manager.restart_kernel()
        self.connect()

    def end(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()

    def run(self, code):
        deadline = time.monotonic() + SECONDS_MAX
        cell = self.client.execute(code)
        self.reply(cell, deadline)
        mark = {"data": {MARK: cell}, "metadata": {}}
        told = json.dumps(mark)
        self.client.execute(
            f'await Deno.jupyter.broadcast("display_data", {told})',
            store_history=False,
        )
        outputs = []
        while True:
            left = deadline - time.monotonic()
            message = self.client.get_iopub_msg(timeout=max(left, 0.001))
            kind, content = message["msg_type"], message["content"]
            if content.get("data", {}).get(MARK) == cell:
                return outputs
            take(outputs, kind, content)

    def reply(self, request, deadline):
        while True:
            left = deadline - time.monotonic()
            message = self.client.get_shell_msg(timeout=max(left, 0.001))
            if message["parent_header"].get("msg_id") == request:
                return message


def take(outputs, kind, content):
    """Adds a message to a cell's outputs, as a notebook would keep them."""
    if kind == "stream":
        last = outputs[-1] if outputs else {}
        if last.get("name") == content["name"]:
            last["text"] += content["text"]
        else:
            outputs.append({"output_type": kind, **content})
    elif kind in ("display_data", "execute_result"):
        output = {
            "output_type": kind,
            "data": content["data"],
            "metadata": content["metadata"],
        }
        if kind == "execute_result":
            output["execution_count"] = content["execution_count"]
        outputs.append(
            {**output, "id": content.get("transient", {}).get("display_id")}
        )
    elif kind == "update_display_data":
        shown_as = content["transient"]["display_id"]
        found = [one for one in outputs if one.get("id") == shown_as]
        for one in found:
            one["data"] = content["data"]
            one["updates"] = one.get("updates", 0) + 1
        if not found:
            outputs.append({"output_type": "lost_update", **content})
    elif kind == "error":
        outputs.append({"output_type": kind, **content})


def main():
    kernel = Kernel(sys.argv[1])
    pid = kernel.manager.provisioner.process.pid
    print(json.dumps({"pid": pid}), flush=True)
    try:
        for line in sys.stdin:
            command = json.loads(line)
            if "run" in command:
                answer = kernel.run(command["run"])
            elif "validate" in command:
                nbformat.validate(nbformat.reads(command["validate"], 4))
                answer = None
            else:
                kernel.restart()
                answer = kernel.manager.provisioner.process.pid
            print(json.dumps(answer), flush=True)
    finally:
        kernel.end()


main()
