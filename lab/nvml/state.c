/* What a GPU is doing: memory, load, processes, affinity and the NVLink fabric. */
#include "standin.h"

#include <stdio.h>
#include <string.h>

/* NVML writes a struct's size and version into its first word. */
#define VERSIONED(type, version) ((unsigned)(sizeof(type) | (version) << 24))

typedef struct {
    u64 total, free, used;
} Memory;

typedef struct {
    unsigned version;
    u64 total, reserved, free, used;
} MemoryV2;

API Return nvmlDeviceGetMemoryInfo(Device at, Memory *out) {
    u64 value[3];
    Return got = numbers(at, "MemoryInfo", 3, value);
    if (got == OK && !out) return INVALID_ARGUMENT;
    if (got == OK) *out = (Memory){value[0], value[1], value[2]};
    return got;
}

API Return nvmlDeviceGetMemoryInfo_v2(Device at, MemoryV2 *out) {
    u64 value[4];
    if (!out) return INVALID_ARGUMENT;
    if (out->version != VERSIONED(MemoryV2, 2)) return VERSION_MISMATCH;
    Return got = numbers(at, "MemoryInfo_v2", 4, value);
    if (got == OK) *out = (MemoryV2){out->version, value[0], value[1], value[2], value[3]};
    return got;
}

API Return nvmlDeviceGetBAR1MemoryInfo(Device at, Memory *out) {
    u64 value[3];
    Return got = numbers(at, "BAR1MemoryInfo", 3, value);
    if (got == OK && !out) return INVALID_ARGUMENT;
    if (got == OK) *out = (Memory){value[0], value[1], value[2]};
    return got;
}

typedef struct {
    unsigned gpu, memory;
} Utilization;

API Return nvmlDeviceGetUtilizationRates(Device at, Utilization *out) {
    u64 value[2];
    Return got = numbers(at, "UtilizationRates", 2, value);
    if (got == OK && !out) return INVALID_ARGUMENT;
    if (got == OK) *out = (Utilization){(unsigned)value[0], (unsigned)value[1]};
    return got;
}

typedef struct {
    unsigned version, sensor;
    int degrees;
} TemperatureV1;

API Return nvmlDeviceGetTemperatureV(Device at, TemperatureV1 *out) {
    u64 value;
    if (!out) return INVALID_ARGUMENT;
    if (out->version != VERSIONED(TemperatureV1, 1)) return VERSION_MISMATCH;
    Return got = element(at, "Temperature", out->sensor, &value);
    if (got == OK) out->degrees = (int)value;
    return got;
}

typedef struct {
    unsigned pid;
    u64 used;
    unsigned gpu_instance, compute_instance;
} Process;

/* `process=PID,BYTES`, one line a process; none at all is an empty list, not an error. */
static Return process(Device at, unsigned nth, Process *out) {
    const char *value;
    unsigned pid;
    u64 used;
    Return got = find(at, "process", nth, &value);
    if (got != OK) return got;
    if (sscanf(value, "%u,%llu", &pid, &used) != 2) return UNKNOWN;
    *out = (Process){pid, used, ~0u, ~0u};
    return OK;
}

API Return nvmlDeviceGetComputeRunningProcesses_v3(Device at, unsigned *count, Process *out) {
    Process each;
    Return got;
    unsigned n = 0;
    if (!count) return INVALID_ARGUMENT;
    for (; (got = process(at, n, &each)) == OK; n++)
        if (out && n < *count) out[n] = each;
    if (got != NOT_SUPPORTED) return got;
    got = n > *count ? INSUFFICIENT_SIZE : n && !out ? INVALID_ARGUMENT : OK;
    *count = n;
    return got;
}

API Return nvmlDeviceGetComputeRunningProcesses_v2(Device at, unsigned *count, Process *out) {
    return nvmlDeviceGetComputeRunningProcesses_v3(at, count, out);
}

/* A mask, 64 bits a number, lowest first; words past the profile's are zero. */
static Return mask(Device at, const char *key, unsigned size, unsigned long *out) {
    u64 value;
    Return got = element(at, key, 0, &value);
    if (got != OK) return got;
    if (!out || !size) return INVALID_ARGUMENT;
    for (unsigned i = 0; i < size; i++)
        out[i] = element(at, key, i, &value) == OK ? (unsigned long)value : 0;
    return OK;
}

API Return nvmlDeviceGetCpuAffinity(Device at, unsigned size, unsigned long *out) {
    return mask(at, "CpuAffinity", size, out);
}

API Return nvmlDeviceGetMemoryAffinity(Device at, unsigned size, unsigned long *out, unsigned s) {
    (void)s;
    return mask(at, "MemoryAffinity", size, out);
}

typedef struct {
    uint8_t cluster_uuid[16];
    unsigned status, clique_id, state;
} Fabric;

typedef struct {
    unsigned version;
    Fabric fabric;
    unsigned health_mask;
} FabricV2;

typedef struct {
    FabricV2 v2;
    uint8_t health_summary;
} FabricV3;

/* `GpuFabricInfo=status,clique,state,health mask,health summary` and its cluster's UUID. */
static Return fabric(Device at, Fabric *out, u64 *health) {
    const char *uuid = "";
    u64 value[5];
    Return got = numbers(at, "GpuFabricInfo", 5, value);
    if (got != OK) return got;
    memset(out, 0, sizeof *out);
    find(at, "GpuFabricClusterUuid", 0, &uuid);
    for (int i = 0; i < 16 && sscanf(uuid, "%2hhx", &out->cluster_uuid[i]) == 1; i++) {
        uuid += 2;
        if (*uuid == '-') uuid++;
    }
    out->status = (unsigned)value[0];
    out->clique_id = (unsigned)value[1];
    out->state = (unsigned)value[2];
    memcpy(health, value + 3, 2 * sizeof *health);
    return OK;
}

API Return nvmlDeviceGetGpuFabricInfo(Device at, Fabric *out) {
    u64 health[2];
    return out ? fabric(at, out, health) : INVALID_ARGUMENT;
}

API Return nvmlDeviceGetGpuFabricInfoV(Device at, FabricV2 *out) {
    u64 health[2];
    if (!out) return INVALID_ARGUMENT;
    int third = out->version == VERSIONED(FabricV3, 3);
    if (!third && out->version != VERSIONED(FabricV2, 2)) return VERSION_MISMATCH;
    Return got = fabric(at, &out->fabric, health);
    if (got != OK) return got;
    out->health_mask = (unsigned)health[0];
    if (third) ((FabricV3 *)out)->health_summary = (uint8_t)health[1];
    return OK;
}
