"""Commands on versions: model-info, list-versions, set-alias, export."""
