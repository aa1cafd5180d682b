"""Commands that decide: promote, approve, challenge, rollback, history."""
