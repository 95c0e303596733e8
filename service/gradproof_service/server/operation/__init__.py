"""Running a service: logs, metrics, traces and health."""
