/* What one GPU says of itself. Most answers are one line of the profile under NVML's own
 * name, so most functions here are one line of a table. */
#include "standin.h"

#include <stdio.h>
#include <string.h>

#define WORD(name)                                                                  \
    API Return nvmlDeviceGet##name(Device at, char *out, unsigned size) {           \
        return word(at, #name, out, size);                                          \
    }

#define NUMBER(type, function, key)                                                 \
    API Return nvmlDeviceGet##function(Device at, type *out) {                      \
        u64 value;                                                                  \
        Return got = element(at, key, 0, &value);                                   \
        if (got == OK && !out) return INVALID_ARGUMENT;                             \
        if (got == OK) *out = (type)value;                                          \
        return got;                                                                 \
    }

#define COUNT(name) NUMBER(unsigned, name, #name)

#define PAIR(type, name)                                                            \
    API Return nvmlDeviceGet##name(Device at, type *first, type *second) {          \
        u64 value[2];                                                               \
        Return got = numbers(at, #name, 2, value);                                  \
        if (got == OK && !(first && second)) return INVALID_ARGUMENT;               \
        if (got == OK) *first = (type)value[0], *second = (type)value[1];           \
        return got;                                                                 \
    }

/* A number that the caller picks from a list: a sensor, a clock, a link. */
#define PICKED(name)                                                                \
    API Return nvmlDeviceGet##name(Device at, unsigned which, unsigned *out) {      \
        u64 value;                                                                  \
        Return got = element(at, #name, which, &value);                             \
        if (got == OK && !out) return INVALID_ARGUMENT;                             \
        if (got == OK) *out = (unsigned)value;                                      \
        return got;                                                                 \
    }

WORD(Name)
WORD(UUID)
WORD(Serial)
WORD(BoardPartNumber)
WORD(VbiosVersion)
WORD(InforomImageVersion)

COUNT(Architecture)
COUNT(Brand)
COUNT(BusType)
COUNT(ComputeMode)
COUNT(CurrPcieLinkGeneration)
COUNT(CurrPcieLinkWidth)
COUNT(DisplayMode)
COUNT(EnforcedPowerLimit)
COUNT(GpuMaxPcieLinkGeneration)
COUNT(IrqNum)
COUNT(MaxPcieLinkGeneration)
COUNT(MaxPcieLinkWidth)
COUNT(MemoryBusWidth)
COUNT(MinorNumber)
COUNT(MultiGpuBoard)
COUNT(NumGpuCores)
COUNT(NumaNodeId)
COUNT(PcieLinkMaxSpeed)
COUNT(PcieReplayCounter)
COUNT(PcieSpeed)
COUNT(PerformanceState)
COUNT(PersistenceMode)
COUNT(PowerManagementLimit)
COUNT(PowerUsage)
COUNT(RetiredPagesPendingStatus)
COUNT(VirtualizationMode)

NUMBER(u64, CurrentClocksEventReasons, "CurrentClocksThrottleReasons")
NUMBER(u64, CurrentClocksThrottleReasons, "CurrentClocksThrottleReasons")
NUMBER(u64, SupportedClocksEventReasons, "SupportedClocksThrottleReasons")
NUMBER(u64, SupportedClocksThrottleReasons, "SupportedClocksThrottleReasons")
NUMBER(u64, TotalEnergyConsumption, "TotalEnergyConsumption")

PAIR(int, CudaComputeCapability)
PAIR(unsigned, AutoBoostedClocksEnabled)
PAIR(unsigned, EccMode)
PAIR(unsigned, MigMode)

PICKED(ClockInfo)
PICKED(MaxClockInfo)
PICKED(NvLinkRemoteDeviceType)
PICKED(NvLinkState)
PICKED(NvLinkVersion)
PICKED(Temperature)

API Return nvmlDeviceGetGspFirmwareVersion(Device at, char *out) {
    return word(at, "GspFirmwareVersion", out, 64);
}

API Return nvmlDeviceGetRemappedRows(Device at, unsigned *correctable, unsigned *uncorrectable,
                                     unsigned *pending, unsigned *failed) {
    unsigned *out[] = {correctable, uncorrectable, pending, failed};
    u64 value[4];
    Return got = numbers(at, "RemappedRows", 4, value);
    for (int i = 0; got == OK && i < 4; i++) {
        if (!out[i]) return INVALID_ARGUMENT;
        *out[i] = (unsigned)value[i];
    }
    return got;
}

/* Lines: TotalEccErrors=corrected volatile, corrected aggregate, uncorrected ..., ... */
API Return nvmlDeviceGetTotalEccErrors(Device at, unsigned kind, unsigned since, u64 *out) {
    if (kind > 1 || since > 1 || !out) return INVALID_ARGUMENT;
    return element(at, "TotalEccErrors", 2 * kind + since, out);
}

/* Splits one line of comma separated fields in the struct's own order. */
Return pci_info(const Section *at, const char *key, unsigned nth, PciInfo *out) {
    const char *value;
    PciInfo info = {0};
    Return got = find(at, key, nth, &value);
    if (got != OK) return got;
    int fields = sscanf(value, "%15[^,],%u,%u,%u,%u,%u,%31s", info.bus_id_legacy, &info.domain,
                        &info.bus, &info.device, &info.device_id, &info.subsystem_id, info.bus_id);
    if (fields != 7) return *value == '-' ? NOT_SUPPORTED : UNKNOWN;
    if (!out) return INVALID_ARGUMENT;
    *out = info;
    return OK;
}

API Return nvmlDeviceGetPciInfo_v3(Device at, PciInfo *out) {
    return pci_info(at, "PciInfo", 0, out);
}
