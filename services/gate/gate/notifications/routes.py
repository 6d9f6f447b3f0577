"""The paths of notifications."""

from gate.passthrough import Pass

_PATH = "/notifications/{type}/{application}"
_TO = "notifications/{type}/{application}"

NOTIFICATIONS = (
    Pass("GET", "/notifications/metadata", "echo", "notifications/metadata", "Kinds of notifications", otherwise=[]),
    Pass("GET", _PATH, "front50", _TO, "The notifications of an application"),
    Pass("POST", _PATH, "front50", _TO, "Save the notifications of an application", body="object", void=True),
    Pass("DELETE", _PATH, "front50", _TO, "Delete the notifications of an application", void=True),
)
