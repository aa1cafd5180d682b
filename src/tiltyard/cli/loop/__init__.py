"""Commands of the loop: up, loop, outbox, prefect."""
