add_executable(bench_checkpoint "${PROJECT_SOURCE_DIR}/tests/bench/checkpoint_bench.c")
target_link_libraries(bench_checkpoint PRIVATE oxp_checkpoint oxp_base oxp_flags)
