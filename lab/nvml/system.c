/* Start and end, versions, and how a caller comes by a device handle. */
#include "standin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What `strings libnvidia-ml.so.1` shows to whoever wonders. */
API const char rackwright_nvml_standin[] =
    "Rackwright lab stand-in for libnvidia-ml.so.1: imitates GPUs from a profile file";

static const struct {
    int code;
    const char *text;
} errors[] = {
    {0, "Success"},
    {1, "Uninitialized"},
    {2, "Invalid Argument"},
    {3, "Not Supported"},
    {4, "Insufficient Permissions"},
    {6, "Not Found"},
    {7, "Insufficient Size"},
    {9, "Driver Not Loaded"},
    {10, "Timeout"},
    {15, "GPU is lost"},
    {16, "GPU requires reset"},
    {17, "The operating system has blocked the request."},
    {18, "Driver/library version mismatch"},
    {25, "The provided version is invalid/unsupported"},
};

API const char *nvmlErrorString(Return code) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == (int)code) return errors[i].text;
    return "Unknown Error";
}

static Return started(void) {
    u64 ignored;
    profile.users = 1;
    Return got = element(&profile.system, "Init", 0, &ignored);
    return got == NOT_SUPPORTED ? OK : got; /* `Init=!18` makes the start itself fail */
}

API Return nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (profile.users) return profile.users++, OK;
    Return got = profile_load();
    if (got == OK) got = started();
    if (got != OK) profile_drop();
    return got;
}

API Return nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

API Return nvmlInit(void) { return nvmlInitWithFlags(0); }

API Return nvmlShutdown(void) {
    if (!profile.users) return UNINITIALIZED;
    if (!--profile.users) profile_drop();
    return OK;
}

API Return nvmlSystemGetDriverVersion(char *out, unsigned size) {
    return word(&profile.system, "DriverVersion", out, size);
}

API Return nvmlSystemGetNVMLVersion(char *out, unsigned size) {
    return word(&profile.system, "NVMLVersion", out, size);
}

API Return nvmlSystemGetCudaDriverVersion_v2(int *out) {
    u64 version;
    Return got = element(&profile.system, "CudaDriverVersion", 0, &version);
    if (got == OK && !out) return INVALID_ARGUMENT;
    if (got == OK) *out = (int)version;
    return got;
}

API Return nvmlSystemGetCudaDriverVersion(int *out) {
    return nvmlSystemGetCudaDriverVersion_v2(out);
}

API Return nvmlDeviceGetCount_v2(unsigned *out) {
    if (!profile.users) return UNINITIALIZED;
    if (!out) return INVALID_ARGUMENT;
    *out = profile.gpus;
    return OK;
}

API Return nvmlDeviceGetCount(unsigned *out) { return nvmlDeviceGetCount_v2(out); }

API Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *out) {
    const char *value;
    if (!profile.users) return UNINITIALIZED;
    if (!out || index >= profile.gpus) return INVALID_ARGUMENT;
    *out = &profile.gpu[index];
    Return got = find(*out, "Handle", 0, &value); /* `Handle=!15`: fallen off the bus */
    return got == NOT_SUPPORTED ? OK : got;
}

API Return nvmlDeviceGetHandleByIndex(unsigned index, Device *out) {
    return nvmlDeviceGetHandleByIndex_v2(index, out);
}

API Return nvmlDeviceGetIndex(Device at, unsigned *out) {
    Return got = check(at);
    if (got != OK) return got;
    if (!out) return INVALID_ARGUMENT;
    *out = (unsigned)(at - profile.gpu);
    return OK;
}

static Return by_word(const char *key, const char *wanted, Device *out) {
    const char *value;
    if (!profile.users) return UNINITIALIZED;
    if (!wanted || !out) return INVALID_ARGUMENT;
    for (unsigned i = 0; i < profile.gpus; i++)
        if (find(&profile.gpu[i], key, 0, &value) == OK && !strcasecmp(value, wanted))
            return nvmlDeviceGetHandleByIndex_v2(i, out);
    return NOT_FOUND;
}

API Return nvmlDeviceGetHandleByUUID(const char *uuid, Device *out) {
    return by_word("UUID", uuid, out);
}

API Return nvmlDeviceGetHandleBySerial(const char *serial, Device *out) {
    return by_word("Serial", serial, out);
}

/* Takes every spelling: 00000000:00:06.0, 0000:00:06.0, 0:0:6. */
API Return nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, Device *out) {
    unsigned domain, bus, device;
    PciInfo info;
    if (!profile.users) return UNINITIALIZED;
    if (!bus_id || !out || sscanf(bus_id, "%x:%x:%x", &domain, &bus, &device) != 3)
        return INVALID_ARGUMENT;
    for (unsigned i = 0; i < profile.gpus; i++)
        if (pci_info(&profile.gpu[i], "PciInfo", 0, &info) == OK && info.domain == domain &&
            info.bus == bus && info.device == device)
            return nvmlDeviceGetHandleByIndex_v2(i, out);
    return NOT_FOUND;
}

API Return nvmlDeviceGetHandleByPciBusId(const char *bus_id, Device *out) {
    return nvmlDeviceGetHandleByPciBusId_v2(bus_id, out);
}
