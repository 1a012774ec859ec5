"""The console's screens, one file each: `BLUEPRINTS` in platform/web/app.py names them all."""
