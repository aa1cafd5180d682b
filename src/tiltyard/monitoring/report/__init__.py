"""A report on a stretch of a model's life: a page that stands alone, or Markdown with its pictures beside it."""

from tiltyard.monitoring.report.rendering import render_html, render_markdown, told_of, write_report

__all__ = ["render_html", "render_markdown", "told_of", "write_report"]
