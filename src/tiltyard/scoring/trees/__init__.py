"""Boosters of LightGBM, XGBoost and CatBoost, compiled."""
