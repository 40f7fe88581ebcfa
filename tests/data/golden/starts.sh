#!/bin/sh
# starts before|ready|ended UNIT: counts the starts of a replica; its unit runs it, as root.
#   before  waits before a restart: 5 s doubled for each in a row, at most 300 s
#   ended   gives up after 5 in a row that never became ready
# A start by hand or by a deploy counts anew; so does one after 600 s of service, in the delay.
# systemd has such delays (RestartSteps) only from version 254 on, and its limit of starts counts
# those that became ready too.
moment=$1 unit=$2
file=/run/rackwright-starts/$unit
restarts=0 row=0 failed=0 ready_s=0 gave_up=0
[ -r "$file" ] && read -r restarts row failed ready_s gave_up < "$file"
read -r up_s _ < /proc/uptime
up_s=${up_s%.*}

keep() {
    mkdir -p "${file%/*}"
    echo "$restarts $row $failed $ready_s $gave_up" > "$file.new" && mv "$file.new" "$file"
}

case $moment in
before)
    now=$(systemctl show --property NRestarts --value "$unit")
    # systemd counts on where it restarts; by hand the count stays, or begins again.
    if [ "${now:-0}" -le "$restarts" ]; then
        row=0 failed=0
    elif [ "$ready_s" -gt 0 ] && [ $((up_s - ready_s)) -ge 600 ]; then
        row=1
    else
        row=$((row + 1))
    fi
    restarts=${now:-0} ready_s=0 gave_up=0
    # A rank that its watchdog ended with the others waits for them: those that failed set the pace.
    if [ -e "$file.with-others" ]; then
        rm -f "$file.with-others"
        row=$((row > 0 ? row - 1 : 0))
        keep
        exit 0
    fi
    keep
    [ "$row" -gt 0 ] || exit 0
    delay=5 steps=$row
    while [ "$steps" -gt 1 ] && [ "$delay" -lt 300 ]; do
        delay=$((delay * 2)) steps=$((steps - 1))
    done
    [ "$delay" -lt 300 ] || delay=300
    echo "restart $row in a row after a failure: waiting $delay s" >&2
    exec sleep "$delay"
    ;;
ready)
    failed=0 ready_s=$((up_s > 0 ? up_s : 1))
    keep
    ;;
ended)
    # Only what was started can fail to become ready, and what is ended by hand did not fail.
    if [ -z "$EXIT_CODE" ]; then
        row=0
        keep
        exit 0
    fi
    [ "$ready_s" -eq 0 ] || exit 0
    case $(systemctl list-jobs --no-legend "$unit") in
    *" stop "* | *" restart "*) exit 0 ;;
    esac
    failed=$((failed + 1))
    if [ "$failed" -ge 5 ]; then
        gave_up=1
        keep
        echo "gave up after $failed starts that never became ready: a deploy, or systemctl restart $unit, tries again" >&2
        # It ends failed and is not restarted; exit code 1 says so also of a program that ended with 0.
        systemctl --no-block stop "$unit"
        exit 1
    fi
    keep
    ;;
esac
