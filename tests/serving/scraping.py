"""What /metrics says, as a scraper reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What a scraper reads: values by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    """The sum over all samples of a name that have these labels."""
    wanted = set(labels.items())
    return sum(value for (found, given), value in samples(text).items() if found == name and wanted <= set(given))
