import subprocess
import sys

from bench.resource_usage import CpuMeter, memory

BUSY = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
PARENT = f"""
import sys
from subprocess import PIPE, Popen
input()
child = Popen([sys.executable, "-c", {BUSY!r}], stdin=PIPE, stdout=PIPE)
child.stdout.readline()
print(child.pid, flush=True)
input()
child.communicate(b"\\n")
"""


def test_cpu_time_of_a_process_includes_its_descendants() -> None:
    # Not this process: other tests have started processes that may end at any time.
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        meter = CpuMeter({"parent": parent.pid, "nobody": 2**22 + 1})
        print(file=parent.stdin, flush=True)
        child = int(parent.stdout.readline())
        used = meter.used()
        alone = CpuMeter({"parent": parent.pid}, without=[child])
        memory_used = memory({"parent": parent.pid, "child": child})
        parent.communicate("\n")

    assert used["parent"] >= 0.19
    assert used["nobody"] == 0
    assert alone.used()["parent"] < used["parent"]
    assert memory_used["parent"] > memory_used["child"] > 0
