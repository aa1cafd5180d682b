"""What every tool's script does: read the two files, time the work, say what it took. No dependency but pandas."""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import pandas as pd


def measure(
    prepare: Callable[[pd.DataFrame], Any], count_drifted: Callable[[Any, pd.DataFrame, pd.DataFrame], Any]
) -> None:
    """Read the reference and the window named on the command line, and print the time and the peak memory.

    What depends on the reference alone is prepared before the clock runs. ``judge`` returns how many columns it found
    to drift, so that no tool gets away without a verdict.
    """
    before, now = pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2])
    prepared = prepare(before)
    gc.collect()
    start, used = time.perf_counter(), time.process_time()
    drifted = count_drifted(prepared, before, now)
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    values = now.shape[0] * now.shape[1]
    print(
        json.dumps(
            {
                "rows": len(now),
                "values": values,
                "seconds": seconds,
                "processor_seconds": processor,
                "values_per_second": values / processor,
                "peak_mb": peak,
                "drifted_columns": drifted,
            }
        )
    )
