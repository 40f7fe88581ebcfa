"""What a host is: its GPUs as NVML sees them, and its operating system.

By hand: ``python -m rackwright.runner.travelling probe | ssh HOST python3 -``.
It only reads. What cannot be read is null, and ``unavailable`` says why, by path
(``"gpus[0].fabric": "NVMLError_NotSupported: Not Supported"``); it never fails as a whole.

The shape (``?`` may be null; every value that NVML may refuse is one of these)::

    schema             1
    time_unix_s        the host's clock when it was asked
    nvml?              driver_version, nvml_version, cuda_version ("13.0": the newest the driver
                       supports); null without the NVIDIA library or its driver
    gpus               one a GPU, in NVML's order; [] without NVML, null for a GPU that is lost
      index            NVML's; CUDA counts so only with CUDA_DEVICE_ORDER=PCI_BUS_ID
      name? uuid? serial? minor_number?
      pci_bus_id?      "00000000:17:00.0"
      memory?          total_bytes, used_bytes, free_bytes, and reserved_bytes (by the driver; null
                       from drivers before 510, which count it as used)
      compute_capability?       "9.0"
      recovery_action? what the driver asks for now: none, gpu_reset, node_reboot, drain_p2p,
                       drain_and_reset, recover_imex_domain, bus_reset, system_reboot
      acs_redirects?   PCI addresses of the bridges above it that send traffic between GPUs up to
                       the CPU (ACS request or completion redirect)
      pcie             generation?, width? (lanes) now; max_generation?, max_width?, by NVIDIA's
                       documentation of this GPU in this slot, often of the card alone;
                       gpu_max_generation? of the GPU in any slot; card? and bridge?: both ends of
                       the link as sysfs tells them, the bridge null where a virtual machine hides
                       it: generation?, width? now, max_generation?, max_width? (null, and no
                       reason: that end does not tell)
      nvlinks?         one a link: link (number), active? (bool), version? ("4.0"), remote_type?
                       (gpu, switch, npu, unknown), remote_pci_bus_id? (null without
                       reason: hidden, as for switches), speed_mb_per_s? (one direction).
                       [] for a GPU without NVLink
      fabric?          state (not_supported, not_started, in_progress, completed), status (an NVML
                       return code, 0 is success), clique_id, cluster_uuid, health_mask
                       (0, nothing told, from drivers before 550)
      ecc_mode? mig_mode?       current, pending (bool)
      ecc_errors       corrected, uncorrected: volatile? (since the driver loaded), aggregate?
      remapped_rows?   correctable, uncorrectable (counts), pending, failure (bool)
      throttle_reasons?         why clocks are below their maximum: names, [] for none
      performance_state?        0 (the fastest) to 15, null for unknown
      persistence_mode?         bool
      power            limit_w?, enforced_limit_w?, draw_w?
      temperature_c?
      utilization_percent?      gpu, memory: share of the last sample period that each was busy
      processes?       compute processes: pid (of the host), used_bytes?, command?, cgroups ([]
                       for one that is gone, or runs in another PID namespace)
      numa_node?       the host memory nearest to the GPU; from NVML, else sysfs
      cpu_affinity?    the CPUs nearest to it, as Linux writes lists: "0-31,64-95"
    nvswitches?        PCI addresses of NVSwitches on the bus: a guest's are on its host's, and
                       those of NVLink 5 on none
    topology           matrices by NVML index; the diagonal is null
      common_ancestor  INTERNAL (one board), PIX, PXB, PHB, NODE or SYS, as nvidia-smi topo -m
      p2p              read, write, nvlink, atomics, pcie: OK, CNS, GNS, TNS, DR, NS or U, as
                       nvidia-smi topo -p2p
    os                 hostname, kernel, architecture, id?, version_id? (of os-release), cpu_count?,
                       memory_total_bytes?, nvidia_module_version? (of the kernel module loaded),
                       secure_boot? (bool), iommu? (how DMA is translated: DMA, DMA-FQ, identity;
                       [] without an IOMMU)
    xids? sxids?       the driver's errors of GPUs and of NVSwitches in the kernel's log, since it
                       was loaded last, oldest first: pci_bus_id ("0000:17:00"), code, text
    fabric_manager?    LoadState, ActiveState, SubState, Result of the unit nvidia-fabricmanager, as
                       systemd says; nvlsm: whether that runs
    library_version?   of the file that NVML is, also where it refuses to start
    kernels?           what may boot next: installed, one a kernel image in /boot: release, headers
                       (bool), module (version of the driver's that it would load, "" for none),
                       dkms (bool: built here); packages (names, of kernels, their headers and
                       prebuilt modules); grub_default (the entry GRUB is told to boot, "" for the
                       newest)
    unavailable        path -> reason

A code that is not known here is given as text: ``"unknown (9)"``.
"""

from __future__ import annotations

import time
from typing import Any

from rackwright.remote.host.kernel_log import kernel_log, since_loaded, sxids, xids
from rackwright.remote.host.operating_system import OPERATING_SYSTEM
from rackwright.remote.host.processes import runs
from rackwright.remote.host.quarantine import quarantine
from rackwright.remote.host.systemd import show
from rackwright.remote.nvidia.gpu import observed
from rackwright.remote.nvidia.kernels import kernels
from rackwright.remote.nvidia.library import library_version
from rackwright.remote.nvidia.session import NVML, handles, started
from rackwright.remote.nvidia.switches import switches
from rackwright.remote.nvidia.topology import topology
from rackwright.remote.reader import Reader

ONLY_LOOKS = True
FABRIC_MANAGER = "nvidia-fabricmanager.service"
"""Of NVLink 5 it starts nvlsm, the subnet manager, and does not end with it."""


def main(watchdog: str | None = None) -> dict[str, Any]:
    """Look at this host once; see the module's text for the shape. Never raises.

    ``watchdog`` is the folder of one, whose quarantine is told too (``remote/host/quarantine.py``).
    """
    reader = Reader()
    nothing: dict[str, Any] = {
        "nvml": None,
        "gpus": [],
        "topology": {"common_ancestor": [], "p2p": {}},
    }
    said = reader.read("xids", lambda: since_loaded(kernel_log()))
    return {
        "schema": 1,
        "time_unix_s": time.time(),
        **(reader.read("nvml", _nvidia, reader) or nothing),
        "os": reader.fill("os", OPERATING_SYSTEM),
        "library_version": reader.read("library_version", library_version),
        "kernels": reader.read("kernels", kernels),
        "nvswitches": reader.read("nvswitches", switches),
        "xids": None if said is None else xids(said),
        "sxids": None if said is None else sxids(said),
        "fabric_manager": reader.read("fabric_manager", _fabric_manager),
        **({"quarantine": quarantine(watchdog)} if watchdog else {}),
        "unavailable": reader.unavailable,
    }


def _fabric_manager() -> dict[str, Any]:
    (unit,) = show("LoadState,ActiveState,SubState,Result", FABRIC_MANAGER)
    return {**unit, "nvlsm": runs("nvlsm")}


def _nvidia(reader: Reader) -> dict[str, Any]:
    with started() as nvml:
        known = handles(reader, nvml)
        return {
            "nvml": reader.fill("nvml", NVML, nvml),
            "gpus": [observed(reader, nvml, index, handle) for index, handle in enumerate(known)],
            "topology": topology(reader, nvml, known),
        }
