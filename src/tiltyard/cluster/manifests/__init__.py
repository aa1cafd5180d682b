"""The manifests of ``deploy/kubernetes``, as they are there: ``python deploy/manifests.py`` copies them."""
