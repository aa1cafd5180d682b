"""Fetching public corpora: downloaded so that it can go on after a break, checked, unpacked, and described."""

from tiltyard.data.fetch.corpora import CORPORA, IMDB, Corpus
from tiltyard.data.fetch.download import PAUSES, Watcher
from tiltyard.data.fetch.fetching import Fetched, fetch_corpus

__all__ = ["CORPORA", "IMDB", "PAUSES", "Corpus", "Fetched", "Watcher", "fetch_corpus"]
