"""The JSON API, one file per resource: `BLUEPRINTS` in platform/web/app.py names them all."""
