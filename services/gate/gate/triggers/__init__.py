"""What starts pipelines from outside: webhooks in, cron expressions checked; echo answers."""
