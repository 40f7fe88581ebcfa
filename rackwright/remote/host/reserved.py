"""What belongs to the system of a host: accounts and folders that are never ours.

Source: Debian's and Ubuntu's base-passwd, the packages of their server images, and the Filesystem
Hierarchy Standard 3.0. An inventory that names one is refused; so is the host's own half.
"""

from __future__ import annotations

from pathlib import PurePosixPath

_BASE_PASSWD = (
    "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats "
    "nobody adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src "
    "shadow utmp video sasl plugdev staff users nogroup input sgx kvm render crontab netdev wheel"
)
_PACKAGES = (
    "messagebus dbus sshd ssh polkitd syslog uuidd tcpdump tss landscape pollinate fwupd-refresh "
    "usbmux rdma ntp ntpsec chrony dnsmasq statd lxd docker nginx nvidia-persistenced munge slurm "
    "postfix postdrop postgres mysql redis ftp git prometheus grafana "
    "ubuntu debian admin ec2-user azureuser opc rocky fedora vagrant ollama"
)
ACCOUNTS = frozenset([*_BASE_PASSWD.split(), *_PACKAGES.split()])
"""Users, and groups that no user of ours may be in for its name."""
ACCOUNT_PREFIXES = ("_", "systemd-")
"""Debian's policy has system users begin with ``_``; the others are systemd's own."""

_FOLDERS = (
    "/ /etc /media /mnt /opt /srv /usr /usr/local /usr/local/bin /usr/local/etc /usr/local/games "
    "/usr/local/include /usr/local/lib /usr/local/man /usr/local/sbin /usr/local/share "
    "/usr/local/src /var /var/account /var/backups /var/cache /var/crash /var/games /var/lib "
    "/var/local /var/log /var/mail /var/opt /var/snap /var/spool /var/www /snap /lost+found"
)
FOLDERS = frozenset(_FOLDERS.split())
"""Those that a folder of our own may lie in, and never be."""
_TREES = (
    "/bin /boot /dev /home /lib /lib32 /lib64 /libx32 /proc /root /run /sbin /sys /tmp /usr/bin "
    "/usr/games /usr/include /usr/lib /usr/lib32 /usr/lib64 /usr/libexec /usr/libx32 /usr/sbin "
    "/usr/share /usr/src /var/lock /var/run /var/tmp /etc/alternatives /etc/apt /etc/cron.d "
    "/etc/default /etc/init.d /etc/nginx /etc/pam.d /etc/profile.d /etc/security /etc/ssh /etc/ssl "
    "/etc/sudoers.d /etc/systemd /etc/udev /var/cache/apt /var/lib/apt /var/lib/dpkg "
    "/var/lib/systemd /var/log/journal /var/log/nginx /var/spool/cron"
)
TREES = frozenset(_TREES.split())
"""Those that nothing of ours may lie in: the system's, people's, or emptied at every boot."""


def is_reserved_account(name: str) -> bool:
    """Whether an account of that name is the system's, on this host or on another."""
    return name in ACCOUNTS or name.startswith(ACCOUNT_PREFIXES)


def is_system_folder(path: str) -> bool:
    """Whether a folder is one of the system's."""
    return path in FOLDERS or path in TREES


def is_reserved_folder(path: str) -> bool:
    """Whether a folder is the system's, or lies where nothing of ours may."""
    above = {str(each) for each in PurePosixPath(path).parents}
    return is_system_folder(path) or not TREES.isdisjoint(above)
