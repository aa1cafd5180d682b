"""A report on a period of a model's life: one self-contained HTML page, or Markdown with its plots in a folder."""

from tiltyard.monitoring.report.rendering import render_html, render_markdown, select_reportable, write_report

__all__ = ["render_html", "render_markdown", "select_reportable", "write_report"]
