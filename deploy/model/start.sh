#!/bin/sh
# Serve the version that lies in this image; with MLFLOW_TRACKING_URI set, whatever that registry says is the champion.
set -eu
model=$(cd "$(dirname "$0")" && pwd)
if [ -z "${MLFLOW_TRACKING_URI:-}" ]; then
  # MLflow writes to its database, and the image may be read-only. The copy of an earlier image gives way to this one's.
  mkdir -p "$TILTYARD_HOME"
  cp "$model/mlflow.db" "$TILTYARD_HOME/model.db.$$"
  mv "$TILTYARD_HOME/model.db.$$" "$TILTYARD_HOME/model.db"
  export MLFLOW_TRACKING_URI="sqlite:///$TILTYARD_HOME/model.db"
fi
exec tiltyard "$@"
