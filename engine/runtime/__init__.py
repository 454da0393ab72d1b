"""What keeps the installation running: supervised services, faults, metrics, logs, heartbeat and watchdog.

Nothing here knows what a service does.
"""
