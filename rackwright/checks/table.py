"""The table of all checks, in the order of reports. A new check is a module and a line here."""

from __future__ import annotations

from typing import Any

from rackwright.checks.burn_in import dcgm, heat, host_copies, matrix_products, memory_patterns
from rackwright.checks.check import Check, P, Sample
from rackwright.checks.gateway import (
    gateway_name,
    keepalived,
    shared_address,
    shared_address_answers,
)
from rackwright.checks.host import clock, disk, firewall, watchdog
from rackwright.checks.rank import between_servers, network, ranks, rdma
from rackwright.checks.replica import (
    balance,
    bandwidth,
    completion,
    delivery,
    health,
    identity,
    kv_cache,
    loaded,
    model,
    open_files,
    throughput,
    unit,
    version,
)
from rackwright.checks.server import (
    driver,
    fabric,
    gpu_memory,
    gpus,
    links,
    memory_errors,
    mig,
    next_boot,
    pcie,
    persistence,
    power_limit,
    processes,
    quarantine,
    throttling,
    xid_errors,
)
from rackwright.checks.service import (
    certificate,
    closed_paths,
    connections,
    gateway_completion,
    gateway_model,
    nginx,
    router,
    upstream,
)

CHECKS: tuple[Check[Any], ...] = (
    clock.CHECK,
    disk.CHECK,
    firewall.CHECK,
    watchdog.CHECK,
    quarantine.CHECK,
    driver.CHECK,
    next_boot.CHECK,
    gpus.CHECK,
    links.CHECK,
    pcie.CHECK,
    memory_errors.CHECK,
    xid_errors.CHECK,
    throttling.CHECK,
    mig.CHECK,
    power_limit.CHECK,
    persistence.CHECK,
    fabric.CHECK,
    processes.CHECK,
    gpu_memory.CHECK,
    unit.CHECK,
    identity.CHECK,
    health.CHECK,
    model.CHECK,
    version.CHECK,
    completion.CHECK,
    delivery.CHECK,
    kv_cache.CHECK,
    open_files.CHECK,
    loaded.CHECK,
    balance.CHECK,
    throughput.CHECK,
    bandwidth.CHECK,
    ranks.CHECK,
    network.CHECK,
    rdma.CHECK,
    between_servers.CHECK,
    matrix_products.CHECK,
    memory_patterns.CHECK,
    host_copies.CHECK,
    heat.CHECK,
    dcgm.CHECK,
    nginx.CHECK,
    upstream.CHECK,
    router.CHECK,
    connections.CHECK,
    certificate.CHECK,
    closed_paths.CHECK,
    gateway_model.CHECK,
    gateway_completion.CHECK,
    keepalived.CHECK,
    shared_address.CHECK,
    shared_address_answers.CHECK,
    gateway_name.CHECK,
)


def healthy(kind: type[P]) -> Sample[P]:
    """A sample of one kind of thing that has all that its checks read."""
    several = [check.healthy for check in checks_about(kind)]
    first = several[0]
    alike = (sample.seen for sample in several if sample.planned == first.planned)
    return first.having(**{key: part for seen in alike for key, part in seen.items()})


def checks_about(kind: type[P]) -> tuple[Check[P], ...]:
    """The checks of one kind of thing (``PlannedReplica``), in their order."""
    return tuple(check for check in CHECKS if check.about is kind)
