"""Keeps projects on a Kubernetes cluster as resources of the kind ``TiltyardModel`` describe them.

``plan`` decides, from what is wanted and what was seen; nothing in it has an effect. ``reconcile`` sees and acts, and
``run`` is called by kopf.
"""
