"""Checks of tables: columns, types, gaps, outliers, classes, leakage, schema."""
