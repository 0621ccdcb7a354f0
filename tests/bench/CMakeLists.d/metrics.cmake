add_executable(bench_number "${PROJECT_SOURCE_DIR}/tests/bench/number_bench.c")
target_link_libraries(bench_number PRIVATE oxp_base oxp_flags)
add_executable(bench_metrics "${PROJECT_SOURCE_DIR}/tests/bench/metrics_bench.c")
target_link_libraries(bench_metrics PRIVATE oxp_metrics oxp_base oxp_flags)
