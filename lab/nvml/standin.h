/* The lab's STAND-IN for libnvidia-ml.so.1: shared declarations.
 *
 * It answers what a profile file says and nothing else. It is not NVIDIA's
 * library, drives no GPU, and must only ever be installed in lab hosts.
 * Layouts are those that the public nvidia-ml-py bindings declare.
 */
#ifndef RACKWRIGHT_NVML_STANDIN_H
#define RACKWRIGHT_NVML_STANDIN_H

#include <stddef.h>
#include <stdint.h>

#define API __attribute__((visibility("default")))
#define MAX_GPUS 16
#define MAX_LINES 128 /* a GPU */

typedef enum {
    OK = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    VERSION_MISMATCH = 25,
    UNKNOWN = 999
} Return;

typedef unsigned long long u64;

/* One `key=value` line; both point into the profile's text. */
typedef struct {
    const char *key, *value;
} Line;

/* A section of the profile: the part before the first `[gpu N]`, or one GPU.
 * A device handle is a pointer to its section. */
typedef struct {
    unsigned count;
    Line line[MAX_LINES];
} Section;

typedef Section *Device;

typedef struct {
    int users; /* nvmlInit less nvmlShutdown */
    unsigned gpus;
    Section system, gpu[MAX_GPUS];
} Profile;

extern Profile profile;

/* profile.c: the file, and how its values read. `nth` picks among repeated keys; `element`
 * among values with commas. All readers begin with `check`: initialised, and a real handle. */
Return profile_load(void);
void profile_drop(void);
Return check(const Section *at);
Return find(const Section *at, const char *key, unsigned nth, const char **value);
Return element(const Section *at, const char *key, unsigned index, u64 *out);
Return numbers(const Section *at, const char *key, unsigned count, u64 *out);
Return word(const Section *at, const char *key, char *out, size_t size);

typedef struct {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} PciInfo;

/* device.c: `PciInfo=` and `NvLinkRemotePciInfo=` lines, fields in the struct's order. */
Return pci_info(const Section *at, const char *key, unsigned nth, PciInfo *out);

#endif
