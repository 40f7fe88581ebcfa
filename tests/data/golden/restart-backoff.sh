#!/bin/sh
# Waits before a restart: 5 s doubled for each restart in a row, at most 300 s.
# systemd has this built in (RestartSteps) only from version 254 on.
restarts=$(systemctl show --property NRestarts --value "$1")
delay=5
[ "${restarts:-0}" -gt 0 ] || exit 0
while [ "$restarts" -gt 1 ] && [ "$delay" -lt 300 ]; do
    delay=$((delay * 2))
    restarts=$((restarts - 1))
done
[ "$delay" -lt 300 ] || delay=300
echo "restart $(systemctl show --property NRestarts --value "$1") after a failure: waiting $delay s" >&2
exec sleep "$delay"
