#!/bin/sh
# Run once by the postgres image, when its volume is still empty: a database and an owner for each part.
set -eu

make() {
  psql --no-psqlrc --quiet --username "${POSTGRES_USER:-postgres}" --dbname postgres --set ON_ERROR_STOP=1 \
    --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

make mlflow "$MLFLOW_DB_PASSWORD"
make prefect "$PREFECT_DB_PASSWORD"
make tiltyard "$TILTYARD_DB_PASSWORD"
