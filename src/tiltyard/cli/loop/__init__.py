"""Commands of the control loop: up, loop, outbox, prefect."""
