add_executable(bench_events "${PROJECT_SOURCE_DIR}/tests/bench/events_bench.c")
target_link_libraries(bench_events PRIVATE oxp_flags)
add_executable(bench_scrape "${PROJECT_SOURCE_DIR}/tests/bench/scrape_bench.c")
target_link_libraries(bench_scrape PRIVATE oxp_api oxp_serve oxp_exposition oxp_gzip oxp_metrics oxp_base oxp_flags)
