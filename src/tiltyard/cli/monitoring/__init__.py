"""Commands that watch: monitor, report, console, alerts."""
