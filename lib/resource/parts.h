/* The two readings that make oxp_resource_read. Not for other folders. */
#ifndef OXP_RESOURCE_PARTS_H
#define OXP_RESOURCE_PARTS_H

#include <oxpecker/resource.h>

/* `pid` is above 0. As oxp_resource_read. */
enum oxp_status oxp_resource_read_process(const char *proc_root, int64_t pid, struct oxp_process_usage *usage_out);
/* What cannot be found is not known; never fails. */
void oxp_resource_read_container(const struct oxp_resource_roots *roots, int64_t pid,
                                 struct oxp_container_usage *usage_out);

#endif
