"""Boosters of other libraries: LightGBM, XGBoost and CatBoost."""
