/* The daemon and its subcommands. */
#include "exporter/app/app.h"

int main(int argc, char **argv) {
    return oxp_app_main(argc, argv);
}
