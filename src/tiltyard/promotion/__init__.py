"""Promotion: gates, approval, alias changes, rollback, A/B tests."""
