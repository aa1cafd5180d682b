"""Commands on promotion: promote, approve, challenge, rollback, archive, history."""
