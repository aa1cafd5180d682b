"""Commands on monitoring: monitor, report, console, alerts."""
