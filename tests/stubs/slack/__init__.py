"""A stand-in for Slack: Web API, Socket Mode and signed HTTP deliveries."""

BOT_TOKEN = "xoxb-stub"
APP_TOKEN = "xapp-stub"
SIGNING_SECRET = "stub-signing-secret"
