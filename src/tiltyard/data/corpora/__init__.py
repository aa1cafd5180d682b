"""Fetching public corpora: downloaded so that it can go on after a break, checked, unpacked, and described."""

from tiltyard.data.corpora.catalog import CORPORA, IMDB, Corpus
from tiltyard.data.corpora.download import PAUSES, Watcher
from tiltyard.data.corpora.fetch_corpus import FetchedCorpus, fetch_corpus

__all__ = ["CORPORA", "IMDB", "PAUSES", "Corpus", "FetchedCorpus", "Watcher", "fetch_corpus"]
