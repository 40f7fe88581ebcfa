"""Throwaway hosts on this machine: real systemd, sshd and apt in systemd-nspawn.

Only the GPU is imitated, at the NVML library boundary (``lab/nvml``).
"""
