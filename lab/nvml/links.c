/* How GPUs are joined: NVLinks, the PCIe tree between two of them, peer-to-peer status.
 * Lists have one element a link or a peer; the keys of the lists of a link's capabilities
 * and counters, and of a peer's status, end in the number that the caller asks for. */
#include "standin.h"

#include <stdio.h>

static Return numbered(Device at, const char *name, unsigned number, unsigned index, u64 *out) {
    char key[64];
    snprintf(key, sizeof key, "%s.%u", name, number);
    return out ? element(at, key, index, out) : INVALID_ARGUMENT;
}

API Return nvmlDeviceGetNvLinkCapability(Device at, unsigned link, unsigned which, unsigned *out) {
    u64 value;
    Return got = numbered(at, "NvLinkCapability", which, link, &value);
    if (got == OK && !out) return INVALID_ARGUMENT;
    if (got == OK) *out = (unsigned)value;
    return got;
}

API Return nvmlDeviceGetNvLinkErrorCounter(Device at, unsigned link, unsigned which, u64 *out) {
    return numbered(at, "NvLinkErrorCounter", which, link, out);
}

/* One line a link, or a single line that holds for all of them. */
API Return nvmlDeviceGetNvLinkRemotePciInfo_v2(Device at, unsigned link, PciInfo *out) {
    u64 state;
    PciInfo second;
    Return got = element(at, "NvLinkState", link, &state);
    if (got != OK) return got;
    int same = pci_info(at, "NvLinkRemotePciInfo", 1, &second) == NOT_SUPPORTED;
    return pci_info(at, "NvLinkRemotePciInfo", same ? 0 : link, out);
}

static unsigned place(Device at) { return (unsigned)(at - profile.gpu); }

API Return nvmlDeviceGetTopologyCommonAncestor(Device at, Device peer, unsigned *out) {
    u64 value;
    Return got = check(peer);
    if (got == OK) got = element(at, "TopologyCommonAncestor", place(peer), &value);
    if (got == OK && !out) return INVALID_ARGUMENT;
    if (got == OK) *out = (unsigned)value;
    return got;
}

API Return nvmlDeviceGetP2PStatus(Device at, Device peer, unsigned which, unsigned *out) {
    u64 value;
    Return got = check(peer);
    if (got == OK) got = numbered(at, "P2PStatus", which, place(peer), &value);
    if (got == OK && !out) return INVALID_ARGUMENT;
    if (got == OK) *out = (unsigned)value;
    return got;
}

/* nvmlFieldValue_t; the stand-in answers unsigned numbers only: `Field.ID=`, one a scope
 * (for the link fields: one a link). */
typedef struct {
    unsigned id, scope;
    int64_t timestamp, latency_us;
    unsigned type, result;
    u64 value;
} Field;

API Return nvmlDeviceGetFieldValues(Device at, int count, Field *fields) {
    Return got = check(at);
    if (got != OK) return got;
    if (count < 1 || !fields) return INVALID_ARGUMENT;
    for (Field *field = fields; field < fields + count; field++) {
        field->value = 0;
        field->type = 1; /* unsigned int */
        field->result = numbered(at, "Field", field->id, field->scope, &field->value);
    }
    return OK;
}
