"""Where the results of a run appear: a file, a folder, or a table of a database."""
