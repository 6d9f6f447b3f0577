"""What every Gennaker service shares.

Settings, the app factory, the database, the bus, HTTP clients, signed identity, Spinnaker's error
body, telemetry and graceful shutdown. A service imports from here and never from another service.
"""
