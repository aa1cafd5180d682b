"""Power cuts and failing system calls: what a story wrote is replayed over a model of a disk, and cut anywhere."""
