pkg_check_modules(BENCH_isal REQUIRED IMPORTED_TARGET libisal) # for the bare limit
add_executable(bench_exposition "${PROJECT_SOURCE_DIR}/tests/bench/exposition_bench.c")
target_link_libraries(bench_exposition PRIVATE oxp_exposition oxp_gzip oxp_metrics oxp_base oxp_flags PkgConfig::BENCH_isal)
