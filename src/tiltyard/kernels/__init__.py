"""How numba kernels are compiled: the settings shared by models, scoring and drift."""
