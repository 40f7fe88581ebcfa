#!/usr/bin/env bash
# The first process of a host's own namespaces: makes its mounts, then becomes its systemd.
# usage: init.sh ROOT NAME LOG LIBRARIES; says its pid, as the machine sees it, waits for a line,
# and says so when systemd is next.
set -euo pipefail
R=$1 name=$2 log=$3 libraries=$4
read -r pid _ < /proc/self/stat  # this /proc is still the machine's
echo "$pid"
read -r _  # until the process that started this one has left the host's control group
exec 3>&1 </dev/null >>"$log" 2>&1

mount --make-rprivate /
mount --bind "$R" "$R"
mount -t proc proc "$R/proc"
mount --bind "$R/proc/sys" "$R/proc/sys"  # the kernel's settings are the machine's: not for a host
mount -o remount,bind,ro "$R/proc/sys"
mount -t sysfs -o ro sys "$R/sys"
mount -t cgroup2 cgroup "$R/sys/fs/cgroup"
mount -t tmpfs -o mode=755 run "$R/run"
mount -t tmpfs -o mode=1777 tmp "$R/tmp"

mount -t tmpfs -o mode=755 dev "$R/dev"
mkdir -p "$R/dev/pts" "$R/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 pts "$R/dev/pts"
mount -t tmpfs -o mode=1777 shm "$R/dev/shm"
ln -s pts/ptmx "$R/dev/ptmx"
ln -s /proc/self/fd "$R/dev/fd"
ln -s fd/0 "$R/dev/stdin"; ln -s fd/1 "$R/dev/stdout"; ln -s fd/2 "$R/dev/stderr"

shopt -s nullglob
for device in /dev/{null,zero,full,random,urandom,tty} /dev/nvidia*; do
  if [ -d "$device" ]; then mkdir -p "$R$device"; else touch "$R$device"; fi
  mount --rbind "$device" "$R$device"
done

mkdir -p "$R/usr/local/nvidia"
if [ "$libraries" = whole ]; then  # the machine has its driver in this very folder
  mount --rbind /usr/local/nvidia "$R/usr/local/nvidia"
elif [ -s "$libraries" ]; then  # a list: the name there, a tab, the machine's file
  mount -t tmpfs -o mode=755 nvidia "$R/usr/local/nvidia"
  while IFS=$'\t' read -r there file; do
    mkdir -p "$(dirname "$R/usr/local/nvidia/$there")"
    touch "$R/usr/local/nvidia/$there"
    mount --bind "$file" "$R/usr/local/nvidia/$there"
  done < "$libraries"
fi

hostname "$name"
chroot "$R" /sbin/ldconfig
echo ready >&3
exec 3>&-
exec chroot "$R" /usr/bin/env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --show-status=no --log-target=journal
