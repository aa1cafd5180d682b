"""The trees of a stored booster, of whichever library."""

from __future__ import annotations

from tiltyard.models.boosters.catboost_json import read_catboost
from tiltyard.models.boosters.lightgbm_text import read_lightgbm
from tiltyard.models.boosters.tree_ensemble import Library, TreeEnsemble
from tiltyard.models.boosters.xgboost_json import read_xgboost

_READERS = {"lightgbm": read_lightgbm, "xgboost": read_xgboost, "catboost": read_catboost}


def read_ensemble(library: Library, document: bytes) -> TreeEnsemble:
    """The trees of a document, checked: nothing in them points outside of them.

    Args:
        library: which wrote it.
        document: of LightGBM its text, of XGBoost its JSON, of CatBoost the JSON that it wrote of the trained model.

    Raises:
        ArtifactError: the document is damaged or crafted.
        UnreadableTreesError: it is sound, and uses what is not read here: the library itself has to predict.
    """
    return _READERS[library](document)
