/* Reads the profile, and the four ways to read a value out of it.
 *
 *   # a comment            driver=580.159.04
 *   [gpu 0]                Name=NVIDIA H200
 *   EccMode=1,1            a list; `-` in it: not supported
 *   Temperature=!15        the answer is error 15; also inside a list
 *
 * A key that is missing is not supported, as on a real device without the feature.
 */
#include "standin.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "/etc/rackwright-lab/nvml.profile"

Profile profile;
static char *text;

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    char *out = NULL;
    size_t length = 0, got = 0;
    do {
        out = realloc(out, length + 4096 + 1);
        if (!out) break;
        got = fread(out + length, 1, 4096, file);
        out[length += got] = '\0';
    } while (got);
    int failed = ferror(file);
    fclose(file);
    if (!failed) return out;
    free(out);
    return NULL;
}

static char *trimmed(char *line) {
    while (isspace((unsigned char)*line)) line++;
    for (char *end = line + strlen(line); end > line && isspace((unsigned char)end[-1]);) *--end = 0;
    return line;
}

/* The section that lines go to from now on; NULL when the profile is malformed. */
static Section *opened(const char *line) {
    unsigned index;
    if (sscanf(line, "[gpu %u]", &index) != 1 || index != profile.gpus || index >= MAX_GPUS)
        return NULL;
    return &profile.gpu[profile.gpus++];
}

static Section *accept(Section *into, char *line) {
    if (!*line || *line == '#') return into;
    if (*line == '[') return opened(line);
    char *equals = strchr(line, '=');
    if (!equals || into->count == MAX_LINES) return NULL;
    *equals = '\0';
    into->line[into->count++] = (Line){trimmed(line), trimmed(equals + 1)};
    return into;
}

Return profile_load(void) {
    const char *path = getenv("RACKWRIGHT_NVML_PROFILE");
    profile_drop();
    text = read_text(path && *path ? path : DEFAULT_PATH);
    Section *into = text ? &profile.system : NULL;
    char *rest = text;
    for (char *line; into && (line = strsep(&rest, "\n"));) into = accept(into, trimmed(line));
    return into ? OK : DRIVER_NOT_LOADED;
}

void profile_drop(void) {
    free(text);
    text = NULL;
    memset(&profile, 0, sizeof profile);
}

Return check(const Section *at) {
    if (!profile.users) return UNINITIALIZED;
    if (at == &profile.system) return OK;
    return at >= profile.gpu && at < profile.gpu + profile.gpus ? OK : INVALID_ARGUMENT;
}

Return find(const Section *at, const char *key, unsigned nth, const char **value) {
    Return got = check(at);
    if (got != OK) return got;
    for (const Line *line = at->line; line < at->line + at->count; line++) {
        if (strcmp(line->key, key) || nth--) continue;
        *value = line->value;
        return *line->value == '!' ? (Return)atoi(line->value + 1) : OK;
    }
    return NOT_SUPPORTED;
}

static Return parsed(const char *value, u64 *out) {
    char *end;
    if (*value == '-') return NOT_SUPPORTED;
    if (*value == '!') return (Return)atoi(value + 1);
    *out = strtoull(value, &end, 0);
    return end == value || (*end && *end != ',') ? UNKNOWN : OK;
}

Return element(const Section *at, const char *key, unsigned index, u64 *out) {
    const char *value;
    Return got = find(at, key, 0, &value);
    if (got != OK) return got;
    while (index-- && value) value = (value = strchr(value, ',')) ? value + 1 : NULL;
    return value ? parsed(value, out) : INVALID_ARGUMENT;
}

Return numbers(const Section *at, const char *key, unsigned count, u64 *out) {
    for (unsigned i = 0; i < count; i++) {
        Return got = element(at, key, i, &out[i]);
        if (got != OK) return got;
    }
    return OK;
}

Return word(const Section *at, const char *key, char *out, size_t size) {
    const char *value;
    Return got = find(at, key, 0, &value);
    if (got != OK) return got;
    if (!out) return INVALID_ARGUMENT;
    if (strlen(value) >= size) return INSUFFICIENT_SIZE;
    strcpy(out, value);
    return OK;
}
