pkg_check_modules(BENCH_isal REQUIRED IMPORTED_TARGET libisal) # for the bare limit
add_executable(exposition_bench "${PROJECT_SOURCE_DIR}/tests/bench/exposition_bench.c")
target_link_libraries(exposition_bench PRIVATE oxp_exposition oxp_gzip oxp_metrics oxp_base oxp_flags PkgConfig::BENCH_isal)
