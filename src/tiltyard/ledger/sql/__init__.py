"""The ledger in SQL: one schema for SQLite and PostgreSQL."""
