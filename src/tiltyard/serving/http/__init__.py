"""HTTP: the application, its routes, its schemas, its pages."""
