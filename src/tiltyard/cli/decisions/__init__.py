"""Commands on promotion: promote, approve, challenge, rollback, history."""
