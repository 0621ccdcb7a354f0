add_executable(bench_log "${PROJECT_SOURCE_DIR}/tests/bench/log_bench.c")
target_link_libraries(bench_log PRIVATE oxp_log oxp_base oxp_flags)
