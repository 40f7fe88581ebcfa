/* Stand-in of the Rackwright lab: what modinfo reads, and nothing that a kernel would load. */
static const char version[] __attribute__((used, section(".modinfo"))) = "version={version}";
static const char package[] __attribute__((used, section(".modinfo"))) = "package={package}";
