/* What this program was built from. */
#ifndef OXP_APP_BUILD_H
#define OXP_APP_BUILD_H

/* "0.1.0" */
const char *oxp_build_version(void);
/* The commit, or "unknown" outside a checkout. */
const char *oxp_build_revision(void);
/* What --version prints, with the versions of the libraries; the caller's (free). NULL without memory. */
char *oxp_build_text(void);

#endif
