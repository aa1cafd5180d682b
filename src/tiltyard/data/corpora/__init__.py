"""Fetching public corpora: downloaded so that it can go on after a break, checked, unpacked, and described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.data.corpora.catalog import CORPORA, IMDB, Corpus
    from tiltyard.data.corpora.download import PAUSES, Watcher
    from tiltyard.data.corpora.fetch_corpus import FetchedCorpus

__all__ = ["CORPORA", "IMDB", "PAUSES", "Corpus", "FetchedCorpus", "Watcher"]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "catalog": ("CORPORA", "IMDB", "Corpus"),
            "download": ("PAUSES", "Watcher"),
            "fetch_corpus": ("FetchedCorpus",),
        },
    )
