#include <oxpecker/checkpoint.h>

void oxp_store_free(struct oxp_store *store) {
    if (store != NULL) {
        store->free(store);
    }
}

bool oxp_store_key_is_valid(const char *key) {
    size_t len = 0;
    for (; key != NULL && key[len] != '\0'; len++) {
        char c = key[len];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '-' || (c == '.' && len > 0);
        if (!plain || len >= OXP_STORE_KEY_MAX) {
            return false;
        }
    }
    return len > 0;
}
