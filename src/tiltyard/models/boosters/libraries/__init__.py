"""What the estimators need of LightGBM, XGBoost and CatBoost."""
