add_executable(bench_retry "${PROJECT_SOURCE_DIR}/tests/bench/retry_bench.c")
target_link_libraries(bench_retry PRIVATE oxp_resilience oxp_base oxp_flags)
