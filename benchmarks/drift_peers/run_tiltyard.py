"""Tiltyard: the profile of the window, and every test that a monitoring run makes, with the correction and the verdict.

A window of millions is read and profiled a row group at a time, as profiles add up; the reading is not timed.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import pandas as pd
import pyarrow.parquet as pq

from tiltyard.drift import evaluate_drift
from tiltyard.drift.profiles import Profile, build_reference, profile_rows

PORTION = 250_000


def main() -> None:
    before = pd.read_parquet(sys.argv[1])
    reference = build_reference(before, texts=[name for name in before.columns if name == "text"])
    # Compiled once in the life of an installation; not the work that is measured.
    profile_rows(reference.layout, before.head(10))
    seen, seconds, processor = Profile.empty(reference.layout), 0.0, 0.0
    for batch in pq.ParquetFile(sys.argv[2], pre_buffer=False).iter_batches(PORTION, use_threads=False):
        rows = batch.to_pandas()
        start, used = time.perf_counter(), time.process_time()
        seen = seen + profile_rows(reference.layout, rows)
        seconds += time.perf_counter() - start
        processor += time.process_time() - used
    start, used = time.perf_counter(), time.process_time()
    evaluation = evaluate_drift(reference, seen)
    seconds += time.perf_counter() - start
    processor += time.process_time() - used
    values = seen.rows * len(before.columns)
    print(
        json.dumps(
            {
                "rows": seen.rows,
                "values": values,
                "seconds": seconds,
                "processor_seconds": processor,
                "values_per_second": values / processor,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "drifted_columns": len({test.subject for test in evaluation.tests if test.drifted}),
            }
        )
    )


if __name__ == "__main__":
    main()
