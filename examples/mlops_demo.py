"""The whole loop from Python, in the working folder: validate, train, promote, predict, monitor.

python examples/mlops_demo.py
tiltyard history
python -m tiltyard.serving --model-name personality_model
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from tiltyard import MLOpsPipeline, ModelMonitor

TABLE = Path(__file__).parent / "personality" / "data" / "personality.csv"
LABEL = "Personality"


def main() -> None:
    """Run the loop once; each run adds a version, and the gates decide which one is champion."""
    rows = pd.read_csv(TABLE).drop_duplicates()
    train, test = train_test_split(rows, test_size=0.2, random_state=0, stratify=rows[LABEL])
    X_train, X_test = train.drop(columns=[LABEL]), test.drop(columns=[LABEL])
    with MLOpsPipeline("personality_classification", "personality_model") as mlops:
        checked = mlops.validate_and_track_data(train, test)
        print(f"Quality of the data: {checked['quality_score']:.0f} of 100")
        trained = mlops.train_and_track_model(
            RandomForestClassifier(),
            X_train,
            train[LABEL],
            X_test,
            test[LABEL],
            model_params={"n_estimators": 50, "min_samples_leaf": 5, "random_state": 0},
        )
        version = str(trained["model_version"])
        print(f"Version {version}: accuracy {trained['metrics']['accuracy']:.3f}")
        print(mlops.promote_model(version, "Production")["status"])
        production = X_test.assign(prediction=trained["model"].predict(X_test), actual=test[LABEL])
        report = mlops.monitor_production_model(production, X_train)
        print(f"Drift: {'yes' if report['drift_detected'] else 'no'}; labelled predictions: {report['labelled']}")
    with ModelMonitor("personality_model") as monitor:
        first = X_test.iloc[0].dropna().to_dict()
        monitor.log_prediction("Introvert", first, 0.9, actual=test[LABEL].iloc[0])
        print(f"Recorded predictions: {monitor.get_monitoring_dashboard_data()['total_predictions']}")
    print("Serve it: python -m tiltyard.serving --model-name personality_model")


if __name__ == "__main__":
    main()
