"""The corpora that can be fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Corpus:
    """A published archive of labelled data.

    Attributes:
        name: what it is called here.
        title: what its authors call it, with the source.
        url: where it is published.
        size: bytes of the archive.
        digests: what each digest of the archive must be, by the name that hashlib knows.
        folder: the folder in the archive that becomes the data's source.
        unpacked: bytes of disk that the unpacked files take, roughly.
        project_file: the project file that is written next to the folder.
    """

    name: str
    title: str
    url: str
    size: int
    digests: Mapping[str, str]
    folder: str
    unpacked: int
    project_file: str

    @property
    def archive(self) -> str:
        """The archive's file name."""
        return self.url.rsplit("/", 1)[-1]


IMDB = Corpus(
    name="imdb",
    title="Large Movie Review Dataset v1.0 (Maas et al., 2011)",
    url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    size=84_125_825,
    digests={
        "md5": "7c2ac02c03563afcf9b574c7e56c153a",
        "sha256": "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
    },
    folder="aclImdb",
    # 100,000 small files, each of which takes at least a block of 4 kB.
    unpacked=500_000_000,
    project_file="""\
# The Large Movie Review Dataset (Maas et al., 2011), with its official halves.
# Addresses and secrets belong in the environment, never in this file. See: tiltyard doctor
[project]
name = "imdb"
task = "text-classification"

[data]
source = "aclImdb"      # train and test, each with a folder a label; unlabelled reviews are left out
format = "folder"
text = "text"
label = "label"      # neg, pos
positive = "pos"

[split]
by = "column:split"      # the official halves: 25,000 reviews to train on, 25,000 to test

[training]
candidates = ["nb-cnn"]   # a minute or two; "tfidf-logreg" takes seconds, and is about two points less right
metric = "accuracy"

[promotion]
rule = "significant"      # or "better", or "non-inferior"
alpha = 0.05
""",
)

CORPORA = {IMDB.name: IMDB}
