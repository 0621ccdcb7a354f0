add_executable(bench_parse "${PROJECT_SOURCE_DIR}/tests/bench/parse_bench.c")
target_link_libraries(bench_parse PRIVATE oxp_parse oxp_event oxp_base oxp_flags)
