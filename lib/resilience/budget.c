/* The budget of retries: one atomic count of tokens. Taking and giving are single compare-and-swap loops; a full bucket
 * is not written to, so that the ordinary success costs one read of a line that all threads share. */
#include <oxpecker/retry.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CAPACITY = 500, RETRY_COST = 5, SUCCESS_GAIN = 1, CAPACITY_MAX = 1000000 };

struct oxp_retry_budget {
    _Atomic unsigned left;
    unsigned capacity, cost, gain;
};

enum oxp_status oxp_retry_budget_new(const struct oxp_retry_budget_options *options,
                                     struct oxp_retry_budget **budget_out) {
    struct oxp_retry_budget_options given = options != NULL ? *options : (struct oxp_retry_budget_options){0, 0, 0};
    unsigned capacity = given.capacity != 0 ? given.capacity : CAPACITY;
    unsigned cost = given.retry_cost != 0 ? given.retry_cost : RETRY_COST;
    unsigned gain = given.success_gain != 0 ? given.success_gain : SUCCESS_GAIN;
    if (capacity > CAPACITY_MAX || cost > capacity || gain > capacity) {
        return OXP_ERR_INVALID;
    }
    struct oxp_retry_budget *budget = calloc(1, sizeof *budget);
    if (budget == NULL) {
        return OXP_ERR_NOMEM;
    }
    budget->capacity = capacity;
    budget->cost = cost;
    budget->gain = gain;
    atomic_init(&budget->left, capacity);
    *budget_out = budget;
    return OXP_OK;
}

void oxp_retry_budget_free(struct oxp_retry_budget *budget) {
    free(budget);
}

bool oxp_retry_budget_take(struct oxp_retry_budget *budget) {
    if (budget == NULL) {
        return true;
    }
    unsigned left = atomic_load_explicit(&budget->left, memory_order_relaxed);
    do {
        if (left < budget->cost) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&budget->left, &left, left - budget->cost, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void oxp_retry_budget_give(struct oxp_retry_budget *budget, bool retried) {
    if (budget == NULL) {
        return;
    }
    unsigned gain = retried ? budget->cost : budget->gain;
    unsigned left = atomic_load_explicit(&budget->left, memory_order_relaxed);
    unsigned next;
    do {
        if (left >= budget->capacity) {
            return;
        }
        next = budget->capacity - left < gain ? budget->capacity : left + gain;
    } while (
        !atomic_compare_exchange_weak_explicit(&budget->left, &left, next, memory_order_relaxed, memory_order_relaxed));
}

unsigned oxp_retry_budget_left(const struct oxp_retry_budget *budget) {
    return atomic_load_explicit(&budget->left, memory_order_relaxed);
}
