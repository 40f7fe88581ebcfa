"""A Linux host, asked: commands, systemd, processes, the kernel's log, PCI, disks."""
