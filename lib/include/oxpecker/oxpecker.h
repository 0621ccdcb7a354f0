/* All of liboxpecker. */
#ifndef OXPECKER_OXPECKER_H
#define OXPECKER_OXPECKER_H

#include <oxpecker/api.h>
#include <oxpecker/breaker.h>
#include <oxpecker/checkpoint.h>
#include <oxpecker/client.h>
#include <oxpecker/crash.h>
#include <oxpecker/errors.h>
#include <oxpecker/exposition.h>
#include <oxpecker/failure.h>
#include <oxpecker/fallback.h>
#include <oxpecker/http.h>
#include <oxpecker/log.h>
#include <oxpecker/metrics.h>
#include <oxpecker/recovery.h>
#include <oxpecker/report.h>
#include <oxpecker/resource.h>
#include <oxpecker/retry.h>
#include <oxpecker/status.h>
#include <oxpecker/store.h>
#include <oxpecker/trace.h>
#include <oxpecker/transaction.h>
#include <oxpecker/view.h>

#endif
