"""Commands about versions: model-info, list-versions, set-alias, export."""
