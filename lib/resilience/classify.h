/* The classifier's interface is public: <oxpecker/errors.h>. This header is for the includes of this tree. */
#ifndef OXP_RESILIENCE_CLASSIFY_H
#define OXP_RESILIENCE_CLASSIFY_H

#include <oxpecker/errors.h>
#include <oxpecker/status.h>

#endif
