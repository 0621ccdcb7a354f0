add_executable(bench_client "${PROJECT_SOURCE_DIR}/tests/bench/client_bench.c")
target_link_libraries(bench_client PRIVATE oxp_client oxp_base oxp_flags)
