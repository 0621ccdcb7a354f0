/* Memory that only starting took. */
#ifndef OXP_APP_SETTLE_H
#define OXP_APP_SETTLE_H

/* Gives back the free ends of the heaps, and unmaps the pages of code and constants (ours and the libraries') that
 * nothing may ever look at again: parsers of the configuration, set-up of libraries. They stay in the kernel's page
 * cache, as clean as they are in the file, and what is needed again is mapped again at its first use, a page fault
 * each. So an idle sidecar's resident memory is what it works with. A segment that somebody has written to (a loader
 * that relocates code, a debugger, a probe, an agent) stays, for the file does not have it so; where
 * /proc/self/pagemap cannot be read, all stay. Any thread, once everything has run. */
void oxp_settle(void);

#endif
