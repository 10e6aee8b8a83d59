import os
import subprocess
import sys

from bench.accounting import Meter, memory

BUSY = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"


def test_a_meter_counts_the_processor_time_of_a_process_and_of_what_it_started() -> None:
    meter = Meter({"us": os.getpid(), "nobody": 2**22 + 1})
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        used = meter.used()
        alone = Meter({"us": os.getpid()}, without=[child.pid])
        held = memory({"us": os.getpid(), "child": child.pid})
        child.communicate(b"\n")

    assert used["us"] >= 0.19
    assert used["nobody"] == 0
    assert alone.used()["us"] < used["us"]
    assert held["us"] > held["child"] > 0
